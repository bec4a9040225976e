"""The laws of quorum calls, for every order of events: see the module's docstring."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limedb.core.quorum_call import QuorumCall, Tally, Verdict
from limedb.core.topology import Topology
from limedb.errors import LimeDBError, ReplicaUnreachableError, StaleEpochError

NODES = [f"http://n{i}" for i in range(5)]
DEADLINE, DELAY = 10.0, 1.0
GONE = ReplicaUnreachableError(NODES[0], "gone")
STALE = StaleEpochError(Topology())


class Question(Tally[bool]):
    """It is answered by True; False is a refusal. It keeps all that it hears."""

    __slots__ = ("answered", "late", "lost", "settled")

    def __init__(self, need: int, targets: list[str], holders: int, at_once: bool) -> None:
        super().__init__(need, targets if at_once else (), holders=holders)
        if not at_once:
            self.aim([*targets])
        self.answered: list[tuple[str, bool]] = []
        self.lost: list[str] = []
        self.late: list[str] = []
        self.settled = 0

    def take(self, node_url: str, answer: bool) -> None:
        self.answered.append((node_url, answer))
        if answer:
            self.ack()
        else:
            self.fail()

    def lose(self, node_url: str, error: LimeDBError) -> None:
        super().lose(node_url, error)
        self.lost.append(node_url)

    def take_late(self, node_url: str, answer: bool) -> None:
        self.late.append(node_url)

    def lose_late(self, node_url: str, error: LimeDBError) -> None:
        self.late.append(node_url)

    def on_settled(self) -> None:
        self.settled += 1


@dataclass
class Play:
    """A call, the requests that have no answer yet, and all that were ever sent."""

    call: QuorumCall[Question]
    questions: list[Question]
    open: list[tuple[str, list[Question]]] = field(default_factory=list)
    sent: list[tuple[str, int]] = field(default_factory=list)

    def send(self, requests: Mapping[str, list[Question]]) -> None:
        for url, questions in requests.items():
            self.open.append((url, list(questions)))
            self.sent += [(url, id(question)) for question in questions]

    def state(self) -> list[tuple[bool, bool, int, int]]:
        return [(q.is_settled, q.is_enough, q.acks, q.failures) for q in self.questions]


@st.composite
def questions(draw: st.DrawFn) -> Question:
    targets = draw(st.lists(st.sampled_from(NODES), unique=True, max_size=5))
    at_once = draw(st.booleans())
    holders = draw(st.integers(0, 2)) if at_once else 0
    return Question(draw(st.integers(1, 4)), targets, holders, at_once)


EVENTS = st.lists(
    st.tuples(st.sampled_from(["yes", "no", "gone", "stale", "timer"]), st.integers(0, 20)), max_size=40
)


def play(
    asked: list[Question], ends_all: bool, events: list[tuple[str, int]], after: Callable[[Play], None]
) -> Play:
    """Let events happen, as far as there is something for them to happen to."""
    call = QuorumCall(asked, DEADLINE, delay=DELAY, stale_ends_all=ends_all)
    it = Play(call, asked)
    it.send(call.start(0.0))
    after(it)
    for kind, which in events:
        if kind == "timer":
            it.send(call.on_timer(call.timer_at if which else DEADLINE))
        elif it.open:
            url, share = it.open.pop(which % len(it.open))
            if kind in ("yes", "no"):
                it.send(call.on_answer(url, share, [kind == "yes"] * len(share)))
            else:
                it.send(call.on_error(url, share, GONE if kind == "gone" else STALE))
        after(it)
    return it


@given(st.lists(questions(), min_size=1, max_size=4), st.booleans(), EVENTS)
def test_the_laws_hold_after_each_event(
    asked: list[Question], ends_all: bool, events: list[tuple[str, int]]
) -> None:
    verdicts: list[Verdict] = []
    kept: dict[int, tuple[bool, bool, int, int]] = {}
    holders = [question.acks for question in asked]

    def check(it: Play) -> None:
        if it.call.verdict is not None:
            verdicts.append(it.call.verdict)
        assert len(set(verdicts)) <= 1  # 1: one verdict
        for question, held, state in zip(it.questions, holders, it.state(), strict=True):
            yes = {url for url, answer in question.answered if answer}
            assert question.acks == held + len(yes)  # 2: different nodes, each counted once
            assert question.is_settled >= question.is_decided  # 3: as soon as it can be
            assert question.settled <= 1
            assert kept.setdefault(id(question), state) == state if question.is_settled else True  # 7
            if not (question.waiting or question.spare):
                assert question.is_settled  # 3: nobody is left to wait for
        assert len(it.sent) == len(set(it.sent))  # 4: nobody is asked twice
        is_all_settled = all(question.is_settled for question in it.questions)
        assert is_all_settled == (it.call.verdict is not None)  # 3

    it = play(asked, ends_all, events, check)
    heard = sum(len(q.answered) + len(q.lost) + len(q.late) for q in it.questions)
    assert heard + sum(len(share) for _, share in it.open) == len(it.sent)  # 7: nothing heard is dropped
    if ends_all and it.call.stale is not None:
        assert it.call.verdict is not None  # 5
    it.call.on_timer(DEADLINE)
    assert it.call.verdict is not None  # 6


@given(st.integers(1, 5), st.lists(st.sampled_from(["yes", "no", "gone"]), min_size=1, max_size=4))
def test_the_order_of_answers_does_not_change_whether_it_is_answered_where_all_are_asked(
    need: int, kinds: list[str]
) -> None:
    """Early or late, enough yes is enough; only which of them were counted differs."""
    outcomes = set()
    for order in permutations(range(len(kinds))):
        question = Question(need, NODES[: len(kinds)], 0, at_once=True)
        call = QuorumCall([question], DEADLINE)
        (*requests,) = call.start(0.0)
        for i in order if requests else ():
            if kinds[i] == "gone":
                call.on_error(NODES[i], [question], GONE)
            else:
                call.on_answer(NODES[i], [question], [kinds[i] == "yes"])
        outcomes.add((call.verdict, question.is_enough))
    assert outcomes == {(Verdict.SETTLED, kinds.count("yes") >= need)}


@given(st.integers(1, 5), st.lists(st.booleans(), min_size=1, max_size=5))
def test_who_fails_is_replaced_until_enough_have_answered_or_nobody_is_left(
    need: int, answers: list[bool]
) -> None:
    question = Question(need, NODES[: len(answers)], 0, at_once=False)
    it = play([question], True, [("yes" if yes else "gone", 0) for yes in answers], lambda it: None)
    assert question.is_enough == (sum(answers) >= need)
    assert it.call.verdict is Verdict.SETTLED
    assert len(it.sent) <= len(answers)


@pytest.mark.parametrize(("ends_all", "is_over"), [(True, True), (False, False)])
def test_a_stale_epoch_ends_the_call_at_once_or_only_counts_where_it_came_from(
    ends_all: bool, is_over: bool
) -> None:
    here, there = Question(2, NODES[:2], 0, at_once=True), Question(1, NODES[2:3], 0, at_once=True)
    call = QuorumCall([here, there], DEADLINE, stale_ends_all=ends_all)
    call.start(0.0)
    call.on_error(NODES[0], [here], STALE)
    assert call.stale is STALE
    assert here.is_settled
    assert there.is_settled == is_over
    assert (call.verdict is Verdict.STALE) == is_over


def test_one_more_is_asked_when_answers_are_late_and_none_at_the_deadline() -> None:
    question = Question(1, NODES[:3], 0, at_once=False)
    call = QuorumCall([question], DEADLINE, delay=DELAY)
    assert [*call.start(5.0)] == NODES[:1]
    assert call.timer_at == 6.0
    assert [*call.on_timer(6.0)] == NODES[1:2]
    assert (call.speculated, call.timer_at) == (1, DEADLINE)
    assert [*call.on_timer(7.0)] == []  # a timer that came for nothing
    assert [*call.on_timer(DEADLINE)] == []
    assert call.verdict is Verdict.EXPIRED


def test_what_too_few_can_be_asked_is_not_begun_and_what_enough_have_is_sent_all_the_same() -> None:
    hopeless, held = Question(2, NODES[:1], 0, at_once=True), Question(1, NODES[1:2], 1, at_once=True)
    call = QuorumCall([hopeless, held], DEADLINE)
    assert call.start(0.0) == {NODES[1]: [held]}
    assert call.verdict is Verdict.SETTLED
    assert not hopeless.is_enough


def test_an_abandoned_call_asks_nobody_else() -> None:
    question = Question(1, NODES, 0, at_once=False)
    call = QuorumCall([question], DEADLINE)
    call.start(0.0)
    call.abandon()
    assert call.on_error(NODES[0], [question], GONE) == {}
    assert call.verdict is Verdict.ABANDONED
    assert question.late == NODES[:1]


def test_a_node_that_answers_twice_counts_once() -> None:
    question = Question(2, NODES[:3], 0, at_once=True)
    call = QuorumCall([question], DEADLINE)
    call.start(0.0)
    for _ in range(3):
        call.on_answer(NODES[0], [question], [True])
    assert (question.acks, call.verdict) == (1, None)
