"""Carries a client's request to the replicas that own its keys.

It owns versions, retries and the outcome of each key. It must never know whether a replica is its own node.
"""

import asyncio
from collections import defaultdict
from collections.abc import Coroutine, Iterable, Sequence
from typing import NamedTuple

from limedb.core.hlc import HybridClock
from limedb.core.record import Record
from limedb.errors import ContendedError, KeyNotFoundError, LimeDBError
from limedb.ports import Applied, Clock, Placement, Replicas

MAX_ATTEMPTS = 8
"""How often a write that newer ones overtake is written again, above them, before it gives up."""


class Write(NamedTuple):
    """A write that a client asks for. value: None deletes. ttl_ms: milliseconds to live, 0 for ever."""

    key: str
    value: str | bytes | None
    ttl_ms: int = 0


class Found(NamedTuple):
    """A value that was read, and the node that holds it."""

    value: str | bytes
    node_url: str


class Written(NamedTuple):
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
        await _all(
            self._write_share(owner, [last[key] for key in share], outcomes, deadline)
            for owner, share in self._by_owner(last).items()
        )
        return [outcomes[write.key] for write in writes]

    async def _write_at(self, owner: str, write: Write, deadline: float) -> Written:
        """Write at the owner; when a newer version supersedes it, write again above that version.

        So a write that comes after an acknowledged one wins, whatever the wall clocks of the two say.
        """
        replica = self._replicas.at(owner)
        for _ in range(MAX_ATTEMPTS):
            record = self._versioned(write)
            (applied,) = await replica.apply((record,), deadline)
            if (written := self._written(record, applied)) is not None:
                return written
        raise ContendedError(write.key, MAX_ATTEMPTS)

    async def _write_share(
        self,
        owner: str,
        writes: Sequence[Write],
        outcomes: dict[str, Written | LimeDBError],
        deadline: float,
    ) -> None:
        """Write a batch's share of one owner, again where it is superseded. What stands once has its outcome,
        whatever becomes of the rest.
        """
        replica = self._replicas.at(owner)
        outcomes.update({write.key: ContendedError(write.key, MAX_ATTEMPTS) for write in writes})
        pending = writes
        try:
            for _ in range(MAX_ATTEMPTS):
                records = [self._versioned(write) for write in pending]
                applied = await replica.apply(records, deadline)
                written = {r.key: self._written(r, a) for r, a in zip(records, applied, strict=True)}
                outcomes.update({key: outcome for key, outcome in written.items() if outcome is not None})
                pending = [write for write in pending if written[write.key] is None]
                if not pending:
                    return
        except LimeDBError as error:
            outcomes.update(dict.fromkeys((write.key for write in pending), error))

    def _written(self, record: Record, applied: Applied) -> Written | None:
        """What became of a record; None when it is superseded: then the clock has moved past that version."""
        if applied.superseded_by:
            self._versions.observe(applied.superseded_by)
            return None
        return Written(record.version, applied.existed, 1, 1)

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
