"""Carries a client's request to the replicas that own its keys.

It owns versions, retries and the outcome of each key. It must never know whether a replica is its own node.
"""

import asyncio
from collections import defaultdict
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass

from limedb.core.hlc import HybridClock
from limedb.core.record import Record
from limedb.errors import ContendedError, KeyNotFoundError, LimeDBError
from limedb.ports import Applied, Clock, Placement, Replicas

MAX_ATTEMPTS = 8
"""How often a write that newer ones overtake is written again, above them, before it gives up."""


@dataclass(frozen=True, slots=True)
class Write:
    """A write that a client asks for. value: None deletes. ttl_ms: milliseconds to live, 0 for ever."""

    key: str
    value: str | bytes | None
    ttl_ms: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """A value that was read, and the node that holds it."""

    value: str | bytes
    node_url: str


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a write. version: it is stored under; acked of replicas have it on disk.

    existed: whether the key had a live value before.
    """

    version: int
    existed: bool
    acked: int
    replicas: int


class Coordinator:
    """Takes requests for any key. Deadlines are seconds of clock.monotonic."""

    def __init__(self, placement: Placement, replicas: Replicas, clock: Clock, versions: HybridClock) -> None:
        self._placement, self._replicas = placement, replicas
        self._clock, self._versions = clock, versions

    async def get(self, key: str, deadline: float) -> Found:
        """The value of a key. KeyNotFoundError, UnavailableError, RequestTimeoutError."""
        owner = self._placement.owner(key)
        (record,) = await self._replicas.at(owner).read((key,), deadline)
        return self._found(key, record, owner)

    async def get_many(self, keys: Sequence[str], deadline: float) -> list[Found | LimeDBError]:
        """The outcome for each key, in their order."""
        outcomes: dict[str, Found | LimeDBError] = {}

        async def read(owner: str, share: list[str]) -> None:
            try:
                records = await self._replicas.at(owner).read(share, deadline)
            except LimeDBError as error:
                outcomes.update(dict.fromkeys(share, error))
            else:
                outcomes.update({k: self._outcome(k, r, owner) for k, r in zip(share, records, strict=True)})

        await _all(read(owner, share) for owner, share in self._by_owner(keys).items())
        return [outcomes[key] for key in keys]

    async def write(self, write: Write, deadline: float) -> Written:
        """Store or delete at the owner of the key. UnavailableError, RequestTimeoutError, StoreFullError."""
        return await self._write_at(self._placement.owner(write.key), write, deadline)

    async def write_direct(self, node_url: str, write: Write, deadline: float) -> Written:
        """Store at the node that is named, whoever owns the key."""
        return await self._write_at(node_url, write, deadline)

    async def write_many(self, writes: Sequence[Write], deadline: float) -> list[Written | LimeDBError]:
        """The outcome of each write, in their order. Of two to one key, the later is written for both."""
        last = {write.key: write for write in writes}
        outcomes: dict[str, Written | LimeDBError] = {}

        async def apply(owner: str, share: list[str]) -> None:
            try:
                results = await self._apply(owner, [last[key] for key in share], deadline)
            except LimeDBError as error:
                results = [error] * len(share)
            outcomes.update(zip(share, results, strict=True))

        await _all(apply(owner, share) for owner, share in self._by_owner(last).items())
        return [outcomes[write.key] for write in writes]

    async def _write_at(self, owner: str, write: Write, deadline: float) -> Written:
        (outcome,) = await self._apply(owner, (write,), deadline)
        if isinstance(outcome, LimeDBError):
            raise outcome
        return outcome

    async def _apply(
        self, owner: str, writes: Sequence[Write], deadline: float
    ) -> list[Written | LimeDBError]:
        """Write at one owner; what a newer version supersedes is written again above that version.

        So a write that comes after an acknowledged one wins, whatever the wall clocks of the two say.
        """
        replica = self._replicas.at(owner)
        done: dict[str, Written] = {}
        pending = writes
        for _ in range(MAX_ATTEMPTS):
            records = [self._versioned(write) for write in pending]
            applied = await replica.apply(records, deadline)
            done.update(self._settled(records, applied))
            if len(done) == len(writes):
                return [done[write.key] for write in writes]
            pending = [write for write in pending if write.key not in done]
        return [done.get(write.key) or ContendedError(write.key, MAX_ATTEMPTS) for write in writes]

    def _settled(
        self, records: Sequence[Record], applied: Sequence[Applied]
    ) -> Iterator[tuple[str, Written]]:
        """The writes that stand; the clock moves past those that overtook the others."""
        for record, result in zip(records, applied, strict=True):
            if result.superseded_by:
                self._versions.observe(result.superseded_by)
            else:
                yield record.key, Written(record.version, result.existed, acked=1, replicas=1)

    def _versioned(self, write: Write) -> Record:
        now = self._clock.wall_ms()
        expires_at = now + write.ttl_ms if write.ttl_ms else 0
        return Record(write.key, write.value, self._versions.tick(now), expires_at)

    def _outcome(self, key: str, record: Record | None, owner: str) -> Found | LimeDBError:
        try:
            return self._found(key, record, owner)
        except KeyNotFoundError as error:
            return error

    def _found(self, key: str, record: Record | None, owner: str) -> Found:
        if record is None or record.value is None or not record.is_live(self._clock.wall_ms()):
            raise KeyNotFoundError(key)
        return Found(record.value, owner)

    def _by_owner(self, keys: "Sequence[str] | dict[str, Write]") -> dict[str, list[str]]:
        shares: dict[str, list[str]] = defaultdict(list)
        for key in dict.fromkeys(keys):
            shares[self._placement.owner(key)].append(key)
        return shares


async def _all(steps: "Iterable[Coroutine[None, None, None]]") -> None:
    """Run steps side by side; end them all when one fails or the caller is cancelled."""
    async with asyncio.TaskGroup() as group:
        for step in steps:
            group.create_task(step)
