"""Carries records to replicas, one call to each, and keeps hints for those that miss one.

It owns the sends of records, which continue when the answer is out, and the hints. It must never choose
replicas, versions or what is tried again: `write/writer.py` does.

Tested in tests/replication/test_fanout.py and tests/replication/write/test_writer.py.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from limedb.aio.quorum_driver import QuorumDriver
from limedb.core.joint_quorum import JointTally
from limedb.core.quorum import Side
from limedb.core.quorum_call import QuorumCall
from limedb.core.record import Record
from limedb.core.topology import Fence
from limedb.errors import LimeDBError, StaleEpochError
from limedb.ports import Applied, Clock, HintLog, Replicas
from limedb.replication.requests import Counters

CheckStored = Callable[[int], None]
"""Raises a LimeDBError where a version that a replica says it has can't be believed."""


class ReplicaAcks(JointTally[Applied]):
    """One record on its way to replicas, and which of them acknowledged it.

    missed: replicas that don't have the record, and why. superseded_by: the newer version that a replica has,
    0: none. stale: a replica knows a newer topology. previous, existed: what was stored before, by the newest
    answer. is_held: some replica has it, also by an answer that came late. on_quorum: called once it is on as
    many replicas as it needs.
    """

    __slots__ = (
        "check_stored",
        "existed",
        "is_held",
        "is_unsure",
        "missed",
        "needs_hint",
        "on_quorum",
        "previous",
        "record",
        "stale",
        "superseded_by",
    )

    def __init__(
        self,
        record: Record,
        need: int,
        targets: Iterable[str],
        holders: Sequence[str] = (),
        check_stored: CheckStored | None = None,
        sides: Sequence[Side] = (),
    ) -> None:
        """need, or sides: how many are to have it. holders: others that have it already. check_stored: judges
        a newer record that a replica has; None: a replica with a newer record counts as one that has this.
        """
        super().__init__(need, targets, holders, sides)
        self.record, self.check_stored = record, check_stored
        self.missed: dict[str, LimeDBError] = {}
        self.needs_hint: list[str] = []
        self.superseded_by, self.previous, self.existed = 0, -1, False
        self.stale: StaleEpochError | None = None
        self.is_unsure, self.is_held = False, bool(holders)
        self.on_quorum: Callable[[], None] | None = None

    @property
    def may_be_stored(self) -> bool:
        """Whether some replica has the record, or may have it, or may get it yet."""
        return self.is_held or self.is_unsure or bool(self.waiting)

    @property
    def is_decided(self) -> bool:
        """Whether nothing more can be learned by waiting. Where no replica has it so far, the last refusal is
        awaited: it says whether nothing was written, or the outcome is unknown.
        """
        if self.is_enough or self.superseded_by or self.stale is not None:
            return True
        return self.is_hopeless and (self.acks > 0 or self.is_unsure or not self.waiting)

    def skip(self, node_url: str, why: LimeDBError) -> None:
        """A replica is not sent the record, for it can't be reached."""
        self.missed[node_url] = why
        self.needs_hint.append(node_url)

    def take(self, node_url: str, answer: Applied) -> None:
        """A replica has merged the record. A newer record that nothing can go above is a refusal: other
        replicas may take this.
        """
        if answer.superseded_by and self.check_stored is not None:
            try:
                self.check_stored(answer.superseded_by)
            except LimeDBError as error:
                self.lose(node_url, error)
                return
            self.superseded_by = max(self.superseded_by, answer.superseded_by)
        else:
            self.ack_by(node_url)
            self.is_held = True
        if answer.previous != self.record.version and answer.previous > self.previous:
            self.previous, self.existed = answer.previous, answer.existed

    def lose(self, node_url: str, error: LimeDBError) -> None:
        """A replica has not merged the record, or didn't say so."""
        self.fail_by(node_url)
        self.missed[node_url] = error
        if isinstance(error, StaleEpochError):
            self.stale = error  # it is sent again, under the newer topology
            return
        self.needs_hint.append(node_url)
        self.is_unsure = self.is_unsure or not error.nothing_written

    def take_late(self, node_url: str, answer: Applied) -> None:
        """A replica has it, so those that missed it are left hints."""
        if not answer.superseded_by or self.check_stored is None:
            self.is_held = True

    def lose_late(self, node_url: str, error: LimeDBError) -> None:
        """A replica has missed it, or may have it: an error can come between the deadline and the moment at
        which the writer looks.
        """
        self.missed[node_url] = error
        self.needs_hint.append(node_url)
        self.is_unsure = self.is_unsure or not error.nothing_written

    def on_settled(self) -> None:
        """Report that it is on enough replicas."""
        if self.on_quorum is not None and self.is_enough:
            self.on_quorum()


class Fanout:
    """Sends records to replicas."""

    def __init__(
        self, replicas: Replicas, hints: HintLog, clock: Clock, driver: QuorumDriver, counters: Counters
    ) -> None:
        self._replicas, self._hints, self._clock, self._counters = replicas, hints, clock, counters
        self._driver = driver

    async def write(self, writes: Sequence[ReplicaAcks], fence: Fence, deadline: float) -> None:
        """Send each record to its replicas; return when all are settled, or at the deadline. A replica that
        misses a record that another has is left a hint.
        """
        await self._run(writes, fence, deadline, self._keep_hints, copied=False)

    async def copy(self, writes: Sequence[ReplicaAcks], fence: Fence, deadline: float) -> None:
        """As `write`, for records that replicas hold already (`copied` of ports.Replica.apply): it keeps no
        hints.
        """
        await self._run(writes, fence, deadline, None, copied=True)

    async def _run(
        self,
        writes: Sequence[ReplicaAcks],
        fence: Fence,
        deadline: float,
        heard: Callable[[Sequence[ReplicaAcks]], None] | None,
        *,
        copied: bool,
    ) -> None:
        async def send(node_url: str, share: Sequence[ReplicaAcks]) -> Sequence[Applied]:
            records = [acks.record for acks in share]
            return await self._replicas.at(node_url).apply(records, fence, deadline, copied)

        await self._driver.run(QuorumCall(writes, deadline, stale_ends_all=False), send, heard)

    def _keep_hints(self, writes: Sequence[ReplicaAcks]) -> None:
        """Leave hints for replicas that missed what another has acknowledged: that is to reach all of them.
        What none has acknowledged is left as it is, for its writer never heard that it is stored.
        """
        shares: dict[str, list[Record]] = defaultdict(list)
        for acks in writes:
            if acks.needs_hint and acks.is_held and not acks.superseded_by:
                for node_url in acks.needs_hint:
                    shares[node_url].append(acks.record)
                acks.needs_hint.clear()
        for node_url, records in shares.items():
            if self._hints.add(node_url, records, self._clock.wall_ms()):
                self._counters.hints_stored += len(records)
            else:
                self._counters.hints_dropped += len(records)
