"""Writes at a level: which replicas, which version, and which retries.

It owns each write from its arrival to its receipt. It must never send: `fanout.py` does.

A receipt is true because the replicas of any two levels that must overlap do overlap: a write after an
acknowledged QUORUM write learns of it from a replica that both asked ("superseded"), moves the clock past it
and is written again. A LINEARIZABLE write asks a majority first and writes above the highest version there; a
newer record that it meets then belongs to a concurrent write, and it counts as done, ordered just before that
one. It never gets a second version, since then it could take effect twice. If a replica refuses it because of
a promise to a conditional write, that one may not have seen it; then `conditional/proposer.py` finds out its
outcome. Source: Attiya, Bar-Noy and Dolev 1995, "Sharing Memory Robustly in Message-Passing Systems"; Lynch
and Shvartsman 1997 for many writers.
"""

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial

from limedb.core.hlc import HybridClock
from limedb.core.layout import Layout, Owners
from limedb.core.quorum import Level, needed
from limedb.core.record import Record, RecordBatch
from limedb.core.ring import token_of, token_of_name
from limedb.errors import (
    ClockSkewError,
    ContendedError,
    LevelUnreachableError,
    LimeDBError,
    NotMemberError,
    ReplicaUnreachableError,
    StaleEpochError,
)
from limedb.ports import Applied, Clock, Placement, Replicas
from limedb.ports.applied_columns import columns_of
from limedb.replication.clock_guard import ClockSkewGuard
from limedb.replication.fanout import CheckStored, Fanout
from limedb.replication.replica_errors import is_replica_error
from limedb.replication.requests import (
    MAX_ATTEMPTS,
    MAX_RESTARTS,
    Counters,
    Write,
    WriteBatch,
    Written,
    WrittenBatch,
)
from limedb.replication.stale_epoch import follow_topology
from limedb.replication.write.batch_acks import BatchAcks
from limedb.replication.write.newcomers import Newcomers
from limedb.replication.write.pending import PendingWrite, as_unknown_if_maybe_stored, failure_of
from limedb.replication.write.shared_writes import SharedWrites, job_of, together
from limedb.replication.write.single_replica import SingleReplica, acks_of

PROMISED_SECONDS = 0.002
"""How long a write waits at first for the end of a promised conditional write: it goes above that one."""
KNOWN_DOWN = "it is known to be down"


class Writer:
    """Carries writes to their level. acks_class: counts for writes that go together; a simulation chooses
    another, as it does with `_by_owners`.
    """

    acks_class = BatchAcks

    def __init__(
        self,
        placement: Placement,
        replicas: Replicas,
        clock: Clock,
        versions: HybridClock,
        skew: ClockSkewGuard,
        fanout: Fanout,
        counters: Counters,
    ) -> None:
        self._placement, self._replicas, self._clock = placement, replicas, clock
        self._single = SingleReplica(replicas)
        self._versions, self._skew, self._fanout, self._counters = versions, skew, fanout, counters

    async def write_batch(
        self, writes: WriteBatch, level: Level, deadline: float
    ) -> Sequence[Written | LimeDBError]:
        """The outcomes of plain writes of different keys. They stay bytes, unless one of them needs separate
        treatment.
        """
        layout = self._placement.layout
        records = writes.stamped(self._versions.tick_many(self._skew.now_ms(), len(writes)))
        if (url := self._single.of(layout, ())) is not None:
            return await self._write_batch_alone(url, records, layout, level, deadline)
        shares = self._share_records(records, layout, level)
        if shares:
            await self._fanout.write([share.acks for share in shares], layout.topology.fence, deadline)
        if (written := together(shares, records, layout.topology.epoch)) is not None:
            return written
        newcomers, jobs = Newcomers(self._clock, deadline), [*map(job_of, records)]
        for share in shares:
            share.jobs = [jobs[place] for place in share.places]
            self._conclude(share, layout, level, newcomers)
        await self._carry(jobs, level, deadline, newcomers, rounds=not await newcomers.pause())
        return [job.settled() for job in jobs]

    async def _write_batch_alone(
        self, url: str, records: RecordBatch, layout: Layout, level: Level, deadline: float
    ) -> Sequence[Written | LimeDBError]:
        """As write_batch, for keys whose one replica is that of a node."""
        answers = await self._single.apply(url, records, layout, deadline)
        if not isinstance(answers, LimeDBError):
            columns = columns_of(answers)
            if not columns.superseded:
                return WrittenBatch(records.versions, columns.existed, 1, 1, layout.topology.epoch)
        jobs = [*map(job_of, records)]
        self._settle_alone(jobs, url, answers, layout, level)
        await self.write(jobs, level, deadline)
        return [job.settled() for job in jobs]

    async def write(self, jobs: Sequence[PendingWrite], level: Level, deadline: float) -> None:
        """Give an outcome to each job that has none."""
        jobs = await self._write_alone([job for job in jobs if job.outcome is None], level, deadline)
        await self._carry(jobs, level, deadline, Newcomers(self._clock, deadline))

    async def _carry(
        self,
        jobs: Sequence[PendingWrite],
        level: Level,
        deadline: float,
        newcomers: Newcomers,
        rounds: int = 0,
    ) -> None:
        """As write, by the long way. rounds: how many were made already."""
        pending = [job for job in jobs if job.outcome is None]
        while pending and rounds < MAX_RESTARTS + MAX_ATTEMPTS:
            layout = self._placement.layout
            shares = self._share(pending, layout, level, newcomers)
            for job in pending:
                job.resolve()
            if shares:
                await self._fanout.write([share.acks for share in shares], layout.topology.fence, deadline)
            for share in shares:
                self._conclude(share, layout, level, newcomers)
            pending = [job for job in pending if job.outcome is None]
            if any(job.replica_acks is not None and job.replica_acks.is_blocked for job in pending):
                await asyncio.sleep(PROMISED_SECONDS * (1 << min(rounds, 6)))
            rounds += not await newcomers.pause()
        for job in pending:
            job.outcome = as_unknown_if_maybe_stored(job, ContendedError(job.write.key, MAX_ATTEMPTS))
            job.resolve()

    async def _write_alone(
        self, jobs: list[PendingWrite], level: Level, deadline: float
    ) -> list[PendingWrite]:
        """Write keys that all have the same single replica, the short way. It returns the jobs that remain
        for the long way.
        """
        layout = self._placement.layout
        if not jobs or (url := self._single.of(layout, [job.write.key for job in jobs])) is None:
            return jobs
        records = self._versioned(jobs, self._skew.now_ms())
        answers = await self._single.apply(url, records, layout, deadline)
        if (
            isinstance(answers, LimeDBError)
            and is_replica_error(answers)
            and len(jobs) > 1
            and jobs[0].waiter is not None
        ):
            for job in jobs:  # an error of one must not hurt those that it was joined with
                answers = await self._single.apply(url, [job.sent], layout, deadline)
                self._settle_alone([job], url, answers, layout, level)
        else:
            self._settle_alone(jobs, url, answers, layout, level)
        return [job for job in jobs if job.outcome is None]

    def _settle_alone(
        self,
        jobs: Sequence[PendingWrite],
        url: str,
        answers: Sequence[Applied] | LimeDBError,
        layout: Layout,
        level: Level,
    ) -> None:
        """Give jobs whose records were sent to their one replica their outcomes."""
        epoch = layout.topology.epoch
        columns = None if isinstance(answers, LimeDBError) else columns_of(answers)
        for i, job in enumerate(jobs):
            is_usual = not (job.version_is_final or job.own_versions[1:])
            if columns is not None and is_usual and i not in columns.superseded:
                job.outcome = Written(job.sent.version, bool(columns.existed[i]), 1, 1, epoch)
                job.resolve()
                continue
            job.need = job.total = 1
            answer = answers if isinstance(answers, LimeDBError) else answers[i]
            job.replica_acks = acks_of(job, url, answer)
            self._settle(job, layout, level)

    def version(self, job: PendingWrite, now_ms: int) -> Record:
        """The record of a write with its own version, by the cluster's time: if the own clock jumped ahead
        just now, later versions would stay ahead until the time has caught up.
        """
        job.record = None
        (record,) = self._versioned((job,), now_ms)
        return record

    def _versioned(self, jobs: Sequence[PendingWrite], now_ms: int) -> list[Record]:
        """The records of jobs, with versions of their own where they have none yet."""
        records: list[Record] = []
        for job, version in zip(jobs, self._versions.tick_many(now_ms, len(jobs)), strict=True):
            if job.record is None:
                job.give(record_of(job.write, max(version, job.above + 1), now_ms))
            records.append(job.sent)
        return records

    def rise(self, job: PendingWrite, version: int) -> None:
        """Give a job's next version above one that a replica has, and all later ones if that is about now.

        A version that is further ahead dates from a time when clocks were ahead: the write of that key goes
        above it, and its replicas check whether anything justifies that (`clock_guard.py`); the versions of
        other keys stay with the time. ClockSkewError: it is so far in the future that nothing may go above
        it.
        """
        self._skew.check_stored(version)
        job.above = max(job.above, version)
        if self._skew.is_about_now(version):
            self._versions.observe(version)

    # --- writes that go together

    def _share_records(self, records: RecordBatch, layout: Layout, level: Level) -> list[SharedWrites]:
        """Records by their replicas, without those of which too few can be reached."""
        shares, is_live = [], _Live(self._replicas)
        try:
            found = self._by_owners(layout, map(token_of_name, records.names), len(records))
        except NotMemberError:
            return []
        for owners, places in found:
            share = records if len(places) == len(records) else records.pick(places)
            if (acks := self._acks(share, owners, level, is_live, self._skew.check_stored)) is not None:
                shares.append(SharedWrites(places, acks, owners, level))
        return shares

    def _share(
        self, jobs: Sequence[PendingWrite], layout: Layout, level: Level, newcomers: Newcomers
    ) -> list[SharedWrites]:
        """Jobs by their replicas, with versions. If too few can be reached, that is their outcome, unless
        newcomers delay them.
        """
        records, shares = self._versioned(jobs, self._skew.now_ms()), []
        is_live = _Live(self._replicas)  # asked once for each node
        try:
            found = self._by_owners(layout, (token_of(job.write.key) for job in jobs), len(jobs))
        except NotMemberError as error:
            for job in jobs:
                job.outcome = as_unknown_if_maybe_stored(job, error)
            return []
        for owners, places in found:
            for judge in self._skew.check_stored, None:
                chosen = [i for i in places if jobs[i].version_is_final == (judge is None)]
                if not chosen:
                    continue
                share, sent = [jobs[i] for i in chosen], [records[i] for i in chosen]
                if (acks := self._acks(sent, owners, level, is_live, judge)) is None:
                    self._refuse(share, owners, level, is_live, newcomers)
                    continue
                shares.append(shared := SharedWrites(chosen, acks, owners, level, share))
                acks.on_quorum = partial(self._settle_shared, shared, layout)
                acks.on_apart = partial(self._settle_apart, shared, layout, level)
        return shares

    def _by_owners(
        self, layout: Layout, tokens: Iterable[int], count: int
    ) -> Sequence[tuple[Owners, Sequence[int]]]:
        """See Layout.by_write_set."""
        return layout.by_write_set(tokens, count)

    def _acks(
        self,
        records: Sequence[Record],
        owners: Owners,
        level: Level,
        is_live: "_Live",
        judge: CheckStored | None,
    ) -> BatchAcks | None:
        """The count of records with the same owners; None: too few can be reached."""
        written = owners.write_set
        live = [url for url in written if is_live[url]]
        if owners.lacking(level, live) > 0:
            return None
        acks = self.acks_class(records, needed(level, owners.replicas), live, judge, owners.sides(level))
        for url in written if len(live) < len(written) else ():
            if url not in live:
                acks.skip(url, ReplicaUnreachableError(url, KNOWN_DOWN))
        return acks

    def _refuse(
        self,
        jobs: Sequence[PendingWrite],
        owners: Owners,
        level: Level,
        is_live: "_Live",
        newcomers: Newcomers,
    ) -> None:
        """Give the jobs whose owners can't be reached in sufficient number their outcome, unless newcomers
        delay them.
        """
        written, live = owners.write_set, [url for url in owners.write_set if is_live[url]]
        for job in jobs:
            job.need = len(live) + owners.lacking(level, live)
            job.total = owners.replicas + len(owners.pending)
            if newcomers.hold_up_unsent(job, owners, live, level):
                continue
            missing = {url: self._replicas.absence(url) for url in written if url not in live}
            unreachable = LevelUnreachableError(
                job.write.key, level.value, job.need, len(live), job.total, missing
            )
            job.outcome = as_unknown_if_maybe_stored(job, unreachable)

    def _conclude(self, share: SharedWrites, layout: Layout, level: Level, newcomers: Newcomers) -> None:
        """Conclude an attempt of writes that went together."""
        if share.acks.is_enough:
            self._settle_shared(share, layout)
        for i in share.unshared:
            job = share.apart(i)
            if job.outcome is None and not newcomers.hold_up(job, layout, level):
                self._settle(job, layout, level)

    def _settle_shared(self, share: SharedWrites, layout: Layout) -> None:
        """Give the writes that are together on enough replicas their outcome."""
        acks, epoch = share.acks, layout.topology.epoch
        previous, existed = acks.before()
        for i, (job, record) in enumerate(zip(share.jobs, acks.records, strict=True)):
            if job.outcome is None and i not in acks.apart:
                job.learn_previous(previous[i], bool(existed[i]))
                job.outcome = Written(record.version, job.existed, acks.acks, share.total, epoch)
                job.resolve()

    def _settle_apart(self, share: SharedWrites, layout: Layout, level: Level, i: int) -> None:
        """Give a write that is on enough replicas on its own its outcome."""
        self._settle(share.apart(i), layout, level)

    # --- one write

    def _settle(self, job: PendingWrite, layout: Layout, level: Level) -> None:
        """Conclude an attempt: the job has its outcome, or is tried again."""
        acks = job.replica_acks
        if acks is None:
            return
        job.learn_previous(acks.previous, acks.existed)
        if acks.is_enough:
            epoch = layout.topology.epoch
            job.outcome = Written(acks.record.version, job.existed, acks.acks, job.total, epoch)
        elif acks.superseded_by:
            job.keep(acks)
            self._overtaken(job, acks.superseded_by)
        elif acks.stale is not None:
            job.keep(acks)
            self._outdated(job, acks.stale, layout)
        else:
            job.is_blocked = acks.is_blocked
            job.outcome = failure_of(job, acks, level)
        job.resolve()

    def _overtaken(self, job: PendingWrite, version: int) -> None:
        self._counters.superseded += 1
        job.attempts += 1
        job.record = None
        try:
            self.rise(job, version)
        except ClockSkewError as error:
            job.outcome = as_unknown_if_maybe_stored(job, error)
        if job.attempts == MAX_ATTEMPTS:
            job.outcome = as_unknown_if_maybe_stored(job, ContendedError(job.write.key, MAX_ATTEMPTS))

    def _outdated(self, job: PendingWrite, error: StaleEpochError, layout: Layout) -> None:
        """Start over with the newer topology, and the same record: it is the same write."""
        if self._placement.layout is layout:  # else another write of the batch has done it
            self._counters.stale_restarts += 1
        if not follow_topology(self._placement, error, layout):
            job.outcome = as_unknown_if_maybe_stored(job, error)


def record_of(write: Write, version: int, now_ms: int) -> Record:
    """The record of a write. It is a tombstone where the write's moment to expire has passed: a value that
    expired before its version's time could be purged while an older value is still on its way.
    """
    if 0 < write.expires_at_ms <= now_ms:
        return Record(write.key, None, version)
    return Record(
        write.key, write.value, version, now_ms + write.ttl_ms if write.ttl_ms else write.expires_at_ms
    )


class _Live(dict[str, bool]):
    """Whether nodes can be reached, each looked at once."""

    def __init__(self, replicas: Replicas) -> None:
        self._replicas = replicas

    def __missing__(self, node_url: str) -> bool:
        is_live = self[node_url] = self._replicas.is_reachable(node_url)
        return is_live
