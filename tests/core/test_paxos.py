"""At most one value is decided, whatever the network and crashes do."""

from hypothesis import given, settings
from hypothesis import strategies as st

from limedb.core.paxos import NONE, Acceptor, Ballot, Proposer
from limedb.core.quorum import majority

# What happens next: (kind, proposer, voter). A message may be sent again and again, late, or never.
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["prepare", "accept", "again", "crash", "learn"]),
        st.integers(0, 2),
        st.integers(0, 4),
    ),
    max_size=120,
)


class Attempt(Proposer[str]):
    """A proposer whose votes are counted, those of each step by themselves, as `Votes` does."""

    def __init__(self, ballot: Ballot, value: str, voters: frozenset[str]) -> None:
        super().__init__(ballot, value, voters)
        self.need = majority(len(voters))
        self.promised: set[str] = set()
        self.accepted: set[str] = set()

    def take_promise(self, voter: str, state: Acceptor[str]) -> None:
        if self.on_promise(voter, state):
            self.promised.add(voter)

    def take_vote(self, voter: str, state: Acceptor[str]) -> None:
        if self.on_accepted(voter, state):
            self.accepted.add(voter)

    def learn(self, voter: str, value: str) -> None:
        if self.on_learned(voter, value):
            (self.accepted if self.is_promised else self.promised).add(voter)

    @property
    def is_promised(self) -> bool:
        return len(self.promised) >= self.need

    @property
    def is_decided(self) -> bool:
        return len(self.accepted) >= self.need


class World:
    """Acceptors whose state is durable, proposers that duel, and all values that a majority accepted."""

    def __init__(self, voters: int) -> None:
        self.voters = [f"v{i}" for i in range(voters)]
        self.acceptors: dict[str, Acceptor[str]] = {voter: Acceptor() for voter in self.voters}
        self.proposers = [self.propose(Ballot(1, f"p{p}")) for p in range(3)]
        self.accepted: dict[Ballot, tuple[str, set[str]]] = {}
        self.gone_on: set[str] = set()  # voters that have heard the decision, and vote no more

    def propose(self, ballot: Ballot) -> "Attempt":
        return Attempt(ballot, f"value of {ballot}", frozenset(self.voters))

    def step(self, kind: str, p: int, v: int) -> None:
        proposer, voter = self.proposers[p], self.voters[v % len(self.voters)]
        if kind == "learn" and self.decided:
            self.gone_on.add(voter)
        elif voter in self.gone_on and kind in ("prepare", "accept"):
            proposer.learn(voter, *self.decided)
        elif kind == "prepare":
            self.acceptors[voter] = self.acceptors[voter].on_prepare(proposer.ballot)
            proposer.take_promise(voter, self.acceptors[voter])
        elif kind == "accept" and proposer.is_promised:
            self.accept(proposer, voter)
        elif kind == "again":
            self.proposers[p] = self.propose(proposer.next_ballot())
        elif kind == "crash":  # it forgets all but never uses a ballot again
            self.proposers[p] = self.propose(Ballot(proposer.ballot.round + 1, f"p{p}"))

    def accept(self, proposer: "Attempt", voter: str) -> None:
        state = self.acceptors[voter].on_accept(proposer.ballot, proposer.proposal)
        self.acceptors[voter] = state
        if state.accepted == proposer.ballot:
            value, by = self.accepted.setdefault(proposer.ballot, (proposer.proposal, set()))
            assert value == proposer.proposal, "one ballot, one value"
            by.add(voter)
        proposer.take_vote(voter, state)

    @property
    def decided(self) -> set[str]:
        return {value for value, by in self.accepted.values() if len(by) >= majority(len(self.voters))}


@settings(max_examples=400, deadline=None)
@given(st.integers(1, 5), EVENTS)
def test_duelling_proposers_never_decide_two_values(voters: int, events: list[tuple[str, int, int]]) -> None:
    world = World(voters)
    for event in events:
        world.step(*event)
        assert len(world.decided) <= 1
    for proposer in world.proposers:
        if proposer.is_promised and proposer.is_decided:
            assert {proposer.proposal} == world.decided


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 5), EVENTS)
def test_an_undisturbed_proposer_ends_with_what_was_decided(
    voters: int, events: list[tuple[str, int, int]]
) -> None:
    world = World(voters)
    for event in events:
        world.step(*event)
    before = world.decided
    highest = max(state.promised.round for state in world.acceptors.values())
    world.proposers[0] = world.propose(Ballot(highest + 1, "p0"))
    for kind in ("prepare", "accept"):
        for v in range(voters):
            world.step(kind, 0, v)

    assert world.proposers[0].is_decided
    assert len(world.decided) == 1
    assert before <= world.decided


def test_an_acceptor_takes_part_in_no_ballot_below_its_promise() -> None:
    low, high = Ballot(1, "a"), Ballot(1, "b")
    acceptor: Acceptor[str] = Acceptor()
    promised = acceptor.on_prepare(high)

    assert promised.on_prepare(low) == promised
    assert promised.on_accept(low, "x") == promised
    assert promised.on_accept(high, "x") == Acceptor(high, high, "x")


def test_a_proposer_learns_of_higher_ballots_and_goes_above_them() -> None:
    proposer = Proposer(Ballot(1, "a"), "x", frozenset({"v"}))

    assert not proposer.on_promise("v", Acceptor(Ballot(7, "b")))
    assert proposer.next_ballot() == Ballot(8, "a")


def test_what_was_not_decided_binds_nobody_and_what_may_have_been_does() -> None:
    """v1 accepted `old` in the first ballot; the others say that they did not, or say nothing."""
    ballot, voters = Ballot(2, "b"), frozenset({"v1", "v2", "v3"})
    held = Acceptor(ballot, Ballot(1, "a"), "old")
    all_there, one_away = Proposer(ballot, "new", voters), Proposer(ballot, "new", voters)
    for proposer, others in ((all_there, ("v2", "v3")), (one_away, ("v2",))):
        proposer.on_promise("v1", held)
        for voter in others:
            proposer.on_promise(voter, Acceptor(ballot))

    assert all_there.proposal == "new"
    assert one_away.proposal == "old"
    one_away.on_promise("v3", Acceptor(ballot))
    assert one_away.proposal == "old", "one ballot, one value"


def test_a_voter_that_has_gone_on_counts_for_what_was_decided_alone() -> None:
    ballot, voters = Ballot(2, "b"), frozenset({"v1", "v2", "v3"})
    proposer = Proposer(ballot, "own", voters)
    assert proposer.on_learned("v1", "decided")
    assert proposer.on_promise("v2", Acceptor(ballot))
    assert proposer.proposal == "decided"
    assert not proposer.on_learned("v3", "something else")
    assert proposer.on_learned("v1", "decided")
    assert proposer.on_accepted("v2", Acceptor(ballot, ballot, "decided"))


def test_only_voters_count() -> None:
    proposer = Proposer(Ballot(1, "a"), "x", frozenset({"v", "w"}))
    for stranger in ("x", "y", "z"):
        assert not proposer.on_promise(stranger, Acceptor(Ballot(1, "a")))
        assert not proposer.on_accepted(stranger, Acceptor(Ballot(1, "a"), Ballot(1, "a"), "x"))
        assert not proposer.on_learned(stranger, "x")

    assert Ballot(1, "") > NONE
