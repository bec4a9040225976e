"""What a node reports of the cluster to people, as values.

It owns the figures and their formulas. It must never ask a clock or a peer: callers pass in the facts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from limedb.core.damage import Damage
from limedb.core.detector import Status
from limedb.core.membership import NodeState
from limedb.core.topology import Phase

Health = Literal["healthy", "degraded", "critical"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a node is with its part of a change. epoch, cluster_id: the change's. spans, spans_done: ranges
    to fetch and fetched; keys: records fetched; keys_per_second: over the last seconds. waiting_for: the
    reason why it waits, in words; empty while it runs. is_done: nothing is left to fetch. dead: for how many
    seconds it has taken members to be dead, by URL.
    """

    epoch: int
    spans: int = 0
    spans_done: int = 0
    keys: int = 0
    keys_per_second: float = 0.0
    waiting_for: str = ""
    is_done: bool = True
    dead: Mapping[str, float] = field(default_factory=dict)
    cluster_id: str = ""


@dataclass(frozen=True, slots=True)
class PeerReport:
    """One peer. state: its last report of itself. lag: seconds since a new heartbeat of it arrived, or since
    it became known. status: the state that it is taken to be in.
    """

    state: NodeState
    lag: float
    status: Status


@dataclass(frozen=True, slots=True)
class GossipReport:
    """What a node has heard of the others. own: its own state. peers: the others, by URL. members: URLs of
    the topology's members; only they count for the cluster's health; empty: there are none, and all nodes
    count.
    """

    own: NodeState
    peers: tuple[PeerReport, ...]
    members: frozenset[str] = frozenset()

    @property
    def counted(self) -> tuple[PeerReport, ...]:
        """The peers that count for the cluster's health."""
        return tuple(p for p in self.peers if not self.members or p.state.url in self.members)

    def count(self, status: Status) -> int:
        """How many peers have that status."""
        return sum(peer.status is status for peer in self.peers)

    @property
    def cluster_health(self) -> Health:
        """healthy: no peer is stale or dead; critical: half of the nodes or more are dead; else degraded."""
        statuses = [peer.status for peer in self.counted]
        if statuses.count(Status.ACTIVE) == len(statuses):
            return "healthy"
        return "critical" if 2 * statuses.count(Status.DEAD) >= len(statuses) + 1 else "degraded"

    @property
    def convergence_rate(self) -> float:
        """The share of peers that are active, 0 to 1; 1 if there are no peers."""
        counted = self.counted
        return sum(peer.status is Status.ACTIVE for peer in counted) / len(counted) if counted else 1.0

    @property
    def average_lag(self) -> float:
        """The mean of the peers' lags, in seconds; 0 if there are no peers."""
        return sum(peer.lag for peer in self.peers) / len(self.peers) if self.peers else 0.0

    @property
    def max_lag(self) -> float:
        """The largest of the peers' lags, in seconds; 0 if there are no peers."""
        return max((peer.lag for peer in self.peers), default=0.0)


@dataclass(frozen=True, slots=True)
class StateReport:
    """The cluster in short. own: the state of the reporting node. peers: URLs of the others, sorted.
    total_nodes, active_nodes: itself included.
    """

    own: NodeState
    peers: tuple[str, ...]
    total_nodes: int
    active_nodes: int


@dataclass(frozen=True, slots=True)
class Move:
    """What a change means for one node: the share of all tokens for which reads ask it, 0 to 1."""

    node_url: str
    share_before: float
    share_after: float


@dataclass(frozen=True, slots=True)
class ChangePlan:
    """The effect of a change, done or planned. what: in words. epoch: of the topology in which it begins; 0:
    it was only planned. moves: all nodes, by URL. streamed: the share of all tokens that new owners fetch,
    each replica counted (0.6: a node fetches 60 % of the keys, or two fetch 30 % each).
    """

    what: str
    epoch: int
    moves: tuple[Move, ...]
    streamed: float


@dataclass(frozen=True, slots=True)
class ChangeStatus:
    """A change that runs. what: in words. progress: of each new owner that answered, by URL."""

    what: str
    epoch: int
    phase: Phase
    progress: Mapping[str, Progress]


@dataclass(slots=True)
class RepairStats:
    """What repair has done since the start. passes: whole ones; compared, differing: leaves, of about a
    hundred keys; pulled, pushed, purged, dropped: records; skipped: comparisons that failed, or whose node
    was away.
    """

    passes: int = 0
    compared: int = 0
    differing: int = 0
    pulled: int = 0
    pushed: int = 0
    purged: int = 0
    dropped: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class RepairProgress:
    """How far a repair on demand is. spans, spans_done: ranges; pulled, pushed: records copied to this node
    and to others. missing: nodes that could not be compared, and why.
    """

    spans: int = 0
    spans_done: int = 0
    pulled: int = 0
    pushed: int = 0
    missing: dict[str, str] = field(default_factory=dict)


class RotFigures(NamedTuple):
    """damage; scrubbed_at_ms: when everything was last checked, ms since 1970, 0: never."""

    damage: Damage
    scrubbed_at_ms: int


@dataclass(frozen=True, slots=True)
class ScrubProgress:
    """How far a scrub on demand is. records, size: records and bytes read, of about `total` bytes. damaged:
    records found damaged since it began; mended: records mended; index: index entries mended; waiting:
    records that are damaged now; lost: those of them that no replica has.
    """

    records: int = 0
    size: int = 0
    total: int = 0
    damaged: int = 0
    mended: int = 0
    index: int = 0
    waiting: int = 0
    lost: int = 0
