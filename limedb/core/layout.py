"""The nodes that hold a token under a topology: its replicas, and those on their way in or out.

It owns the mapping from tokens to owners. It must never know which nodes are alive.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from limedb.core.quorum import Level, Side, lacking, majority, needed, spare
from limedb.core.ring import TOKENS, Ring, token_of
from limedb.core.topology import Member, Phase, Topology
from limedb.errors import NotMemberError


class Span(NamedTuple):
    """Tokens from first to last, both included, 0 <= first <= last < 2**64."""

    first: int
    last: int

    @property
    def size(self) -> int:
        """How many tokens it holds."""
        return self.last - self.first + 1


class Owners(NamedTuple):
    """The owners of a token, by URL.

    While the owners change, a write is acknowledged when both sides hold it (`sides`): a joint quorum, as
    Raft has it for changes of its members. Most owners are on both sides, and count on both. So a joining
    node is not needed where the others are enough on either side: if of A, B and C the node C lost its data
    and joins again, A and B are a majority of the old owners and of the new ones. This is safe, because:

    1. Streaming reads ask a majority of the old owners, which meets the old side of each write.
    2. When reads move, a majority of the new owners has each acknowledged write. A write that was
       acknowledged while the change streamed is there through its new side. An older write is on a majority
       of the old owners; of these some stay, and the newcomers have fetched it (`sources_needed`), even if
       they miss a later write.
    3. During the handover reads ask a majority of the new owners, which meets the new side. The reads of a
       coordinator that has not heard of the handover still ask a majority of the old owners, so the old side
       needs enough nodes to meet each such majority. It needs no more then, since a handover can't be taken
       back.
    4. A change that is cancelled leaves the old owners, a majority of which has each write by its old side.
    5. Two joint quorums share a replica, within an epoch, and from one to the next; so do those of
       agreements on versions (`core/idempotency.py`). Nodes of 0.2 ask for needed(level, replicas) +
       len(pending) of `write_set`, any of them: each such set holds both sides.

    Source: Ongaro and Ousterhout 2014, "In Search of an Understandable Consensus Algorithm", section 6.
    """

    natural: tuple[str, ...]
    """The owners that reads ask, in clockwise order."""
    pending: tuple[str, ...]
    """The owners that get only writes (new ones while they fetch, old ones while reads move)."""
    replicas: int
    """How many owners there are, including those that lost their data: a majority is more than half of this
    number.
    """
    shrinks: bool = False
    """Whether fewer owners will remain, of which fewer may lack a write (one of three may, none of two). Then
    the leaving owners get no more reads or writes, and the others fetch what they lack.
    """
    others: tuple[str, ...] = ()
    """While the owners change, those of the other side: the new ones while they fetch, the old ones while
    reads move; without those that lost their data, and while it shrinks those that leave.
    """
    other_replicas: int = 0
    """How many of these there are, including those left out. 0: the owners don't change."""
    is_handover: bool = False
    """Whether reads have moved, so that `others` are the old owners."""

    @property
    def write_set(self) -> tuple[str, ...]:
        """The nodes that get writes."""
        return self.natural + self.pending if self.pending else self.natural

    @property
    def streaming(self) -> tuple[str, ...]:
        """The nodes that fetch while a topology streams."""
        return self.write_set if self.shrinks else self.pending

    def sides(self, level: Level) -> tuple[Side, ...]:
        """The sides that must hold a write at a level; none: needed(level, replicas) of `natural` must."""
        if not self.other_replicas:
            return ()
        need = needed(level, self.other_replicas)
        if self.is_handover:
            meets = len(self.others) + 1 - majority(self.other_replicas)  # each majority of the old owners
            need = len(self.others) if level is Level.ALL else max(0, min(need, meets))
        return Side(self.natural, needed(level, self.replicas)), Side(self.others, need)

    def sides_to_settle(self) -> tuple[Side, ...]:
        """The sides that settle what a node fetches. Of the old owners they need as many as the node needs
        for sources, and no more: the rest may be gone, and a change that waited for a majority of them would
        never finish. Of two owners, a single remaining one is a source, but no majority.

        Let S be so many of the old owners and a majority of the new ones. It is safe:

        1. S meets each majority of the old owners. Those of earlier epochs: it finds what was acknowledged,
           and a ballot that was promised then goes no further once S has promised a higher one. Those that
           reads ask while it streams, and those that decide again if the change is cancelled.
        2. S meets each joint quorum of this epoch, each other S, and each quorum from the handover on, in a
           new owner. Two S may have no old owner in common.

        Where fewer than the sources needed have their data, S has all of these: what none of them has is lost
        to streaming as well.
        """
        sides = self.sides(Level.QUORUM)
        if not sides or self.is_handover:
            return sides
        return Side(self.natural, self.sources_needed), sides[1]

    def lacking(self, level: Level, given: Collection[str]) -> int:
        """How many replicas at least a write lacks for a level, if those given have it; at most 0: none."""
        return lacking(self.sides(level) or (Side(self.natural, needed(level, self.replicas)),), given)

    @property
    def sources_needed(self) -> int:
        """How many of `natural` to fetch from, so that at least one of them has every write that a majority
        ever acknowledged; all remaining ones, if too many have lost their data.
        """
        return min(spare(self.replicas) + 1, len(self.natural))


class Layout:
    """The owners of every token under one topology. A range's owners are computed when first needed, and
    kept.

    The replicas of a token are the first `replication_factor` distinct nodes clockwise, distinct zones
    first; nodes without a zone count as each in its own.

    alone: the node that is the only owner of every token, so that nobody has to look up a key's owners.
    everywhere: the owners of every token where all nodes own all, for the same reason; each token has them in
    an order of its own. None: tokens have different owners, or those change.
    """

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self._old = _Owning(topology.old_owners, topology.replication_factor)
        self._new = _Owning(topology.new_owners, topology.replication_factor)
        self._lasts = sorted({*self._old.ring.points, *self._new.ring.points})
        self._owners: list[Owners | None] = [None] * len(self._lasts)
        self._same: dict[Owners, Owners] = {}
        nodes = self._old.ring.nodes
        self.alone: str | None = nodes[0] if topology.phase is Phase.STEADY and len(nodes) == 1 else None
        own_all = topology.phase is Phase.STEADY and 0 < len(nodes) <= topology.replication_factor
        self.everywhere: Owners | None = self._at(0) if own_all else None

    @property
    def ring(self) -> Ring:
        """The ring that reads follow."""
        return (self._new if self.topology.phase is Phase.HANDOVER else self._old).ring

    def of_key(self, key: str) -> Owners:
        """The owners of a key. NotMemberError: the node belongs to no cluster yet."""
        return self.of(token_of(key))

    def of(self, token: int) -> Owners:
        """The owners of a token. NotMemberError: the node belongs to no cluster yet."""
        if not self._lasts:
            raise NotMemberError("the node belongs to no cluster yet", "")
        return self._at(bisect_left(self._lasts, token) % len(self._lasts))

    def by_write_set(self, tokens: Iterable[int], count: int) -> Sequence[tuple[Owners, Sequence[int]]]:
        """The places of tokens, grouped by owners that are equal except for the order in which reads ask
        them. NotMemberError: as `of`. count: how many tokens there are; they are looked at only where it
        matters.
        """
        if self.everywhere is not None:
            return ((self._unordered(self.everywhere), range(count)),)
        found: dict[Owners, list[int]] = {}
        for place, token in enumerate(tokens):
            found.setdefault(self._unordered(self.of(token)), []).append(place)
        return [*found.items()]

    def _unordered(self, owners: Owners) -> Owners:
        """One of all owners that differ in their order only."""
        same = self._same.get(owners)
        if same is None:
            natural, pending, others = (
                tuple(sorted(o)) for o in (owners.natural, owners.pending, owners.others)
            )
            same = self._same[owners] = owners._replace(natural=natural, pending=pending, others=others)
        return same

    def segments(self) -> Iterator[tuple[Span, Owners]]:
        """All tokens once, in order, cut wherever the owners change."""
        pending: tuple[Span, Owners] | None = None
        for span, owners in self._pieces():
            if pending and pending[1] == owners:
                pending = (Span(pending[0].first, span.last), owners)
                continue
            if pending:
                yield pending
            pending = (span, owners)
        if pending:
            yield pending

    def spans(self, url: str) -> list[Span]:
        """The ranges of which a node is an owner of any kind."""
        return coalesce(span for span, owners in self._pieces() if url in owners.write_set)

    def ranges_to_stream(self, url: str) -> list[tuple[Span, Owners]]:
        """The ranges that a node has to fetch in this epoch, with their owners; none unless it streams."""
        if self.topology.phase is not Phase.STREAMING:
            return []
        return [(span, owners) for span, owners in self.segments() if url in owners.streaming]

    def share(self, url: str) -> float:
        """The share of all tokens for which reads ask a node, 0 to 1."""
        return sum(s.size for s, o in self._pieces() if url in o.natural) / TOKENS

    def shared(self, one: str, other: str) -> list[Span]:
        """The ranges for which reads ask both nodes."""
        return coalesce(s for s, o in self._pieces() if one in o.natural and other in o.natural)

    def _pieces(self) -> Iterator[tuple[Span, Owners]]:
        first = 0
        for i, last in enumerate(self._lasts):
            yield Span(first, last), self._at(i)
            first = last + 1
        if self._lasts and first < TOKENS:
            yield Span(first, TOKENS - 1), self._at(0)

    def _at(self, i: int) -> Owners:
        owners = self._owners[i]
        if owners is None:
            owners = self._owners[i] = self._find(self._lasts[i])
        return owners

    def _find(self, token: int) -> Owners:
        old = self._old.replicas(token)
        if self.topology.phase is Phase.STEADY:
            return Owners(tuple(m.url for m in old), (), len(old))
        new = self._new.replicas(token)
        if old == new:
            return Owners(tuple(m.url for m in old), (), len(old))
        replicas, others = len(old), len(new)
        if shrinks := _shrinks(old, new):
            old = [m for m in old if m in new]
        if is_handover := self.topology.phase is Phase.HANDOVER:
            replicas, others, shrinks = others, replicas, False
            old, new = new, old
        ids = {m.node_id for m in old}
        return Owners(
            tuple(m.url for m in old if not self._is_lost(m)),
            tuple(m.url for m in new if m.node_id not in ids and not self._is_lost(m)),
            replicas,
            shrinks,
            tuple(m.url for m in new if not self._is_lost(m)),
            others,
            is_handover,
        )

    def _is_lost(self, member: Member) -> bool:
        """Whether another node has taken the member's URL, so that nothing of the member is left."""
        return self.topology.at(member.url) is not member


def _shrinks(old: Sequence[Member], new: Sequence[Member]) -> bool:
    """Whether fewer of the new owners may lack a write than of the old ones, of which a majority stays."""
    kept = sum(m in new for m in old)
    return spare(len(new)) < spare(len(old)) and kept >= majority(len(old))


class _Owning:
    """Members that own a ring together."""

    def __init__(self, members: Iterable[Member], replication_factor: int) -> None:
        self._members = {m.url: m for m in members}
        self._replication_factor = replication_factor
        self.ring = Ring({url: m.virtual_nodes for url, m in self._members.items()})

    def replicas(self, token: int) -> list[Member]:
        """The replicas of a token, in order."""
        chosen: list[Member] = []
        passed: list[Member] = []
        zones: set[str] = set()
        for url in self.ring.preference_list(token):
            member = self._members[url]
            (passed if member.zone and member.zone in zones else chosen).append(member)
            zones.add(member.zone)
            if len(chosen) == self._replication_factor:
                return chosen
        return (chosen + passed)[: self._replication_factor]


def coalesce(spans: Iterable[Span]) -> list[Span]:
    """Spans in order, with neighbours joined. They must come in order and not overlap."""
    result: list[Span] = []
    for span in spans:
        if result and result[-1].last + 1 == span.first:
            result[-1] = Span(result[-1].first, span.last)
        else:
            result.append(span)
    return result


def subtract(spans: Iterable[Span], taken: Iterable[Span]) -> list[Span]:
    """Spans without the parts that others cover; both in order and free of overlaps."""
    result: list[Span] = []
    gaps = list(taken)
    for span in spans:
        first = span.first
        for gap in gaps:
            if gap.last < first or gap.first > span.last:
                continue
            if gap.first > first:
                result.append(Span(first, gap.first - 1))
            first = gap.last + 1
        if first <= span.last:
            result.append(Span(first, span.last))
    return result


EVERYTHING = Span(0, TOKENS - 1)
"""All tokens."""
