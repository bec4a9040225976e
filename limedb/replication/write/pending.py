"""A client's write on its way through the coordinator.

It owns the knowledge of the write so far, and the request that waits for its outcome. It must never decide
the next attempt: `writer.py` and `idempotency/proposer.py` do.

Tested in tests/replication/write/test_writer.py.
"""

import asyncio

from limedb.aio.stages import Stages
from limedb.core.quorum import Level
from limedb.core.record import Record
from limedb.errors import LevelUnreachableError, LimeDBError, OutcomeUnknownError
from limedb.replication.fanout import ReplicaAcks
from limedb.replication.replica_errors import failure_text, is_replica_error
from limedb.replication.requests import Write, Written


class PendingWrite:
    """A write until it has its outcome.

    record: as it is sent; None: it needs a (new) version. above: its next version is to be greater.
    version_is_final: a newer version is no reason to write again. may_be_stored: an earlier attempt left it,
    or may have left it, on some replica. existed: as far as known, by the record of the version `previous`.
    acked: how many replicas had it in an earlier round. need of total replicas are to have it. is_blocked:
    its version is final, and some replica refused it because of a promise to a conditional write. waiter:
    gets the outcome as soon as there is one. stages: of the group that it is part of.
    """

    record: Record | None = None
    outcome: Written | LimeDBError | None = None
    replica_acks: ReplicaAcks | None = None
    version_is_final = may_be_stored = existed = is_blocked = False
    attempts, previous, acked = 0, -1, 0
    above = -1
    need = total = 0
    own_versions: tuple[int, ...] = ()
    waiter: "asyncio.Future[Written | LimeDBError] | None" = None
    stages: Stages | None = None

    def __init__(self, write: Write, record: Record | None = None) -> None:
        self.write = write
        if record is not None:
            self.give(record)

    @property
    def sent(self) -> Record:
        """Its record, once it has one."""
        if self.record is None:
            raise AssertionError(f"the write of key {self.write.key!r} has no version")
        return self.record

    def give(self, record: Record) -> None:
        """Give it its record, with a version of its own."""
        self.record = record
        self.own_versions += (record.version,)

    def settled(self) -> Written | LimeDBError:
        """Its outcome, once it was carried out."""
        if self.outcome is None:
            raise AssertionError(f"the write of key {self.write.key!r} has no outcome")
        return self.outcome

    def resolve(self) -> None:
        """Give the outcome to the waiting request, if there is one."""
        if self.waiter is not None and self.outcome is not None and not self.waiter.done():
            self.waiter.set_result(self.outcome)

    def fail(self, error: BaseException) -> None:
        """Let the waiting request fail with an error."""
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_exception(error)

    def learn_previous(self, previous: int, existed: bool) -> None:
        """Note the content before the write, as some replica reports it; this write's own records don't
        count.
        """
        if previous > self.previous and previous not in self.own_versions and not self.version_is_final:
            self.previous, self.existed = previous, existed

    def keep(self, acks: ReplicaAcks) -> None:
        """Keep the findings of a round that is not the last one."""
        self.learn_previous(acks.previous, acks.existed)
        self.may_be_stored = self.may_be_stored or acks.may_be_stored
        self.acked = max(self.acked, 0 if acks.superseded_by else acks.acks)


def as_unknown_if_maybe_stored(job: PendingWrite, error: LimeDBError) -> LimeDBError:
    """An error, which reports that nothing was written if that is true."""
    if not job.may_be_stored:
        return error
    missing = {"it could not be sent once more": error.public_text}
    if isinstance(error, LevelUnreachableError):  # whose text says that nothing was written
        missing = error.missing
    return OutcomeUnknownError(job.write.key, job.need, job.acked, missing)


def failure_of(job: PendingWrite, acks: ReplicaAcks, level: Level) -> LimeDBError:
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
