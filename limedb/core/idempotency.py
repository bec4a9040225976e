"""Which version a write has: agreed once for all attempts of it, so that no attempt is another write.

It owns the rules of an agreement between the replicas of a key. It must never send or store.

A client that got no answer may send a write again, through any node. Were the write given a second version
then, it could take effect twice: before another client's write and again behind it. Looking for the first
attempt on a majority does not prevent that, for a copy on the replica that was not asked, or one still on its
way, may be read, and overwritten, before the second version arrives. So the version of an operation is a
value that its replicas agree on (single-decree Paxos, `core/paxos.py`; a ballot's round is the number of the
attempt), and no record is sent before that. Then the law of Paxos is the law of retries: one operation, one
version, and writing one record again changes nothing, whoever does it, however late.

The first attempt asks for no promises, for nobody can have accepted anything in a lower round: it goes
straight to accept, which replicas that have heard of another attempt refuse. Should a proxy have sent a first
attempt twice, two values may have been accepted in that round: `bound` counts then (Lamport 2005, "Fast
Paxos", section 2.2), and where it can't tell it says so.
"""

import sys
from collections.abc import Collection, Iterable
from typing import NamedTuple, TypeAlias

from limedb.core.layout import Owners
from limedb.core.paxos import NONE, Acceptor, Ballot
from limedb.core.quorum import Level, needed
from limedb.errors import UnavailableError

FIRST = 1
"""The round of a first attempt."""
MAX_AGE_MS = 600_000
"""How long after its begin a write may be tried again, by the time in its key."""
MARGIN_MS = 2_000
"""How far a client's clock may be ahead (half of it), and the clocks of two nodes apart."""


class WriteId(NamedTuple):
    """A write of one key by a client, in all its attempts. id: 16 bytes. token: of the key. began_ms: when,
    by the client's clock, milliseconds since 1970.
    """

    id: bytes
    token: int
    began_ms: int


class AgreedVersion(NamedTuple):
    """What is agreed: all of the record that the request doesn't say, and what its answer says. existed:
    whether the key had a value before.
    """

    version: int
    expires_at: int
    existed: bool


class Proposal(NamedTuple):
    """A message to a replica. terms: to accept; None: it asks for a promise."""

    operation: WriteId
    ballot: Ballot
    terms: AgreedVersion | None


State: TypeAlias = Acceptor[AgreedVersion]
"""What a replica remembers of an operation."""


def transition(state: State, proposal: Proposal) -> State:
    """A replica's state after a proposal."""
    ballot, terms = proposal.ballot, proposal.terms
    if terms is None:
        return state.on_prepare(ballot)
    if ballot.round == FIRST and state.promised not in (NONE, ballot):
        return state
    return state.on_accept(ballot, terms)


def is_accepted(state: State, proposal: Proposal) -> bool:
    """Whether a replica's state after a proposal says that it did as asked."""
    return proposal.ballot == (state.promised if proposal.terms is None else state.accepted)


def pick_value(states: Collection[State], missing: int, need: int) -> AgreedVersion | None:
    """What a ballot has to propose, by the states of those who promised it; None: what it likes.

    missing: replicas whose state isn't known. need: how many decide. UnavailableError: it can't be told.
    """
    newest = max((state.accepted for state in states), default=NONE)
    values = {state.value for state in states if state.accepted.round == newest.round and state.value}
    if len(values) > 1 and newest.round > FIRST:
        return next(state.value for state in states if state.accepted == newest)
    if len(values) > 1:
        votes = [state.value for state in states]
        values = {value for value in values if votes.count(value) + missing >= need}
    if len(values) > 1:
        raise UnavailableError("the first attempt was sent twice, and it can't be told which of them stands")
    return next(iter(values), None)


def quorum(owners: Owners) -> int:
    """How many of `owners.written` decide: as many as have a write that is acknowledged at QUORUM."""
    return needed(Level.QUORUM, owners.replicas) + len(owners.pending)


def quorums_intersect(a: Owners, b: Owners) -> bool:
    """Whether every quorum of the one has a replica of every quorum of the other."""
    shared = len({*a.write_set} & {*b.write_set})
    inside = sum(max(0, quorum(of) - (len(of.write_set) - shared)) for of in (a, b))
    return inside > shared


class OwnershipEpoch(NamedTuple):
    """Owners of a key under an epoch. streams: it begins a change. learned_ms: when a replica learned it."""

    epoch: int
    streams: bool
    learned_ms: int
    owners: Owners


def settled_since(tenures: Iterable[OwnershipEpoch]) -> int:
    """From which time on (ms) operations can have been agreed only by quorums that the newest ones meet.

    tenures: from the oldest to the newest, all that a replica remembers. While a change runs, quorums hold
    one of the old owners and one of the new, so only the last step parts from what was before the first. The
    first epoch of a change is followed by the one that moves the reads only when a majority of the owners
    have gone over to it, so that what was before it decides nothing any more.
    """
    *older, newest = tenures
    parted = [t.epoch for t in older if not quorums_intersect(t.owners, newest.owners)]
    if not parted:
        return 0
    after = [t.learned_ms for t in (*older, newest) if t.epoch >= max(parted) + 2 and not t.streams]
    return min(after, default=sys.maxsize)
