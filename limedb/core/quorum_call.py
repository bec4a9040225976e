"""Asks several nodes and counts their answers: the engine under reads, writes, agreed versions and votes.

It owns which nodes to ask, when to ask one more, and when a call is over. It must never send or read a clock:
events come in, and requests to send come out (`aio/quorum_driver.py` carries them).

A call has questions (`Tally`), each with its own nodes and its own count; one request carries all that a node
is asked at a moment. The laws, which tests/core/test_quorum_call.py holds for every order of events:

1. A call has one verdict, which never changes.
2. A question is answered only when `need` different nodes did as asked, known holders included.
3. A question is settled as soon as it is answered or can no longer be answered, and the call with its last
   question. The call doesn't begin a question that can be put to too few nodes.
4. No node is asked a question twice; one that fails is replaced by the next in `spare`.
5. A stale epoch ends the call at once, or just the questions that were asked there (`stale_ends_all`).
6. No call lasts beyond its deadline.
7. Answers and errors that come after a question is settled change nothing in it, but reach `take_late` or
   `lose_late`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum, auto
from math import inf
from typing import Any, Generic, TypeVar

from limedb.core.quorum import Quorum
from limedb.errors import LimeDBError, StaleEpochError

A = TypeVar("A")


class Tally(Quorum, Generic[A]):
    """One question and the answers to it; a subclass interprets the answers.

    need: how many must do as asked. breadth: how many nodes are asked at a time. spare: nodes that may
    still be asked, in their order. waiting: nodes that were asked and have not answered. is_settled: the
    question is answered, or can no longer be answered, or the call is over.
    """

    __slots__ = ("breadth", "is_settled", "spare", "waiting")

    def __init__(self, need: int, targets: Iterable[str], *, holders: int = 0) -> None:
        """targets: the nodes to ask, all at once. holders: how many others have done as asked already."""
        self.spare: list[str] = [*targets]
        self.waiting: dict[str, None] = {}
        super().__init__(need, len(self.spare) + holders)
        self.acks, self.breadth = holders, self.total
        self.is_settled = False

    def aim(self, targets: list[str]) -> None:
        """Ask these nodes, as few at a time as are needed."""
        self.spare, self.total, self.breadth = targets, len(targets), self.need

    def take(self, node_url: str, answer: A) -> None:
        """Count an answer: by `ack`, or `fail` where the node did not do as asked."""
        self.ack()

    def lose(self, node_url: str, error: LimeDBError) -> None:
        """Count a node that gave no answer."""
        self.fail()

    def take_late(self, node_url: str, answer: A) -> None:
        """An answer that came when the question was settled."""

    def lose_late(self, node_url: str, error: LimeDBError) -> None:
        """An error that came when the question was settled."""

    def on_settled(self) -> None:
        """The question is settled."""


T = TypeVar("T", bound=Tally[Any])


class Verdict(Enum):
    """How a call ended. SETTLED: all its questions are. STALE: a node knows a newer topology. EXPIRED: at its
    deadline. ABANDONED: nobody waits for it any more.
    """

    SETTLED = auto()
    STALE = auto()
    EXPIRED = auto()
    ABANDONED = auto()


class QuorumCall(Generic[T]):
    """Questions that are asked together.

    It returns requests: each node with the questions to ask it. tallies: the questions. has_spare: at the
    start, some question could be put to more nodes. stale: the error that named a newer topology. speculated:
    how many requests were sent because answers were late.
    """

    __slots__ = (
        "_deadline",
        "_delay",
        "_open",
        "_speculate_at",
        "_stale_ends_all",
        "has_spare",
        "speculated",
        "stale",
        "tallies",
        "verdict",
    )

    def __init__(
        self, tallies: Sequence[T], deadline: float, *, delay: float = inf, stale_ends_all: bool = True
    ) -> None:
        """deadline: a moment of the clock that `now` is of, seconds. delay: seconds after which an answer is
        late, and one more node is asked. stale_ends_all: whether a stale epoch ends the call.
        """
        self.tallies, self._deadline, self._delay = tallies, deadline, delay
        self._stale_ends_all = stale_ends_all
        self._open, self._speculate_at = 0, inf
        self.verdict: Verdict | None = None
        self.stale: StaleEpochError | None = None
        self.speculated, self.has_spare = 0, False

    @property
    def timer_at(self) -> float:
        """When `on_timer` is to be called."""
        return min(self._speculate_at, self._deadline)

    def start(self, now: float) -> Mapping[str, list[T]]:
        """The first requests; send them even if the verdict is already there."""
        requests: defaultdict[str, list[T]] = defaultdict(list)
        for tally in self.tallies:
            if not tally.is_hopeless:
                _ask(tally, requests)
            if tally.is_decided:
                self._settle(tally)
            else:
                self._open += 1
                self.has_spare = self.has_spare or bool(tally.spare)
        if not self._open:
            self.verdict = Verdict.SETTLED
        elif self._delay < inf and self.has_spare:
            self._speculate_at = now + self._delay
        return requests

    def on_answer(
        self, node_url: str, tallies: Sequence[T], answers: Sequence[object]
    ) -> Mapping[str, list[T]]:
        """A node has answered a request, question by question."""
        failed: list[T] = []
        for tally, answer in zip(tallies, answers, strict=True):
            is_first = tally.waiting.pop(node_url, 0) is None
            if tally.is_settled:
                tally.take_late(node_url, answer)
            elif is_first:
                tally.take(node_url, answer)
                if tally.is_decided:
                    self._close(tally)
                elif tally.spare:
                    failed.append(tally)
        return self._replace(failed)

    def on_error(self, node_url: str, tallies: Sequence[T], error: LimeDBError) -> Mapping[str, list[T]]:
        """A node has failed a request."""
        for tally in tallies:
            is_first = tally.waiting.pop(node_url, 0) is None
            if tally.is_settled:
                tally.lose_late(node_url, error)
            elif is_first:
                tally.lose(node_url, error)
                if tally.is_decided:
                    self._close(tally)
        if isinstance(error, StaleEpochError) and self.stale is None:
            self.stale = error
            if self._stale_ends_all:
                self._end(Verdict.STALE)
        return self._replace(tallies)

    def on_timer(self, now: float) -> Mapping[str, list[T]]:
        """`timer_at` has come: answers are late, or it is the deadline."""
        requests: defaultdict[str, list[T]] = defaultdict(list)
        if now >= self._deadline:
            self._end(Verdict.EXPIRED)
        elif now >= self._speculate_at and self.verdict is None:
            self._speculate_at = inf
            for tally in self.tallies:
                if tally.spare and not tally.is_settled:
                    _put(tally, 1, requests)
            self.speculated += len(requests)
        return requests

    def abandon(self) -> None:
        """Nobody waits for it any more."""
        self._end(Verdict.ABANDONED)

    def _replace(self, tallies: Sequence[T]) -> Mapping[str, list[T]]:
        """Ask others instead of nodes that failed."""
        requests: defaultdict[str, list[T]] = defaultdict(list)
        for tally in tallies:
            if tally.spare and not tally.is_settled:
                _ask(tally, requests)
        return requests

    def _close(self, tally: T) -> None:
        self._settle(tally)
        self._open -= 1
        if not self._open and self.verdict is None:
            self.verdict = Verdict.SETTLED

    def _end(self, verdict: Verdict) -> None:
        if self.verdict is None:
            self.verdict = verdict
            for tally in self.tallies:
                tally.is_settled = True

    def _settle(self, tally: T) -> None:
        tally.is_settled = True
        tally.on_settled()


def _ask(tally: T, requests: defaultdict[str, list[T]]) -> None:
    """Ask as many nodes as are asked at a time."""
    lacking = max(0, tally.breadth - tally.acks - len(tally.waiting))
    _put(tally, lacking, requests)


def _put(tally: T, count: int, requests: defaultdict[str, list[T]]) -> None:
    chosen, tally.spare = tally.spare[:count], tally.spare[count:]
    for node_url in chosen:
        tally.waiting[node_url] = None
        requests[node_url].append(tally)
