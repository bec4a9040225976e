"""Finds the valid records of keys at a level: asks, merges, repairs, and starts over when the topology
changes.

It owns the way from keys to records. It must never know the form of an answer to a client.

Tested in tests/replication/read/test_reader.py.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from limedb.core.layout import Layout, Owners
from limedb.core.quorum import Level, needed
from limedb.core.record import Record
from limedb.core.topology import Fence
from limedb.errors import LimeDBError, RecordDamagedError, StaleEpochError
from limedb.ports import Clock, Held, Placement, Replicas
from limedb.replication.fanout import PromisedError
from limedb.replication.read.reader import Reader, ReadRound
from limedb.replication.requests import MAX_RESTARTS, Counters
from limedb.replication.stale_epoch import follow_topology

LOOKS, LOOK_SECONDS = 3, 0.004
"""How often a read that meets a conditional write under way looks again, and how long it waits at first."""


class ReadRepairStrategy(Protocol):
    """The reaction to replicas that differ (`read_repair.BlockingReadRepair`)."""

    async def restore(
        self, rounds: Sequence[ReadRound], level: Level, fence: Fence, deadline: float
    ) -> Mapping[str, LimeDBError]:
        """Repair replicas; return the keys that must not be answered, and why."""


class Read(NamedTuple):
    """The valid record of a key; None: nothing is stored. node_url: the first owner asked that holds it."""

    key: str
    record: Record | LimeDBError | None
    node_url: str = ""


class ReadResolver:
    """Reads keys. read_repair: the reaction to replicas that differ; a simulation may replace it.
    on_conflict: called with a key of which two nodes have different records of one version, and with those
    nodes. settle: finds the valid record of a key, until a deadline, where a conditional write was left half
    done.
    """

    def __init__(
        self,
        placement: Placement,
        replicas: Replicas,
        reader: Reader,
        clock: Clock,
        counters: Counters,
        read_repair: ReadRepairStrategy,
    ) -> None:
        self._placement, self._replicas, self._reader, self._clock = placement, replicas, reader, clock
        self._counters, self.read_repair = counters, read_repair
        self.on_conflict: Callable[[str, str], None] = lambda key, between: None
        self.settle: Callable[[str, float], Awaitable[Record | None]] | None = None

    async def resolve_alone(
        self, key: str, level: Level, deadline: float, most: int | None = None
    ) -> Read | None:
        """The valid record of a key that has one replica, by the short way; None: take the long one. most: as
        in Replica.read.
        """
        layout = self._placement.layout
        if (url := sole_owner(layout, (key,))) is None or not self._replicas.is_reachable(url):
            return None
        try:
            (record,) = await self._replicas.at(url).read((key,), layout.topology.fence, deadline, most)
        except StaleEpochError:
            return None
        except LimeDBError as error:
            read_round = ReadRound([key], layout.of_key(key), 1)
            read_round.missing[url] = error
            return Read(key, read_round.error(key, level.value, 0.0))
        return Read(key, record, "" if isinstance(record, RecordDamagedError) else url)

    async def resolve(
        self,
        keys: Sequence[str],
        level: Level,
        deadline: float,
        *,
        most: int | None = None,
        repairs: bool = True,
        looks: int = 0,
    ) -> list[Read]:
        """The valid records of different keys, in no order. repairs: whether to repair replicas that differ.
        most: as in Reader.read. looks: how often they were already read in vain, since a conditional write
        was under way.

        NotMemberError, StaleEpochError: the node can't follow the topology.
        """
        began = self._clock.monotonic()
        repairs = repairs and level is not Level.ONE
        for attempt in range(MAX_RESTARTS):
            layout = self._placement.layout
            fence = layout.topology.fence
            try:
                rounds = await self._reader.read(_rounds(keys, layout, level), fence, deadline, most)
                self._report_conflicts(rounds)
                failed = await self.read_repair.restore(rounds, level, fence, deadline) if repairs else {}
            except StaleEpochError as error:
                self._follow(error, layout, attempt)
            else:
                seconds = self._clock.monotonic() - began
                found = [read for read_round in rounds for read in _reads(read_round, failed, level, seconds)]
                if not failed:
                    return found
                return await self._resolve_blocked(found, level, deadline, most, looks)
        raise AssertionError("unreachable: the last attempt raises")

    async def _resolve_blocked(
        self, reads: list[Read], level: Level, deadline: float, most: int | None, looks: int
    ) -> list[Read]:
        """The same reads, after repeating those that met a promise to a conditional write: mostly that write
        is done by then.
        """
        blocked = [read.key for read in reads if isinstance(read.record, PromisedError)]
        if not blocked or self.settle is None:
            return reads
        others = [read for read in reads if not isinstance(read.record, PromisedError)]
        if looks < LOOKS:
            await asyncio.sleep(LOOK_SECONDS * (1 << looks))
            return others + await self.resolve(blocked, level, deadline, most=most, looks=looks + 1)
        for key in blocked:
            try:
                others.append(Read(key, await self.settle(key, deadline)))
            except LimeDBError as error:
                others.append(Read(key, error))
        return others

    def _report_conflicts(self, rounds: Sequence[ReadRound]) -> None:
        for read_round in rounds:
            if len(read_round.answers) > 1:
                for key, urls in read_round.conflicts():
                    self.on_conflict(key, " and ".join(urls))

    def _follow(self, error: StaleEpochError, layout: Layout, attempt: int) -> None:
        """Adopt the newer topology that a replica knows."""
        self._counters.stale_restarts += 1
        if not follow_topology(self._placement, error, layout) or attempt == MAX_RESTARTS - 1:
            raise error


def sole_owner(layout: Layout, keys: Iterable[str]) -> str | None:
    """The one node that owns these keys and holds them; None: there are several, or none. NotMemberError."""
    if layout.alone is not None:
        return layout.alone
    if layout.everywhere is not None:  # several nodes own all
        return None
    found: str | None = None
    for key in keys:
        owners = layout.of_key(key)
        if owners.replicas != 1 or owners.pending or not owners.natural:
            return None
        if found is None:
            (found,) = owners.natural
        elif owners.natural[0] != found:
            return None
    return found


def _rounds(keys: Sequence[str], layout: Layout, level: Level) -> list[ReadRound]:
    """Keys by their owners."""
    if len(keys) == 1:
        owners = layout.of_key(keys[0])
        return [ReadRound([keys[0]], owners, needed(level, owners.replicas))]
    shares: dict[Owners, list[str]] = {}
    for key in keys:
        shares.setdefault(layout.of_key(key), []).append(key)
    return [ReadRound(share, owners, needed(level, owners.replicas)) for owners, share in shares.items()]


def _reads(
    read_round: ReadRound, failed: Mapping[str, LimeDBError], level: Level, seconds: float
) -> Iterator[Read]:
    if not read_round.is_enough:
        for key in read_round.keys:
            yield Read(key, read_round.error(key, level.value, seconds))
        return
    answered = [url for url in read_round.owners.natural if url in read_round.answers]
    for i, (key, record) in enumerate(zip(read_round.keys, read_round.winners(), strict=True)):
        if failed and key in failed:
            yield Read(key, failed[key])
        else:
            yield Read(key, record, _holder(read_round, answered, i, record))


def _holder(read_round: ReadRound, answered: list[str], i: int, record: Held) -> str:
    if len(answered) == 1:
        return answered[0]
    return next((url for url in answered if read_round.answers[url][i] == record), "")
