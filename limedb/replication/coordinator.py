"""Carries a client's request to the replicas that own its keys.

It owns the request from its arrival to the outcome of each key. It must never know whether a replica
is its own node.

Levels: ONE, one replica; QUORUM, a majority, for reads and writes alike, so that a read meets every write
acknowledged before; ALL; LINEARIZABLE, a majority too, but a write first asks a majority for the newest
version, and the result of a read is held like an acknowledged write, whatever the epoch of other reads.
QUORUM and LINEARIZABLE reads write back the newest record before they answer (`read/read_repair.py`).

Tested in tests/replication/write/test_writer.py and tests/replication/read/test_reader.py.
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from hashlib import blake2b
from random import Random
from typing import TypeVar

from limedb.aio.quorum_driver import QuorumDriver
from limedb.aio.stages import ensure_stages
from limedb.aio.tasks import Tasks
from limedb.core.groups import tag_of, tags_of
from limedb.core.hlc import HybridClock
from limedb.core.quorum import Level
from limedb.core.transactions import Judged
from limedb.errors import ContendedError, KeyNotFoundError, LimeDBError
from limedb.ports import Clock, GroupForm, HintLog, Placement, Replicas
from limedb.replication.clock_guard import ClockSkewGuard
from limedb.replication.conditional.proposer import ConditionalProposer
from limedb.replication.fanout import Fanout
from limedb.replication.groups.groups import Groups
from limedb.replication.groups.transaction import Transaction
from limedb.replication.idempotency.proposer import IdempotencyProposer, operation_of
from limedb.replication.leases.leases import Leases
from limedb.replication.read.confirmed_reads import ConfirmedReads, OwnRecords, too_late
from limedb.replication.read.get_batcher import GetBatcher
from limedb.replication.read.read_repair import BlockingReadRepair
from limedb.replication.read.reader import Reader
from limedb.replication.read.resolver import Read, ReadResolver
from limedb.replication.requests import MAX_ATTEMPTS, Counters, Found, Outcome, Write, WriteBatch, Written
from limedb.replication.write.apart import write_apart, write_by_group, write_in_portions
from limedb.replication.write.batcher import WriteBatcher
from limedb.replication.write.pending import PendingWrite, as_unknown_if_maybe_stored
from limedb.replication.write.portions import PORTION_BYTES, is_large, portions
from limedb.replication.write.writer import Writer

__all__ = ["MAX_ATTEMPTS", "Coordinator", "Counters", "Found", "Write", "Written"]

CLOSING_SECONDS = 1.0
"""How long sends for which no request waits may continue when the node stops."""


class Coordinator:
    """Takes requests for any key. Deadlines are seconds of clock.monotonic; a level of None is the default.

    name: of the node, its URL. own: its own replica, for reads that begin there; None: there are none.
    counters: its further work besides answers. form: of the values in the registers of groups. resolver:
    reads for it; `resolver.read_repair` may be replaced. confirmed_reads: reads that begin at the own
    replica. A subclass may replace the classes of these and of the writer (`*_class`). portion_bytes: of a
    large batch, as in `portions`; simulations set less.
    """

    confirmed_reads_class = ConfirmedReads
    get_batcher_class = GetBatcher
    writer_class = Writer
    conditional_class = ConditionalProposer
    groups_class = Groups
    leases_class = Leases

    def __init__(
        self,
        placement: Placement,
        replicas: Replicas,
        clock: Clock,
        versions: HybridClock,
        hints: HintLog,
        skew: ClockSkewGuard,
        form: GroupForm,
        default_level: Level = Level.QUORUM,
        name: str = "",
        driver_class: type[QuorumDriver] = QuorumDriver,
        own: OwnRecords | None = None,
        rng: Random | None = None,
    ) -> None:
        self._placement, self._replicas, self._clock = placement, replicas, clock
        self._skew, self._default = skew, default_level
        self.counters = Counters()
        self._tasks = Tasks()
        driver = driver_class(clock, self._tasks)
        fanout = Fanout(replicas, hints, clock, driver, self.counters)
        reader = Reader(replicas, clock, driver, self.counters)
        read_repair = BlockingReadRepair(replicas, fanout, self.counters)
        self.resolver = ReadResolver(placement, replicas, reader, clock, self.counters, read_repair)
        self.confirmed_reads = self.confirmed_reads_class(name, own, placement, reader)
        self._gets = self.get_batcher_class(self.confirmed_reads, clock, self._tasks)
        self._writer = self.writer_class(placement, replicas, clock, versions, skew, fanout, self.counters)
        self._batcher = WriteBatcher(self._write_new, clock, self._tasks)
        self._idempotency = IdempotencyProposer(
            placement, replicas, clock, skew, driver, self.counters, self._learn, self._new_proposer
        )
        rng = rng or Random()
        self.conditional = self.conditional_class(
            placement, replicas, clock, versions, skew, driver, fanout, self.counters, self._tasks, rng
        )
        self.resolver.settle = self.conditional.settle
        self.leases = self.leases_class(self.resolver, self.conditional, skew.now_ms, rng)
        self.groups = self.groups_class(self.resolver, self._writer, self.conditional, form, skew.now_ms)
        self._versions, self._name = versions, name
        self.portion_bytes = PORTION_BYTES

    async def get(self, key: str, level: Level | None, deadline: float, most: int | None = None) -> Found:
        """The value of a key. KeyNotFoundError, UnavailableError, RequestTimeoutError. most: bytes of values
        that a replica may answer; ResponseTooLargeError, or RemoteError of that reason: it has more.
        """
        level = level or self._default
        if failed := await self._end_groups((key,), level, deadline):
            raise failed[tag_of(key)]
        read = await self.resolver.resolve_alone(key, level, deadline, most)
        if read is None:
            (read,) = await self.resolver.resolve((key,), level, deadline, most=most)
        return _raised(self._found(read))

    async def get_stored(self, key: str, level: Level | None, deadline: float) -> bytes | None:
        """The stored record of a key, if the node has it at hand and others confirm it for the level; empty:
        nothing is stored. None: use `get`. The caller checks whether it has expired. Errors of `get`.
        """
        if self.ends_groups((key,), level):
            return None
        return await self._gets.get(key, level or self._default, deadline)

    async def get_large(
        self, key: str, level: Level | None, deadline: float, most: int | None = None
    ) -> Found | bytes:
        """As `get`; or the stored bytes, as of `get_stored`, of a record that is too large for that."""
        if self.ends_groups((key,), level):
            return await self.get(key, level, deadline, most)
        data = await self.confirmed_reads.read_large(key, level or self._default, deadline, most)
        return await self.get(key, level, deadline, most) if data is None else data

    async def get_many(
        self, keys: Sequence[str], level: Level | None, deadline: float, most: int | None = None
    ) -> list[Outcome]:
        """The outcome for each key, in their order. most: as in `get`."""
        if not keys:
            return []
        level = level or self._default
        by_key = dict.fromkeys(keys)
        different = keys if len(by_key) == len(keys) else [*by_key]
        if failed := await self._end_groups(different, level, deadline):
            return await self._get_others(keys, failed, level, deadline, most)
        outcomes = await self._get_different(different, level, deadline, most)
        if different is keys:
            return outcomes
        by_name = dict(zip(different, outcomes, strict=True))
        return [by_name[key] for key in keys]

    def ends_groups(self, keys: Sequence[str], level: Level | None) -> bool:
        """Whether a read of keys must first store the rest of changes of their groups."""
        return (level or self._default) is Level.LINEARIZABLE and bool(tags_of(keys))

    async def transact(self, wanted: Transaction, deadline: float) -> tuple[Judged, Written | None]:
        """See Groups.transact."""
        return await self.groups.transact(wanted, deadline)

    async def _end_groups(self, keys: Sequence[str], level: Level, deadline: float) -> dict[str, LimeDBError]:
        """Store the rest of changes of groups for keys, if the level requires it; return the tags of the
        groups where that failed, and why.
        """
        return await self.groups.end(tags_of(keys), deadline) if self.ends_groups(keys, level) else {}

    async def _get_others(
        self,
        keys: Sequence[str],
        failed: Mapping[str, LimeDBError],
        level: Level,
        deadline: float,
        most: int | None,
    ) -> list[Outcome]:
        """As get_many, where groups with some tags can't be read."""
        others = [*dict.fromkeys(key for key in keys if tag_of(key) not in failed)]
        found = await self._get_different(others, level, deadline, most) if others else ()
        by_key = dict(zip(others, found, strict=True))
        return [by_key[key] if key in by_key else failed[tag_of(key)] for key in keys]

    async def _get_different(
        self, keys: Sequence[str], level: Level, deadline: float, most: int | None
    ) -> list[Outcome]:
        """As get_many, for different keys: reads keys that peers can confirm, and meanwhile the others; then
        those that peers didn't confirm.
        """
        resolve = partial(self._resolved, level=level, deadline=deadline, most=most)
        read = self.confirmed_reads.begin(keys, level, most)
        if read is None:
            by_key = await resolve(keys)
            return [by_key[key] for key in keys]
        began = self._clock.monotonic()
        confirming = self.confirmed_reads.confirm(read, deadline)
        if others := [keys[place] for place in read.others]:
            by_key, left = await asyncio.gather(resolve(others), confirming)
        else:
            by_key, left = {}, await confirming
        if again := [keys[place] for place in left]:
            now = self._clock.monotonic()
            late = {key: too_late(key, began, now, deadline) for key in again}
            by_key |= late if None not in late.values() else await resolve(again)
        outcomes: list[Outcome] = [*read.found]
        for place in (*read.others, *left):
            outcomes[place] = by_key[keys[place]]
        return outcomes

    async def _resolved(
        self, keys: Sequence[str], level: Level, deadline: float, most: int | None
    ) -> dict[str, Outcome]:
        """The result of the whole way for different keys."""
        reads = await self.resolver.resolve(keys, level, deadline, most=most)
        return {read.key: self._found(read) for read in reads}

    async def write(self, write: Write, level: Level | None, deadline: float) -> Written:
        """Store or delete a key. UnavailableError (LevelUnreachableError: nothing was written;
        OutcomeUnknownError: it may take effect), StoreFullError. If a later attempt of a write with an
        idempotency key fails, its outcome is unknown.
        """
        level = level or self._default
        if write.lease:
            return await self.leases.attach(write.lease, write, deadline)
        if tag := tag_of(write.key):
            return await self.groups.write(tag, write, level, deadline)
        if write.is_conditional:
            return await self.conditional.write(write, deadline)
        if level is Level.LINEARIZABLE or write.idempotency_key:
            (outcome,) = await self._outcomes((write,), level, deadline)
        else:
            outcome = await self._batcher.write(write, level, deadline)
        return _raised(outcome)

    async def write_many(
        self, writes: Sequence[Write], level: Level | None, deadline: float
    ) -> Sequence[Written | LimeDBError]:
        """The outcome of each write, in their order. Of two to one key, the later is written for both."""
        if not writes:
            return []
        level = level or self._default
        if isinstance(writes, WriteBatch):
            return await self._different(writes, level, deadline)
        if any(write.is_conditional for write in writes):
            return await write_apart(writes, level, deadline, self.write, self._different)
        by_key = {write.key: write for write in writes}
        if len(by_key) == len(writes):
            return await self._different(writes, level, deadline)
        outcomes = await self._different([*by_key.values()], level, deadline)
        by_name = dict(zip(by_key, outcomes, strict=True))
        return [by_name[write.key] for write in writes]

    async def write_direct(self, node_url: str, write: Write, deadline: float) -> Written:
        """Store at the node that is named, whether it owns the key or not. Errors of Replica.apply;
        ContendedError.
        """
        self._skew.check_own()
        job = PendingWrite(write)
        for _ in range(MAX_ATTEMPTS):
            topology = self._placement.layout.topology
            record = self._writer.version(job, self._skew.now_ms())
            (applied,) = await self._replicas.at(node_url).apply((record,), topology.fence, deadline)
            if not applied.superseded_by:
                job.learn_previous(applied.previous, applied.existed)
                return Written(record.version, job.existed, 1, 1, topology.epoch)
            self._writer.rise(job, applied.superseded_by)
        raise ContendedError(write.key, MAX_ATTEMPTS)

    async def close(self) -> None:
        """Wait for running sends, then cut them off and leave hints. Nothing runs afterwards."""
        await self._tasks.close(CLOSING_SECONDS)

    async def _different(
        self, writes: Sequence[Write], level: Level, deadline: float
    ) -> Sequence[Written | LimeDBError]:
        """As write_many, for writes of different keys."""
        if not isinstance(writes, WriteBatch) and tags_of(write.key for write in writes):
            return await write_by_group(writes, level, deadline, self.groups.write_all, self._different)
        if not is_large(writes, self.portion_bytes):
            return await self._outcomes(writes, level, deadline)
        shares = portions(writes, self.portion_bytes)
        return await write_in_portions(shares, level, deadline, self._clock, self._outcomes)

    async def _outcomes(
        self, writes: Sequence[Write], level: Level, deadline: float
    ) -> Sequence[Written | LimeDBError]:
        """The outcomes of writes of different keys."""
        ensure_stages()
        if level is not Level.LINEARIZABLE and isinstance(writes, WriteBatch):
            self._skew.check_own()
            return await self._writer.write_batch(writes, level, deadline)
        jobs = [PendingWrite(write) for write in writes]
        await self._write(jobs, level, deadline)
        return [job.settled() for job in jobs]

    async def _write(self, jobs: Sequence[PendingWrite], level: Level, deadline: float) -> None:
        self._check_own(jobs)
        repeatable = [job for job in jobs if job.write.idempotency_key]
        if repeatable:
            await self._idempotency.settle(repeatable, deadline)
            await self._write_open(repeatable, level, deadline)
            await self._finish_blocked(repeatable, deadline)
            jobs = [job for job in jobs if not job.write.idempotency_key]
        if level is Level.LINEARIZABLE and jobs:
            await self._learn(jobs, deadline)
        await self._write_open(jobs, level, deadline)
        await self._finish_blocked(jobs, deadline)

    async def _finish_blocked(self, jobs: Sequence[PendingWrite], deadline: float) -> None:
        """Determine the outcome of writes that missed their level because of a promise to a conditional
        write.
        """

        async def finish(job: PendingWrite) -> None:
            operation = operation_of(job.write).id if job.write.idempotency_key else b""
            try:
                written = await self.conditional.finish(job.sent, operation, deadline)
                job.outcome = written._replace(existed=job.existed)
            except LimeDBError as error:
                job.outcome = error

        await asyncio.gather(*(finish(job) for job in jobs if job.is_blocked))

    async def _write_open(self, jobs: Sequence[PendingWrite], level: Level, deadline: float) -> None:
        """Carry out the writes that have no outcome yet."""
        if jobs := [job for job in jobs if job.outcome is None]:
            await self._writer.write(jobs, level, deadline)

    async def _write_new(self, jobs: Sequence[PendingWrite], level: Level, deadline: float) -> None:
        """Write what nobody has tried to write before, as Writer.write."""
        try:
            self._skew.check_own()
        except LimeDBError as error:
            for job in jobs:
                job.outcome = error
                job.resolve()
        else:
            await self._writer.write(jobs, level, deadline)

    def _check_own(self, jobs: Sequence[PendingWrite]) -> None:
        """UnavailableError: the own clock is too far off to give versions; the outcome of an earlier attempt
        is then unknown.
        """
        try:
            self._skew.check_own()
        except LimeDBError as error:
            for job in jobs:
                job.may_be_stored = job.write.attempt > 0
            raise as_unknown_if_maybe_stored(jobs[0], error) from None

    def _new_proposer(self) -> str:
        """A name that no other attempt at any node has."""
        tick = self._versions.tick(self._skew.now_ms())
        return blake2b(f"{self._name} {tick}".encode(), digest_size=8).hexdigest()

    async def _learn(self, jobs: Sequence[PendingWrite], deadline: float) -> None:
        """Give each job a version above all versions that a majority of its owners has."""
        by_key = {job.write.key: job for job in jobs}
        for read in await self.resolver.resolve([*by_key], Level.LINEARIZABLE, deadline, repairs=False):
            job = by_key[read.key]
            try:
                self._place(job, read)
            except LimeDBError as error:
                job.outcome = error

    def _place(self, job: PendingWrite, read: Read) -> None:
        """Give a job a version above the one that was read."""
        if isinstance(read.record, LimeDBError):
            raise read.record
        if read.record is not None:
            self._writer.rise(job, read.record.version)
            job.learn_previous(read.record.version, read.record.is_live(self._skew.now_ms()))
        self._writer.version(job, self._skew.now_ms())
        job.version_is_final = True

    def _found(self, read: Read) -> Found | LimeDBError:
        record = read.record
        if isinstance(record, LimeDBError):
            return record
        if record is None or record.value is None or not record.is_live(self._skew.now_ms()):
            return KeyNotFoundError(read.key)
        return Found(record.value, read.node_url, record.encoded, record.version, record.expires_at)


T = TypeVar("T", Found, Written)


def _raised(outcome: T | LimeDBError) -> T:
    """An outcome, raised where it is an error."""
    if isinstance(outcome, LimeDBError):
        raise outcome
    return outcome
