"""Values of a cluster for people at a console.

It owns their shapes. It must never know of messages, calls or screens.

Tested in tests/tui/test_values.py and tests/tui/test_tables.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from limedb.core.conditions import condition, is_known
from limedb.core.membership import NodeLoad


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A node as another sees it. standing: empty if it is not a member. status: active, stale, dead, or empty
    if the other never heard of it. share: of all keys it holds a replica of; the shares of all members add up
    to the number of replicas. reachable: whether the other can reach it. lag: seconds since a heartbeat.
    generation: when its process started, in ms since 1970. hints: bytes that wait for its return.
    clock_offset: ms by which its clock is ahead. load: None if unknown. address: its host:port.
    """

    url: str
    standing: str = "normal"
    status: str = "active"
    zone: str = ""
    share: float = 0.0
    reachable: bool = True
    keys: int = 0
    lag: float = 0.0
    generation: int = 0
    heartbeat: int = 0
    hints: int = 0
    virtual_nodes: int = 0
    clock_offset: int | None = None
    load: NodeLoad | None = None
    address: str = ""

    @property
    def condition(self) -> str:
        """active, stale, unreachable, dead or unknown."""
        return condition(self.status, self.reachable)

    @property
    def is_known(self) -> bool:
        """Whether its last figures are those of now."""
        return is_known(self.status, self.reachable)


@dataclass(frozen=True, slots=True)
class ChangeSample:
    """A change of the topology under way. done of spans: ranges fetched; rate: keys a second."""

    what: str
    phase: str
    spans: int = 0
    done: int = 0
    keys: int = 0
    rate: float = 0.0


@dataclass(frozen=True, slots=True)
class Sample:
    """The cluster at one moment, as the node at node_url sees it. address: host:port that sent it.

    status: starting, active or draining; problem: why it takes no requests. epoch: 0 while there is no
    cluster. phase: steady, streaming or handover. change: None if none is under way.
    """

    address: str
    node_url: str
    nodes: tuple[NodeRow, ...]
    cluster_id: str = ""
    epoch: int = 0
    phase: str = "steady"
    replicas: int = 0
    status: str = "active"
    problem: str = ""
    change: ChangeSample | None = None

    @property
    def members(self) -> tuple[NodeRow, ...]:
        """The nodes that are members."""
        return tuple(node for node in self.nodes if node.standing)

    @property
    def by_url(self) -> Mapping[str, NodeRow]:
        """The nodes by URL."""
        return MappingProxyType({node.url: node for node in self.nodes})


@dataclass(frozen=True, slots=True)
class Lost:
    """The node at an address (host:port) fell silent or could not be reached; the follower tries others."""

    address: str
    reason: str


@dataclass(frozen=True, slots=True)
class PeerGossip:
    """A node's view of a peer by gossip. lag: seconds since a new heartbeat."""

    url: str
    status: str
    heartbeat: int
    lag: float


@dataclass(frozen=True, slots=True)
class Gossip:
    """The view of the node at node_url of the others by gossip. health: healthy, degraded or critical. Lags
    are seconds.
    """

    node_url: str
    health: str
    heartbeat: int
    average_lag: float
    max_lag: float
    peers: tuple[PeerGossip, ...]


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key that has a value, of `size` bytes. expires_at: ms since 1970, 0: never. version: 0: unknown."""

    key: str
    size: int
    version: int = 0
    expires_at: int = 0


@dataclass(frozen=True, slots=True)
class KeyPage:
    """Some keys in order. after: the cursor after them; None: they are the last."""

    entries: tuple[KeyRow, ...]
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Owner:
    """What an owner of a key holds. role: current, or extra while a change is under way. version: 0 for no
    record. error: why it did not answer.
    """

    url: str
    role: str
    version: int = 0
    is_tombstone: bool = False
    expires_at: int = 0
    error: str = ""
