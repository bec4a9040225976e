"""Single-decree Paxos: how the nodes of one epoch agree on the next.

It owns the rules of acceptor and proposer. It must never send or store: the acceptor's new state is
returned, and is durable before the answer is sent; the proposer is told what was answered.

Source: Lamport 2001, "Paxos Made Simple". Law: once a majority of voters has accepted a value in one ballot,
every value accepted in a higher ballot is the same (tests/core/test_paxos.py).
"""

from dataclasses import dataclass, replace
from typing import Generic, NamedTuple, TypeVar

from limedb.core.quorum import majority

V = TypeVar("V")


class Ballot(NamedTuple):
    """The number of an attempt: ordered, and no two proposers have the same. round: from 1; 0: none yet."""

    round: int = 0
    proposer: str = ""


NONE = Ballot()


@dataclass(frozen=True, slots=True)
class Acceptor(Generic[V]):
    """What an acceptor must remember. promised: it takes part in no lower ballot. accepted, value: the last
    that it accepted; value is None where accepted is NONE.
    """

    promised: Ballot = NONE
    accepted: Ballot = NONE
    value: V | None = None

    def on_prepare(self, ballot: Ballot) -> "Acceptor[V]":
        """Its state after a prepare: the promise was given if `promised` is that ballot now."""
        return replace(self, promised=ballot) if ballot > self.promised else self

    def on_accept(self, ballot: Ballot, value: V) -> "Acceptor[V]":
        """Its state after an accept: it was accepted if `accepted` is that ballot now."""
        if ballot < self.promised:
            return self
        return Acceptor(ballot, ballot, value)


class Proposer(Generic[V]):
    """One attempt to have a value decided. voters: the ids of the acceptors.

    First ask all voters to promise the ballot; with promises of a majority, ask them to accept `proposal`:
    it is the own value only where no voter had accepted another. When a majority accepted, it is decided.
    """

    def __init__(self, ballot: Ballot, value: V, voters: frozenset[str]) -> None:
        self.ballot, self._voters = ballot, voters
        self._value, self._newest = value, NONE
        self._promised: set[str] = set()
        self._accepted: set[str] = set()
        self._highest = ballot

    @property
    def proposal(self) -> V:
        """What to ask the voters to accept, once they promised."""
        return self._value

    @property
    def is_promised(self) -> bool:
        """Whether a majority promised."""
        return len(self._promised) >= majority(len(self._voters))

    @property
    def is_decided(self) -> bool:
        """Whether a majority accepted: the proposal is the decision, for good."""
        return len(self._accepted) >= majority(len(self._voters))

    def on_promise(self, voter: str, state: Acceptor[V]) -> None:
        """Take a voter's answer to a prepare: its state afterwards."""
        self._highest = max(self._highest, state.promised)
        if voter not in self._voters or state.promised != self.ballot:
            return
        self._promised.add(voter)
        if state.accepted > self._newest and state.value is not None:
            self._newest, self._value = state.accepted, state.value

    def on_accepted(self, voter: str, state: Acceptor[V]) -> None:
        """Take a voter's answer to an accept: its state afterwards."""
        self._highest = max(self._highest, state.promised)
        if voter in self._voters and state.accepted == self.ballot:
            self._accepted.add(voter)

    def next_ballot(self) -> Ballot:
        """The ballot of another attempt, above all that was heard of."""
        return Ballot(self._highest.round + 1, self.ballot.proposer)
