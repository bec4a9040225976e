"""Replicas agree on one version for an operation, whichever proposer asks, in whatever order."""

from collections.abc import Mapping
from itertools import product
from random import Random

import pytest

from limedb.core.idempotency import (
    FIRST,
    AgreedVersion,
    OwnershipEpoch,
    Proposal,
    State,
    WriteId,
    is_accepted,
    is_in_every_quorum,
    pick_value,
    quorums_intersect,
    settled_since,
    transition,
    with_missed,
)
from limedb.core.layout import Owners
from limedb.core.paxos import Acceptor, Ballot
from limedb.core.quorum import majority
from limedb.errors import UnavailableError
from tests.core.test_layout import least_quorums

OPERATION = WriteId(b"o" * 16, 0, 0)


def agreed(version: int) -> AgreedVersion:
    return AgreedVersion(version, 0, existed=False)


def accepted(attempt: int, by: str, version: int) -> State:
    ballot = Ballot(FIRST + attempt, by)
    return Acceptor(ballot, ballot, agreed(version))


def test_a_first_attempt_is_refused_by_who_has_heard_of_another() -> None:
    first = Proposal(OPERATION, Ballot(FIRST, "b"), agreed(2))
    assert is_accepted(transition(Acceptor(), first), first)
    assert is_accepted(transition(transition(Acceptor(), first), first), first)
    for other in (accepted(0, "a", 1), accepted(0, "c", 1), Acceptor(Ballot(FIRST + 1, "a"))):
        assert transition(other, first) == other


def pick(states: list[State], count: int = 3) -> AgreedVersion | None:
    """The value by the states of some of that many replicas, while owners don't change."""
    names = [f"{i}" for i in range(count)]
    return pick_value(dict(zip(names, states, strict=False)), [(names, count)])


def test_what_may_have_been_agreed_binds_later_attempts() -> None:
    assert pick([Acceptor(), Acceptor()]) is None
    assert pick([Acceptor(), accepted(0, "a", 1)]) == agreed(1)
    assert pick([accepted(0, "a", 1), accepted(1, "b", 2)]) == agreed(2)


def test_of_a_first_attempt_that_was_sent_twice_the_one_that_may_be_agreed_binds() -> None:
    one, other = accepted(0, "a", 1), accepted(0, "b", 2)
    assert pick([one, other, other]) == agreed(2)
    assert pick([one, other, Acceptor()]) is None
    with pytest.raises(UnavailableError, match="sent twice"):
        pick([one, other])


def test_what_old_owners_may_have_agreed_on_alone_binds_while_they_change() -> None:
    """c, which was lost or leaves, may have agreed with either of the others."""
    one, other = accepted(0, "a", 1), accepted(0, "b", 2)
    for sides in ([("ab", 3), ("abd", 3)], [("abd", 3), ("ab", 3)], [("ab", 3), ("ab", 2)]):
        with pytest.raises(UnavailableError, match="sent twice"):
            pick_value({"a": one, "b": other}, sides)
        assert pick_value({"a": other, "b": other}, sides) == agreed(2)
    assert pick_value({"a": one, "b": one, "d": other}, [("abc", 3), ("abd", 3)]) == agreed(1)


SIDES = [
    [("abc", 3)],
    [("ab", 2)],
    [("ab", 3)],
    [("abc", 5)],
    [("a", 1), ("ab", 2)],
    [("a", 1), ("abc", 3)],
    [("abc", 3), ("abd", 3)],
    [("abd", 3), ("abc", 3)],
    [("ab", 3), ("abd", 3)],
    [("abd", 3), ("ab", 3)],
    [("ab", 3), ("ab", 2)],
    [("ab", 2), ("a", 1)],
    [("abcd", 4), ("abc", 3)],
]
"""The owners, and how many these are with those that are lost; while they change, both sides."""


@pytest.mark.parametrize("sides", SIDES)
def test_a_picked_value_is_the_only_one_that_may_have_been_agreed_on(sides: list[tuple[str, int]]) -> None:
    """Whatever a first attempt left that was sent twice, and whoever answers: all cases."""
    names = sorted({name for members, _ in sides for name in members})
    states = [Acceptor(), accepted(0, "a", 1), accepted(0, "b", 2)]
    values = {agreed(1), agreed(2)}
    for answers in product([None, *states], repeat=len(names)):
        promised = {name: state for name, state in zip(names, answers, strict=True) if state is not None}
        if any(sum(name in promised for name in members) < majority(count) for members, count in sides):
            continue  # too few for a ballot
        possible = {value for value in values if may_be_agreed(value, promised, sides)}
        seen = {state.value for state in promised.values() if state.value}
        try:
            picked = pick_value(promised, sides)
        except UnavailableError:
            assert len(possible & seen) > 1, promised
            continue
        assert possible <= {picked}, (promised, picked)


def may_be_agreed(value: AgreedVersion, promised: Mapping[str, State], sides: list[tuple[str, int]]) -> bool:
    """Whether a majority of some side may have accepted a value: those that don't answer may have."""
    for members, count in sides:
        others = [name for name in members if name in promised and promised[name].value != value]
        if count - len(others) >= majority(count):
            return True
    return False


def test_of_later_attempts_the_newest_that_anybody_accepted_binds() -> None:
    """All states of three replicas that rounds can leave, in any order; a later one may be doubled, too."""
    states = [Acceptor(), accepted(0, "a", 1), accepted(1, "b", 2), accepted(2, "c", 3), accepted(2, "d", 4)]
    for answers in product(states, repeat=3):
        newest = max(answers, key=lambda state: state.accepted)
        assert pick([*answers]) == newest.value


class Replicas:
    """Replicas of one operation, whose messages come late, twice, or never."""

    def __init__(self, rng: Random) -> None:
        self.rng, count = rng, rng.choice([1, 2, 3, 4, 5])
        self.states: list[State] = [Acceptor()] * count
        self.need = count // 2 + 1
        self.open: list[tuple[Proposal, set[int]]] = []
        self.won: set[AgreedVersion] = set()

    def send(self, i: int, proposal: Proposal) -> bool:
        self.states[i] = transition(self.states[i], proposal)
        return is_accepted(self.states[i], proposal)

    def begin(self, ballot: Ballot, own: AgreedVersion) -> None:
        """Begin an attempt: its promises, where it asks for any."""
        chosen: AgreedVersion | None = own
        if ballot.round > FIRST:
            chosen = self._promised(ballot, own)
        if chosen is not None:
            self.open.append((Proposal(OPERATION, ballot, chosen), set()))

    def _promised(self, ballot: Ballot, own: AgreedVersion) -> AgreedVersion | None:
        asked = self.rng.sample(range(len(self.states)), self.rng.randint(self.need, len(self.states)))
        promised = [self.states[i] for i in asked if self.send(i, Proposal(OPERATION, ballot, None))]
        if len(promised) < self.need:
            return None
        try:
            return pick(promised, len(self.states)) or own
        except UnavailableError:
            return None

    def deliver(self) -> None:
        """Bring an accept of some attempt to some replica."""
        proposal, agreeing = self.rng.choice(self.open)
        i = self.rng.randrange(len(self.states))
        if self.send(i, proposal):
            agreeing.add(i)
        if len(agreeing) >= self.need and proposal.value is not None:
            self.won.add(proposal.value)


@pytest.mark.parametrize("seed", range(300))
def test_no_two_attempts_ever_agree_on_different_terms(seed: int) -> None:
    """First attempts are sent twice now and then."""
    rng = Random(seed)
    replicas = Replicas(rng)
    for number in range(rng.randint(2, 12)):
        replicas.begin(Ballot(FIRST + rng.choice([0, 0, 1, 2, 3]), f"{number}"), agreed(number + 1))
        for _ in range(rng.randint(0, 3 * len(replicas.states)) if replicas.open else 0):
            replicas.deliver()
    assert len(replicas.won) <= 1


ABC, ABD = Owners(("a", "b", "c"), (), 3), Owners(("a", "b", "d"), (), 3)
STREAMING = Owners(("a", "b", "c"), ("d",), 3, False, ("a", "b", "d"), 3)
HANDOVER = Owners(("a", "b", "d"), ("c",), 3, False, ("a", "b", "c"), 3, True)


def test_quorums_meet_when_each_two_share_a_replica() -> None:
    every = [
        ABC,
        ABD,
        STREAMING,
        HANDOVER,
        Owners(("a",), (), 1),
        Owners(("a",), ("b", "c"), 1, False, ("a", "b", "c"), 3),
    ]
    every += [Owners(("a", "b"), (), 2), Owners(("a", "b"), ("c",), 2, False, ("a", "b", "c"), 3)]
    every += [Owners(("a", "b"), ("c",), 3, False, ("a", "b", "c"), 3)]
    for a in every:
        for b in every:
            pairs = [(set(x), set(y)) for x in least_quorums(a) for y in least_quorums(b)]
            assert quorums_intersect(a, b) == all(x & y for x, y in pairs), (a, b)


def test_only_the_last_step_of_a_change_parts_from_what_was_before_it() -> None:
    steps = [
        OwnershipEpoch(7, False, 100, ABC),
        OwnershipEpoch(8, True, 200, STREAMING),
        OwnershipEpoch(9, False, 300, HANDOVER),
        OwnershipEpoch(10, False, 400, ABD),
    ]
    assert [settled_since(steps[:n]) for n in (1, 2, 3, 4)] == [0, 0, 0, 300]
    assert settled_since([steps[0], steps[3]]) == 400
    assert settled_since([steps[0], steps[0]._replace(epoch=8, learned_ms=200)]) == 0


def test_what_was_not_shared_with_an_only_owner_stays_unknown_when_others_join_it() -> None:
    """By their names alone, the quorums of before and of now would share the node that came back."""
    both, one = Owners(("b", "c"), (), 2), Owners(("a",), (), 1)
    joint = Owners(("a",), ("b",), 1, False, ("a", "b"), 2)
    steps = [OwnershipEpoch(1, False, 100, both), OwnershipEpoch(4, False, 400, one)]
    steps += [OwnershipEpoch(5, True, 500, joint), OwnershipEpoch(7, False, 700, Owners(("a", "b"), (), 2))]
    assert [settled_since(steps[:n]) for n in (1, 2, 3, 4)] == [0, 400, 400, 400]


def test_a_node_is_in_every_quorum_where_a_side_needs_all_of_its_members() -> None:
    every = [ABC, STREAMING, HANDOVER, Owners(("a",), (), 1), Owners(("a", "b"), (), 2)]
    every += [Owners(("a",), ("b", "c"), 1, False, ("a", "b", "c"), 3)]
    every += [Owners(("a", "b", "c"), (), 3, False, ("a",), 1, True)]
    for owners in every:
        quorums = list(least_quorums(owners))
        for url in "abcd":
            assert is_in_every_quorum(url, owners) == all(url in quorum for quorum in quorums), (owners, url)


def test_an_epoch_that_a_replica_missed_counts_by_the_change_after_it() -> None:
    """The key went from A to B and back; A has not heard of the epoch in which B was alone."""
    heard = [
        OwnershipEpoch(3, False, 100, Owners(("b",), ("a",), 1, False, ("a",), 1, is_handover=True)),
        OwnershipEpoch(5, True, 200, Owners(("b",), ("a",), 1, False, ("a",), 1)),
        OwnershipEpoch(6, False, 300, Owners(("a",), ("b",), 1, False, ("b",), 1, is_handover=True)),
        OwnershipEpoch(7, False, 400, Owners(("a",), (), 1)),
    ]
    assert settled_since(heard) == 0
    assert [t.epoch for t in with_missed(heard)] == [3, 4, 5, 6, 7]
    assert settled_since(with_missed(heard)) == 300


def test_after_a_whole_change_that_a_replica_missed_nothing_is_known_from_before() -> None:
    alone = Owners(("a",), (), 1)
    heard = [OwnershipEpoch(1, False, 100, alone), OwnershipEpoch(7, False, 400, alone)]
    assert settled_since(with_missed(heard)) == 400
    assert settled_since(with_missed([*heard[:1], heard[1]._replace(epoch=4)])) == 0


def test_the_only_owner_before_a_change_counts_though_its_own_epoch_was_missed() -> None:
    heard = [
        OwnershipEpoch(4, False, 100, Owners(("b",), (), 1)),
        OwnershipEpoch(6, False, 200, Owners(("c",), ("b",), 1, False, ("b",), 1, is_handover=True)),
        OwnershipEpoch(8, True, 300, Owners(("c",), ("b",), 1, False, ("b",), 1)),
    ]
    assert settled_since(with_missed(heard)) == 200
