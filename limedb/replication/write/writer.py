"""Writes at a level: which replicas, which version, and what is tried again.

It owns each write from its arrival to its receipt. It must never send: `fanout.py` does.

A receipt is true because any two levels' worth of replicas that must meet do meet: a write that
comes after an acknowledged QUORUM write hears of it from a replica that both asked ("superseded"), moves the
clock past it and is written again. A LINEARIZABLE write asks a majority first and writes above what it has;
a newer record that it meets then is a concurrent write's, and it counts as done, ordered just before that
one. It is never given a second version, for then it could take effect twice. Source: Attiya, Bar-Noy and
Dolev 1995, "Sharing Memory Robustly in Message-Passing Systems"; Lynch and Shvartsman 1997 for many writers.
"""

from collections.abc import Sequence
from functools import partial
from operator import itemgetter

from limedb.core.hlc import HybridClock
from limedb.core.layout import Layout
from limedb.core.quorum import Level, needed
from limedb.core.record import Record
from limedb.errors import (
    ClockSkewError,
    ContendedError,
    LevelUnreachableError,
    LimeDBError,
    NotMemberError,
    OutcomeUnknownError,
    ReplicaUnreachableError,
    StaleEpochError,
)
from limedb.ports import Applied, Clock, Placement, Replicas
from limedb.replication.clock_guard import ClockSkewGuard
from limedb.replication.fanout import Fanout, ReplicaAcks
from limedb.replication.replica_errors import failure_text, is_replica_error
from limedb.replication.requests import (
    MAX_ATTEMPTS,
    MAX_RESTARTS,
    Counters,
    Write,
    WriteBatch,
    Written,
)
from limedb.replication.stale_epoch import follow_topology
from limedb.replication.write.newcomers import Newcomers
from limedb.replication.write.pending import PendingWrite, as_unknown_if_maybe_stored
from limedb.replication.write.single_replica import SingleReplica, acks_of

KNOWN_DOWN = "it is known to be down"
_superseded = itemgetter(0)
_new_written = tuple.__new__  # the same as Written(...), in half of its time


class Writer:
    """Carries writes to their level."""

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
    ) -> list[Written | LimeDBError]:
        """The outcomes of plain writes of different keys. Where they have one replica, the same one, they
        stay bytes.
        """
        layout, epoch = self._placement.layout, self._placement.layout.topology.epoch
        records = writes.stamped(self._versions.tick_many(self._skew.now_ms(), len(writes)))
        url = self._single.of(layout, (record.key for record in records))
        if url is None:
            jobs = [*map(_stamped_job, records)]
        else:
            answers = await self._single.apply(url, records, layout, deadline)
            if not isinstance(answers, LimeDBError) and not any(map(_superseded, answers)):
                return [
                    _new_written(Written, (version, answer[1], 1, 1, epoch))
                    for version, answer in zip(records.versions, answers, strict=True)
                ]
            jobs = [*map(_stamped_job, records)]
            self._settle_alone(jobs, url, answers, layout, level)
        await self.write(jobs, level, deadline)
        return [job.settled() for job in jobs]

    async def write(self, jobs: Sequence[PendingWrite], level: Level, deadline: float) -> None:
        """Give each job its outcome that has none."""
        pending = await self._write_alone([job for job in jobs if job.outcome is None], level, deadline)
        rounds, newcomers = 0, Newcomers(self._clock, deadline)
        while pending and rounds < MAX_RESTARTS + MAX_ATTEMPTS:
            layout, now = self._placement.layout, self._skew.now_ms()
            live = _Live(self._replicas)  # asked once for each node: a batch has many keys
            asked = [self._acks(job, layout, level, live, now, newcomers) for job in pending]
            sent = [acks for acks in asked if acks is not None]
            for job in pending:
                job.resolve()
            if sent:
                await self._fanout.write(sent, layout.topology.fence, deadline)
            for job in pending:
                if job.outcome is None and not newcomers.hold_up(job, layout, level):
                    self._settle(job, layout, level)
            pending = [job for job in pending if job.outcome is None]
            rounds += not await newcomers.pause()
        for job in pending:
            job.outcome = as_unknown_if_maybe_stored(job, ContendedError(job.write.key, MAX_ATTEMPTS))
            job.resolve()

    async def _write_alone(
        self, jobs: list[PendingWrite], level: Level, deadline: float
    ) -> list[PendingWrite]:
        """Write keys that have one replica, the same one, the short way. It returns the jobs
        that are left for the long way.
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
        for i, job in enumerate(jobs):
            if not isinstance(answers, LimeDBError) and not (
                answers[i].superseded_by or job.version_is_final or job.own_versions[1:]
            ):
                job.outcome = Written(job.sent.version, answers[i].existed, 1, 1, epoch)
                job.resolve()
                continue
            job.need = job.total = 1
            answer = answers if isinstance(answers, LimeDBError) else answers[i]
            job.replica_acks = acks_of(job, url, answer)
            self._settle(job, layout, level)

    def version(self, job: PendingWrite, now_ms: int) -> Record:
        """The record of a write with a version of its own, by the cluster's time: were the own clock to jump
        ahead just now, the versions after it would stay ahead until time has caught up.
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

        A version that is further ahead was given while clocks were ahead: the write of that key goes above
        it, and its replicas judge whether they have what vouches for that (`clock_guard.py`); the versions of
        other keys stay where the time is. ClockSkewError: it is so far in the future that nothing may go
        above it.
        """
        self._skew.check_stored(version)
        job.above = max(job.above, version)
        if self._skew.is_about_now(version):
            self._versions.observe(version)

    def _acks(
        self,
        job: PendingWrite,
        layout: Layout,
        level: Level,
        is_live: "_Live",
        now_ms: int,
        newcomers: Newcomers,
    ) -> ReplicaAcks | None:
        """The record to send, with its replicas; None: too few can be reached, which is the outcome, unless
        newcomers hold it up.
        """
        job.replica_acks = None
        try:
            owners = layout.of_key(job.write.key)
        except NotMemberError as error:
            job.outcome = as_unknown_if_maybe_stored(job, error)
            return None
        written, sides = owners.write_set, owners.sides(level)
        need = job.need = needed(level, owners.replicas)
        job.total = owners.replicas + len(owners.pending)
        live = [url for url in written if is_live[url]]
        lacking = owners.lacking(level, live) if sides else need - len(live)
        if lacking > 0:
            need = job.need = len(live) + lacking
            if newcomers.hold_up_unsent(job, owners, live, level):
                return None
            missing = {url: self._replicas.absence(url) for url in written if url not in live}
            unreachable = LevelUnreachableError(
                job.write.key, level.value, need, len(live), job.total, missing
            )
            job.outcome = as_unknown_if_maybe_stored(job, unreachable)
            return None
        record = job.record or self.version(job, now_ms)
        judge = None if job.version_is_final else self._skew.check_stored
        acks = job.replica_acks = ReplicaAcks(record, need, live, check_stored=judge, sides=sides)
        if job.waiter is not None:  # it has its outcome before the others of its call are settled
            acks.on_quorum = partial(self._settle, job, layout, level)
        if len(live) < len(written):
            for url in written:
                if url not in live:
                    acks.skip(url, ReplicaUnreachableError(url, KNOWN_DOWN))
        return acks

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
            job.outcome = _failure(job, acks, level)
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


def _stamped_job(record: Record) -> PendingWrite:
    """The job of a write that is its record."""
    return PendingWrite(Write(record.key, record.value), record)


class _Live(dict[str, bool]):
    """Whether nodes can be reached, each looked at once."""

    def __init__(self, replicas: Replicas) -> None:
        self._replicas = replicas

    def __missing__(self, node_url: str) -> bool:
        is_live = self[node_url] = self._replicas.is_reachable(node_url)
        return is_live


def _failure(job: PendingWrite, acks: ReplicaAcks, level: Level) -> LimeDBError:
    """Why the level was not reached."""
    missing = {url: failure_text(error) for url, error in acks.missed.items()}
    is_refused = not (acks.acks or acks.waiting or job.may_be_stored)
    if is_refused and all(map(is_replica_error, acks.missed.values())):
        return next(iter(acks.missed.values()))
    if acks.may_be_stored or job.may_be_stored:
        late = "it had not answered yet" if acks.is_decided else "no answer until the deadline"
        missing |= dict.fromkeys(acks.waiting, late)
        return OutcomeUnknownError(job.write.key, acks.needed, acks.acks, missing)
    live = job.total - len(missing)
    return LevelUnreachableError(
        job.write.key, level.value, max(job.need, acks.needed), live, job.total, missing
    )
