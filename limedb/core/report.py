"""A node's report of the cluster to people, as values.

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
    """How far a node is with its part of a change."""

    epoch: int
    """The epoch of the change."""
    spans: int = 0
    """How many ranges it has to fetch."""
    spans_done: int = 0
    """How many of them it has fetched."""
    keys: int = 0
    """How many records it has fetched."""
    keys_per_second: float = 0.0
    """The rate over the last seconds."""
    waiting_for: str = ""
    """The reason why it waits, in words; empty while it runs."""
    is_done: bool = True
    """Whether nothing is left to fetch."""
    dead: Mapping[str, float] = field(default_factory=dict)
    """For how many seconds it has taken members to be dead, by URL."""
    cluster_id: str = ""
    """The cluster of the change."""


@dataclass(frozen=True, slots=True)
class PeerReport:
    """One peer."""

    state: NodeState
    """Its last report of itself."""
    lag: float
    """Seconds since a new heartbeat of it arrived, or since it became known."""
    status: Status
    """The state that it is taken to be in."""


@dataclass(frozen=True, slots=True)
class GossipReport:
    """A node's knowledge of the others."""

    own: NodeState
    """Its own state."""
    peers: tuple[PeerReport, ...]
    """The others, by URL."""
    members: frozenset[str] = frozenset()
    """URLs of the topology's members, which alone count for the cluster's health; empty: there are none, and
    all nodes count.
    """

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
        """The percentage of peers that are active, 0 to 100; 100 if there are no peers."""
        counted = self.counted
        active = sum(peer.status is Status.ACTIVE for peer in counted)
        return 100 * active / len(counted) if counted else 100.0

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
    """The cluster in short."""

    own: NodeState
    """The state of the reporting node."""
    peers: tuple[str, ...]
    """URLs of the others, sorted."""
    total_nodes: int
    """How many nodes are known, including this one."""
    active_nodes: int
    """How many of them are active."""


@dataclass(frozen=True, slots=True)
class Move:
    """The effect of a change on one node: the share of all tokens for which reads ask it, 0 to 1."""

    node_url: str
    share_before: float
    share_after: float


@dataclass(frozen=True, slots=True)
class ChangePlan:
    """The effect of a change, done or planned."""

    what: str
    """The change, in words."""
    epoch: int
    """The epoch of the topology in which it begins; 0: it was only planned."""
    moves: tuple[Move, ...]
    """The effects on all nodes, by URL."""
    streamed: float
    """The share of all tokens that new owners fetch, each replica counted (0.6: a node fetches 60 % of the
    keys, or two fetch 30 % each).
    """


@dataclass(frozen=True, slots=True)
class ChangeStatus:
    """A running change."""

    what: str
    """The change, in words."""
    epoch: int
    phase: Phase
    progress: Mapping[str, Progress]
    """That of each new owner that answered, by URL."""


@dataclass(slots=True)
class RepairStats:
    """The work of repair since the start."""

    passes: int = 0
    """How many times all ranges were compared."""
    compared: int = 0
    """Leaves of about a hundred keys."""
    differing: int = 0
    """Leaves that differed."""
    pulled: int = 0
    """Records taken from others."""
    pushed: int = 0
    """Records given to others."""
    purged: int = 0
    """Tombstones and expired values removed permanently."""
    dropped: int = 0
    """Records removed because the node no longer owns them."""
    skipped: int = 0
    """Comparisons that failed, or whose node was away."""


@dataclass(frozen=True, slots=True)
class RepairProgress:
    """How far a repair on demand is."""

    spans: int = 0
    """How many ranges there are."""
    spans_done: int = 0
    """How many of them were compared."""
    pulled: int = 0
    """Records copied to this node."""
    pushed: int = 0
    """Records copied to others."""
    missing: dict[str, str] = field(default_factory=dict)
    """Nodes that could not be compared, and why."""


class RotFigures(NamedTuple):
    """The damage, and the progress of the search for it."""

    damage: Damage
    scrubbed_at_ms: int
    """When everything was last checked, ms since 1970; 0: never."""


@dataclass(frozen=True, slots=True)
class ScrubProgress:
    """How far a scrub on demand is."""

    records: int = 0
    """Records checked."""
    size: int = 0
    """Bytes read."""
    total: int = 0
    """The approximate number of all bytes."""
    damaged: int = 0
    """Records found damaged since it began."""
    mended: int = 0
    """Records mended since it began."""
    index: int = 0
    """Index entries mended since it began."""
    waiting: int = 0
    """Records that are damaged now."""
    lost: int = 0
    """Those of them that no replica has."""
