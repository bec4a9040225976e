"""The version of a write: agreed once for all its attempts, so that no attempt becomes a second write.

It owns the rules by which the replicas of a key agree. It must never send or store.

A client that got no answer may send a write again, through any node. If the write then got a second version,
it could take effect twice: before another client's write and again after it. Looking for the first attempt on
a majority does not prevent that: a copy on a replica that was not asked, or one still on its way, may be
read, and overwritten, before the second version arrives. So the version of an operation is a value on which
its replicas agree (single-decree Paxos, `core/paxos.py`; a ballot's round is the number of the attempt), and
no record is sent before that. Then the law of Paxos is the law of retries: one operation has one version, and
writing one record again changes nothing, whichever node does it, however late.

The first attempt asks for no promises, since nobody can have accepted anything in a lower round: it begins
with the accept message, which replicas that have heard of another attempt refuse. If a proxy sent a first
attempt twice, two values may have been accepted in that round: then `pick_value` counts votes (Lamport 2005,
"Fast Paxos", section 2.2), and raises an error where the count doesn't decide.
"""

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from limedb.core.layout import Owners
from limedb.core.paxos import NONE, Acceptor, Ballot
from limedb.core.quorum import Level, Side, majority
from limedb.errors import UnavailableError

FIRST = 1
"""The round of a first attempt."""
MAX_AGE_MS = 600_000
"""How long after its beginning a write may be tried again, by the time in its key."""
MARGIN_MS = 2_000
"""The most by which the clocks of two nodes may differ, and twice the most by which a client's may be ahead.
"""


class WriteId(NamedTuple):
    """A write of one key by a client, in all its attempts."""

    id: bytes
    """16 bytes."""
    token: int
    """The token of the key."""
    began_ms: int
    """When the write began by the client's clock, milliseconds since 1970."""


class AgreedVersion(NamedTuple):
    """The value agreed on: the parts of the record that the request doesn't contain, and of the answer."""

    version: int
    expires_at: int
    existed: bool
    """Whether the key had a value before."""


class Proposal(NamedTuple):
    """A message to a replica."""

    operation: WriteId
    ballot: Ballot
    value: AgreedVersion | None
    """The value to accept; None: the message asks for a promise."""


State: TypeAlias = Acceptor[AgreedVersion]
"""The state that a replica remembers of an operation."""


def transition(state: State, proposal: Proposal) -> State:
    """A replica's state after a proposal."""
    ballot, value = proposal.ballot, proposal.value
    if value is None:
        return state.on_prepare(ballot)
    if ballot.round == FIRST and state.promised not in (NONE, ballot):
        return state
    return state.on_accept(ballot, value)


def is_accepted(state: State, proposal: Proposal) -> bool:
    """Whether a replica's state after a proposal shows that it did as asked."""
    return proposal.ballot == (state.promised if proposal.value is None else state.accepted)


def pick_value(
    promised: Mapping[str, State], sides: Iterable[tuple[Collection[str], int]]
) -> AgreedVersion | None:
    """The value that a ballot has to propose, by the states of the replicas that promised it, by URL; None:
    any value.

    sides: the owners, and how many these are with those that are lost; while they change, both sides. A
    value may have been decided where a side may have a majority for it: in the epochs before and after,
    that side alone decides. UnavailableError: the states don't show which value.
    """
    states = [*promised.values()]
    newest = max((state.accepted for state in states), default=NONE)
    values = {state.value for state in states if state.accepted.round == newest.round and state.value}
    if len(values) > 1 and newest.round > FIRST:
        return next(state.value for state in states if state.accepted == newest)
    if len(values) > 1:
        known = {url: state.value for url, state in promised.items()}
        votes = [([known[url] for url in side if url in known], count) for side, count in sides]
        values = {
            value
            for value in values
            if any(own.count(value) + count - len(own) >= majority(count) for own, count in votes)
        }
    if len(values) > 1:
        raise UnavailableError(
            "the first attempt was sent twice, and the replicas' answers don't show which of the two is valid"
        )
    return next(iter(values), None)


def sides_of(owners: Owners) -> tuple[Side, ...]:
    """The sides that decide: each as many as hold a write that is acknowledged at QUORUM."""
    return owners.sides(Level.QUORUM) or (Side(owners.natural, majority(owners.replicas)),)


def quorums_intersect(a: Owners, b: Owners) -> bool:
    """Whether every quorum of `a` shares a replica with every quorum of `b`: those of some side of `a` do
    with those of some side of `b`.
    """
    return any(_intersect(one, other) for one in sides_of(a) for other in sides_of(b))


def is_in_every_quorum(url: str, owners: Owners) -> bool:
    """Whether a node is needed for every agreement: some side needs all of its members, and the node is one
    of them.
    """
    return any(url in side.members and side.need >= len(side.members) for side in sides_of(owners))


def sole_owner(owners: Owners) -> str | None:
    """The only owner of a key, before the owners began to change; None: there were several."""
    return owners.natural[0] if owners.replicas == len(owners.natural) == 1 else None


def _intersect(one: Side, other: Side) -> bool:
    shared = len({*one.members} & {*other.members})
    inside = sum(max(0, side.need - (len(side.members) - shared)) for side in (one, other))
    return inside > shared


EPOCHS_A_CHANGE = 3
"""From one epoch in which nothing changes to the next."""
_ANYBODY = Owners(("",), (), 1)


class OwnershipEpoch(NamedTuple):
    """Owners of a key under an epoch."""

    epoch: int
    streams: bool
    """Whether the epoch begins a change."""
    learned_ms: int
    """When a replica learned the epoch, milliseconds since 1970."""
    owners: Owners


def settled_since(tenures: Iterable[OwnershipEpoch]) -> int:
    """The time (ms) from which on all operations were agreed by quorums that intersect the newest ones.

    tenures: from the oldest to the newest, all that a replica remembers. While a change runs, quorums contain
    both old and new owners, so only the owners of its last step may share none with those before its first.
    The epoch that moves the reads follows a change's first epoch only when a majority of the owners have
    moved to that one; from then on, earlier epochs decide nothing.

    Where a single node was the owner, operations of earlier quorums that didn't include it stay unknown:
    nodes that join it later rely on it alone (`OwnershipHistory.can_tell`). The epoch in which it was alone
    may be one that the replica has not heard of, so the old owners of a change count, too.
    """
    known = [*tenures]
    ends = [(place, only) for place, t in enumerate(known) if (only := _old_side(t.owners)).replicas == 1]
    return max(
        _parted_until(known, end, owners) for end, owners in (*ends, (len(known) - 1, known[-1].owners))
    )


def with_missed(tenures: Sequence[OwnershipEpoch]) -> list[OwnershipEpoch]:
    """Tenures, and those between them that a replica has not heard of: the owners before a change and after
    it. Where it missed a whole change or more, anybody may have been the owner meanwhile.
    """
    found = [*tenures[:1]]
    for before, after in pairwise(tenures):
        began = after.epoch - (2 if after.owners.is_handover else 1)
        if after.epoch - before.epoch > EPOCHS_A_CHANGE:
            found.append(OwnershipEpoch(after.epoch - 2, False, after.learned_ms, _ANYBODY))
        elif after.owners.other_replicas and began > before.epoch:
            found.append(OwnershipEpoch(began, False, after.learned_ms, _old_side(after.owners)))
        found.append(after)
    return found


def _old_side(owners: Owners) -> Owners:
    """The owners before the change; the same owners if none runs."""
    if owners.is_handover:
        return Owners(owners.others, (), owners.other_replicas)
    return Owners(owners.natural, (), owners.replicas)


def _parted_until(tenures: Sequence[OwnershipEpoch], end: int, owners: Owners) -> int:
    """The time from which on all operations were agreed by quorums that intersect those of some owners,
    before the tenure at a place.
    """
    parted = [t.epoch for t in tenures[:end] if not quorums_intersect(t.owners, owners)]
    if not parted:
        return 0
    after = [t.learned_ms for t in tenures if t.epoch >= max(parted) + 2 and not t.streams]
    return min(after, default=sys.maxsize)
