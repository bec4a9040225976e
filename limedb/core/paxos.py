"""Single-decree Paxos: how the nodes of one epoch agree on the next.

It owns the rules of acceptor and proposer. It must never send or store: it returns the acceptor's new state,
which the caller makes durable before it sends the answer, and the caller hands each answer to the proposer.

Source: Lamport 2001, "Paxos Made Simple". Law: once a majority of voters has accepted a value in one ballot,
every value accepted in a higher ballot is the same (tests/core/test_paxos.py).

Two additions, both within that law. A voter that has heard the decision no longer votes: it answers with the
decision (`on_learned`), which is as good as its vote for it in any ballot, since every later ballot would ask
it to accept the same value. And a value that some voters had accepted binds nobody once it is known not to be
decided: that is, when so many of the voters that promised this ballot hold another value or none that it
can't have a majority. For if it had been decided in some ballot, a majority would have accepted it there,
and, as every value since would be the same, each of them would still hold it.
"""

from dataclasses import dataclass, replace
from typing import Generic, NamedTuple, TypeVar

from limedb.core.quorum import majority

V = TypeVar("V")


class Ballot(NamedTuple):
    """The number of an attempt: ordered, and no two proposers have the same."""

    round: int = 0
    """From 1; 0: none yet."""
    proposer: str = ""


NONE = Ballot()


@dataclass(frozen=True, slots=True)
class Acceptor(Generic[V]):
    """The state that an acceptor must remember."""

    promised: Ballot = NONE
    """It takes part in no ballot below this one."""
    accepted: Ballot = NONE
    """The last ballot that it accepted."""
    value: V | None = None
    """The value of that ballot; None if accepted is NONE."""

    def on_prepare(self, ballot: Ballot) -> "Acceptor[V]":
        """The state after a prepare: the promise was given if `promised` is now that ballot."""
        return replace(self, promised=ballot) if ballot > self.promised else self

    def on_accept(self, ballot: Ballot, value: V) -> "Acceptor[V]":
        """The state after an accept: the value was accepted if `accepted` is now that ballot."""
        if ballot < self.promised:
            return self
        return Acceptor(ballot, ballot, value)


class Proposer(Generic[V]):
    """One attempt to have a value decided. voters: the ids of the acceptors.

    First ask all voters to promise the ballot; with promises of a majority, ask them to accept `proposal`,
    which is the own value only if no voter had accepted another. Once a majority has accepted it, it is
    decided. The quorum call (`quorum_call.py`) counts the votes, separately for each step.
    """

    def __init__(self, ballot: Ballot, value: V, voters: frozenset[str]) -> None:
        self.ballot, self._voters = ballot, voters
        self._value, self._newest = value, NONE
        self._held: dict[str, V | None] = {}
        self._learned: V | None = None
        self._fixed: V | None = None
        self._own, self._highest = value, ballot

    @property
    def proposal(self) -> V:
        """The value to ask the voters to accept, once they promised. It never changes: one ballot, one
        value.
        """
        if self._fixed is None:
            self._fixed = self._choose()
        return self._fixed

    def _choose(self) -> V:
        if self._learned is not None:
            return self._learned
        missing = len(self._voters) - len(self._held)
        holders = sum(value == self._value for value in self._held.values())
        is_bound = self._newest != NONE and holders + missing >= majority(len(self._voters))
        return self._value if is_bound else self._own

    def on_promise(self, voter: str, state: Acceptor[V]) -> bool:
        """Take a voter's answer to a prepare, which is its state afterwards; return whether it promised."""
        self._highest = max(self._highest, state.promised)
        if voter not in self._voters or state.promised != self.ballot:
            return False
        self._held[voter] = state.value
        if state.accepted > self._newest and state.value is not None:
            self._newest, self._value = state.accepted, state.value
        return True

    def on_accepted(self, voter: str, state: Acceptor[V]) -> bool:
        """Take a voter's answer to an accept, which is its state afterwards; return whether it accepted."""
        self._highest = max(self._highest, state.promised)
        return voter in self._voters and state.accepted == self.ballot

    def on_learned(self, voter: str, value: V) -> bool:
        """Note that a voter knows the decision: it votes for that and nothing else, in this ballot too.

        Return whether that is a vote for the value that is asked for.
        """
        if voter not in self._voters or (self._fixed or self._learned) not in (None, value):
            return False
        self._learned = value
        return True

    def next_ballot(self) -> Ballot:
        """The ballot of another attempt, above all known ballots."""
        return Ballot(self._highest.round + 1, self.ballot.proposer)
