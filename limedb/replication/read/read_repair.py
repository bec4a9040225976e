"""Where replicas differ, a read writes the newest record before it answers.

It owns that step. It is a strategy, so that a simulation can leave it out and see a checker fail.

A read that has found a write which is not acknowledged yet must not answer before enough replicas have that
write: otherwise a later read, of other replicas, could answer with an older value. With this step, reads at
QUORUM and LINEARIZABLE are the reads of an atomic register. Source: Attiya, Bar-Noy and Dolev 1995, "Sharing
Memory Robustly in Message-Passing Systems". Where all answers agree there is nothing to write, since a quorum
already holds the value.

While owners change, that is not enough for readers under another epoch, which ask other replicas. A
LINEARIZABLE read then brings the record to as many replicas as hold an acknowledged write: on both sides of
the change (`Owners.sides`).
"""

from collections.abc import Iterator, Sequence

from limedb.core.quorum import Level, Side
from limedb.core.record import Record
from limedb.core.topology import Fence
from limedb.errors import LevelUnreachableError, LimeDBError
from limedb.ports import Replicas
from limedb.replication.fanout import Fanout, PromisedError, ReplicaAcks
from limedb.replication.read.reader import ReadRound
from limedb.replication.replica_errors import failure_text
from limedb.replication.requests import Counters


class StaleRecord:
    """A record that was read, and the replicas that have it.

    need, or sides: how many must have it before the read answers. holders: those that do. lacking: those to
    which it is written: they answered without it, or were not asked. The quickest of them decide, so that a
    slow one (its disk may take seconds) delays nothing; it gets the record after the answer. If one of those
    that were not asked already has it, that costs a message and no write.
    """

    __slots__ = ("acks", "behind", "holders", "lacking", "need", "record", "sides")

    def __init__(
        self,
        record: Record,
        need: int,
        sides: Sequence[Side],
        holders: list[str],
        lacking: list[str],
        behind: int,
    ) -> None:
        """behind: how many are known to lack it."""
        self.record, self.need, self.sides, self.behind = record, need, sides, behind
        self.holders, self.lacking = holders, lacking
        self.acks = ReplicaAcks(record, need, (), holders, sides=sides)


class BlockingReadRepair:
    """Repairs the replicas that reads find to differ."""

    def __init__(self, replicas: Replicas, fanout: Fanout, counters: Counters) -> None:
        self._replicas, self._fanout, self._counters = replicas, fanout, counters

    async def restore(
        self, rounds: Sequence[ReadRound], level: Level, fence: Fence, deadline: float
    ) -> dict[str, LimeDBError]:
        """Write the newest records to replicas that lack them, until enough have them; return the keys where
        that failed. PromisedError among them: a replica has promised a conditional write.

        StaleEpochError: a replica knows a newer topology.
        """
        stale_records = [stale for read_round in rounds for stale in _stale_records(read_round, level)]
        if not stale_records:
            return {}
        await self._write(stale_records, fence, deadline)
        return {f.record.key: _error(f, level) for f in stale_records if not f.acks.is_enough}

    async def _write(self, stale_records: list[StaleRecord], fence: Fence, deadline: float) -> None:
        for stale in stale_records:
            targets = [url for url in stale.lacking if self._replicas.is_reachable(url)]
            stale.acks = ReplicaAcks(stale.record, stale.need, targets, stale.holders, sides=stale.sides)
        sent = [stale for stale in stale_records if stale.acks.spare]
        if not sent:
            return
        self._counters.read_repairs += sum(stale.behind for stale in sent)
        await self._fanout.copy([_sent(stale) for stale in sent], fence, deadline)
        for stale in sent:
            if stale.acks.stale is not None:
                raise stale.acks.stale


def _sent(stale: StaleRecord) -> ReplicaAcks:
    """The record to send. If too few replicas can be reached, the call doesn't wait, but still sends it."""
    acks = stale.acks
    return ReplicaAcks(stale.record, acks.acks, acks.spare, stale.holders) if acks.is_hopeless else acks


def _stale_records(read_round: ReadRound, level: Level) -> Iterator[StaleRecord]:
    """The records to write after a round that has its answers."""
    owners, answers = read_round.owners, read_round.answers
    sides = owners.sides(level) if level is Level.LINEARIZABLE else ()
    if not read_round.is_enough or not (sides or read_round.differs):
        return
    extra = owners.pending if sides else ()
    others = [url for url in owners.natural if url not in answers]
    for i, record in enumerate(read_round.winners()):
        if not isinstance(record, Record):
            continue
        holders = [url for url, records in answers.items() if records[i] == record]
        lacking = [url for url in answers if url not in holders]
        if lacking or (sides and owners.lacking(level, holders) > 0):
            targets = [*lacking, *extra, *others]
            yield StaleRecord(record, read_round.need, sides, holders, targets, len(lacking) + len(extra))


def _error(stale: StaleRecord, level: Level) -> LimeDBError:
    if stale.acks.is_blocked:
        return PromisedError()
    missing = {url: failure_text(error) for url, error in stale.acks.missed.items()}
    need, live = stale.acks.needed, stale.acks.acks
    total = live + len(missing)
    return LevelUnreachableError(stale.record.key, level.value, need, live, total, missing)
