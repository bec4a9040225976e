"""Writes of one call that go to the same replicas, on their way together.

It owns the list of these writes, and their common outcome if none of them differs. It must never conclude a
write: `writer.py` does.

Tested in tests/replication/write/test_write_batches.py.
"""

from collections.abc import Sequence

from limedb.core.layout import Owners
from limedb.core.quorum import Level, needed
from limedb.core.record import Record, RecordBatch
from limedb.replication.requests import Write, WrittenBatch
from limedb.replication.write.batch_acks import BatchAcks
from limedb.replication.write.pending import PendingWrite


class SharedWrites:
    """Writes with one count of acknowledgements.

    places: of the writes in their call. acks: the count. need of total replicas are to have them. jobs: of
    the writes, in their order; none where they are at hand as records only.
    """

    __slots__ = ("acks", "jobs", "need", "places", "total")

    def __init__(
        self,
        places: Sequence[int],
        acks: BatchAcks,
        owners: Owners,
        level: Level,
        jobs: Sequence[PendingWrite] = (),
    ) -> None:
        self.places, self.acks, self.jobs = places, acks, jobs
        self.need, self.total = needed(level, owners.replicas), owners.replicas + len(owners.pending)

    def apart(self, i: int) -> PendingWrite:
        """The job of the i-th of the writes, with a count of its own."""
        job = self.jobs[i]
        job.need, job.total, job.replica_acks = self.need, self.total, self.acks.of(i)
        return job

    @property
    def unshared(self) -> Sequence[int]:
        """Those of the writes whose outcome differs from the common success."""
        return [*self.acks.apart] if self.acks.is_enough else range(len(self.places))


def together(shares: Sequence[SharedWrites], records: RecordBatch, epoch: int) -> WrittenBatch | None:
    """The outcomes of the records of a call; None: one of them had trouble, or the receipts differ."""
    receipts = {(share.acks.acks, share.total) for share in shares}
    if sum(len(share.places) for share in shares) < len(records) or len(receipts) != 1:
        return None
    if any(share.unshared for share in shares):
        return None
    existed = shares[0].acks.before()[1]
    if len(shares) > 1:
        by_place = bytearray(len(records))
        for share in shares:
            for place, had in zip(share.places, share.acks.before()[1], strict=True):
                by_place[place] = had
        existed = bytes(by_place)
    ((acked, total),) = receipts
    return WrittenBatch(records.versions, existed, acked, total, epoch)


def job_of(record: Record) -> PendingWrite:
    """The job of a write that is its record."""
    return PendingWrite(Write(record.key, record.value), record)
