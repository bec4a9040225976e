"""Carries records to replicas, with one call to each, and keeps hints for those that miss one.

It owns the sends of records, which continue after the answer, and the hints. It must never choose replicas,
versions or retries: `write/writer.py` does.

Tested in tests/replication/test_fanout.py and tests/replication/write/test_writer.py.
"""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from time import perf_counter
from typing import Any, TypeVar

from typing_extensions import override

from limedb.aio.quorum_driver import QuorumDriver
from limedb.aio.stages import current_stages
from limedb.core.joint_quorum import JointTally
from limedb.core.quorum import Side
from limedb.core.quorum_call import QuorumCall
from limedb.core.record import Record, RecordBatch
from limedb.core.topology import Fence
from limedb.errors import LimeDBError, StaleEpochError, UnavailableError
from limedb.ports import Applied, Clock, HintLog, Replicas
from limedb.ports.applied_columns import columns_of
from limedb.replication.requests import Counters

A = TypeVar("A")

CheckStored = Callable[[int], None]
"""Raises a LimeDBError if the version that a replica reports isn't credible."""


class PromisedError(UnavailableError):
    """A replica refused a record that is below what it has promised a conditional write."""

    def __init__(self) -> None:
        super().__init__("it has promised a newer conditional write; try again")


class Acks(JointTally[A], ABC):
    """Records on their way to the same replicas, and which of these acknowledged them.

    missed: replicas that don't have the records, and why. stale: a replica knows a newer topology. is_held:
    some replica has the records, also by an answer that came late. on_quorum: called once they are on as many
    replicas as they need.
    """

    __slots__ = (
        "check_stored",
        "is_held",
        "is_unsure",
        "missed",
        "needs_hint",
        "on_quorum",
        "stale",
    )

    def __init__(
        self,
        need: int,
        targets: Iterable[str],
        holders: Sequence[str] = (),
        check_stored: CheckStored | None = None,
        sides: Sequence[Side] = (),
    ) -> None:
        """need, or sides: how many must have them. holders: others that already have them. check_stored:
        judges a newer record of a replica; None: a replica with a newer record counts as one that has this
        one.
        """
        super().__init__(need, targets, holders, sides)
        self.check_stored = check_stored
        self.missed: dict[str, LimeDBError] = {}
        self.needs_hint: list[str] = []
        self.stale: StaleEpochError | None = None
        self.is_unsure, self.is_held = False, bool(holders)
        self.on_quorum: Callable[[], None] | None = None

    @property
    @abstractmethod
    def records(self) -> Sequence[Record]:
        """The records to send."""

    @abstractmethod
    def answer_in(self, applied: Sequence[Applied], start: int) -> A:
        """The own part of a replica's outcomes. start: the place of the first record among them."""

    @abstractmethod
    def hints(self) -> Iterator[tuple[str, Sequence[Record]]]:
        """Take out the hints to leave: replicas, and the records that each has missed and another has
        acknowledged.
        """

    @property
    def may_be_stored(self) -> bool:
        """Whether some replica has the records, or may have them, or may get them yet."""
        return self.is_held or self.is_unsure or bool(self.waiting)

    @property
    def is_decided(self) -> bool:
        """Whether waiting can bring no more news. Where no replica has the records so far, it waits for the
        last refusal, which decides whether nothing was written, or the outcome is unknown.
        """
        if self.is_enough or self.stale is not None:
            return True
        return self.is_hopeless and (self.acks > 0 or self.is_unsure or not self.waiting)

    def skip(self, node_url: str, why: LimeDBError) -> None:
        """A replica doesn't get the records, since it can't be reached."""
        self.missed[node_url] = why
        self.needs_hint.append(node_url)

    def lose(self, node_url: str, error: LimeDBError) -> None:
        """A replica has not merged the records, or didn't report it."""
        self.fail_by(node_url)
        self.missed[node_url] = error
        if isinstance(error, StaleEpochError):
            self.stale = error  # they are sent again, under the newer topology
            return
        self.needs_hint.append(node_url)
        self.is_unsure = self.is_unsure or not error.nothing_written

    def lose_late(self, node_url: str, error: LimeDBError) -> None:
        """A replica has missed them, or may have them: an error can come between the deadline and the moment
        at which the writer looks.
        """
        self.missed[node_url] = error
        self.needs_hint.append(node_url)
        self.is_unsure = self.is_unsure or not error.nothing_written

    def on_settled(self) -> None:
        """Report that they are on enough replicas."""
        if self.on_quorum is not None and self.is_enough:
            self.on_quorum()


class ReplicaAcks(Acks[Applied]):
    """One record on its way to replicas.

    superseded_by: the newer version that a replica has, 0: none. previous, existed: what was stored before,
    by the newest answer. is_blocked: a replica refused it for a promise: such a replica never counts as one
    that has this record (`core/promises.py`, rule G).
    """

    __slots__ = ("existed", "is_blocked", "previous", "record", "superseded_by")

    def __init__(
        self,
        record: Record,
        need: int,
        targets: Iterable[str],
        holders: Sequence[str] = (),
        check_stored: CheckStored | None = None,
        sides: Sequence[Side] = (),
    ) -> None:
        """See Acks."""
        super().__init__(need, targets, holders, check_stored, sides)
        self.record = record
        self.superseded_by, self.previous, self.existed = 0, -1, False
        self.is_blocked = False

    @property
    @override
    def records(self) -> Sequence[Record]:
        return (self.record,)

    @override
    def answer_in(self, applied: Sequence[Applied], start: int) -> Applied:
        return applied[start]

    @override
    def hints(self) -> Iterator[tuple[str, Sequence[Record]]]:
        if self.needs_hint and self.is_held and not self.superseded_by:
            for node_url in self.needs_hint:
                yield node_url, (self.record,)
            self.needs_hint.clear()

    @property
    @override
    def is_decided(self) -> bool:
        return self.superseded_by > 0 or super().is_decided

    @override
    def take(self, node_url: str, answer: Applied) -> None:
        """A replica has merged the record. A newer record that nothing can go above is a refusal: other
        replicas may take this one.
        """
        if answer.superseded_by and self.check_stored is not None:
            try:
                self.check_stored(answer.superseded_by)
            except LimeDBError as error:
                self.lose(node_url, error)
                return
            self.superseded_by = max(self.superseded_by, answer.superseded_by)
            self.is_blocked = self.is_blocked or answer.is_by_promise
        elif answer.is_by_promise:
            self.fail_by(node_url)
            self.missed[node_url], self.is_blocked = PromisedError(), True
        else:
            self.ack_by(node_url)
            self.is_held = True
        self.learn(answer)

    def learn(self, answer: Applied) -> None:
        """Note the previous record of a replica, unless that is the record itself."""
        if answer.previous != self.record.version and answer.previous > self.previous:
            self.previous, self.existed = answer.previous, answer.existed

    @override
    def take_late(self, node_url: str, answer: Applied) -> None:
        """A replica has it, so leave hints for those that missed it."""
        if not answer.superseded_by or (self.check_stored is None and not answer.is_by_promise):
            self.is_held = True


class Fanout:
    """Sends records to replicas."""

    def __init__(
        self, replicas: Replicas, hints: HintLog, clock: Clock, driver: QuorumDriver, counters: Counters
    ) -> None:
        self._replicas, self._hints, self._clock, self._counters = replicas, hints, clock, counters
        self._driver = driver

    async def write(self, writes: Sequence[Acks[Any]], fence: Fence, deadline: float) -> None:
        """Send records to their replicas; return when all are settled, or at the deadline. A replica that
        misses a record that another has is left a hint.
        """
        await self._run(writes, fence, deadline, self._keep_hints, copied=False)

    async def copy(self, writes: Sequence[Acks[Any]], fence: Fence, deadline: float) -> None:
        """As `write`, for records that replicas hold already (`copied` of ports.Replica.apply): it keeps no
        hints.
        """
        await self._run(writes, fence, deadline, None, copied=True)

    async def _run(
        self,
        writes: Sequence[Acks[Any]],
        fence: Fence,
        deadline: float,
        heard: Callable[[Sequence[Acks[Any]]], None] | None,
        *,
        copied: bool,
    ) -> None:
        async def send(node_url: str, share: Sequence[Acks[Any]]) -> Sequence[object]:
            records = share[0].records if len(share) == 1 else _together([acks.records for acks in share])
            began = perf_counter()
            try:
                applied = await self._replicas.at(node_url).apply(records, fence, deadline, copied)
            finally:
                if (stages := current_stages()) is not None:
                    stages.add((node_url,), (began, perf_counter()))
            if len(share) == 1:
                return (share[0].answer_in(applied, 0),)
            applied, starts = columns_of(applied), accumulate((len(a.records) for a in share), initial=0)
            return [acks.answer_in(applied, start) for acks, start in zip(share, starts, strict=False)]

        await self._driver.run(QuorumCall(writes, deadline, stale_ends_all=False), send, heard)

    def _keep_hints(self, writes: Sequence[Acks[Any]]) -> None:
        """Leave hints for replicas that missed records that another has acknowledged, since those must reach
        all replicas. It leaves none for records that no replica has acknowledged: their writer never heard
        that they are stored.
        """
        shares: dict[str, list[Record]] = defaultdict(list)
        for acks in writes:
            for node_url, records in acks.hints():
                shares[node_url] += records
        for node_url, records in shares.items():
            if self._hints.add(node_url, records, self._clock.wall_ms()):
                self._counters.hints_stored += len(records)
            else:
                self._counters.hints_dropped += len(records)


def _together(shares: Sequence[Sequence[Record]]) -> Sequence[Record]:
    """The records of one request; if all are at hand as bytes, they stay bytes."""
    first, *others = shares
    if isinstance(first, RecordBatch):
        batches = [other for other in others if isinstance(other, RecordBatch)]
        if len(batches) == len(others):
            return first.joined(batches)
    return [record for share in shares for record in share]
