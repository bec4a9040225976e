"""What a node has heard of the others, and the gossip that spreads it.

It owns the states of the known nodes and the three messages of an exchange: SYN (digests), ACK (states that
the other lacks, digests of those wanted) and ACK2 (the wanted states). It must never judge which nodes are
alive (`core/detector.py`), nor check URLs: its input is valid (`rpc/` refuses the rest).

Source: van Renesse et al. 2008, "Efficient Reconciliation and Flow Control for Anti-Entropy Protocols"; the
three messages and the generation are those of Cassandra's gossip.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

MAX_GENERATION = (1 << 64) - 1
MAX_HEARTBEAT = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class Digest:
    """How new the knowledge of a node is. States of a node are ordered by (generation, heartbeat).

    A heartbeat without a generation (0) comes from a node that knows no generations, such as the Go LimeDB:
    it stands for the generation that the reader knows.
    """

    url: str
    generation: int
    heartbeat: int


@dataclass(frozen=True, slots=True)
class NodeLoad:
    """The load and health figures of a node.

    disk_bytes: of its data; memory_bytes: resident; cpu_percent: of one core, over the last second. Rates
    (per second), the mean latency (ms) and the share of errors (0 to 1) are those of client requests over
    its last ten seconds.
    """

    disk_bytes: int
    memory_bytes: int
    cpu_percent: float
    requests_per_second: float
    gets_per_second: float
    sets_per_second: float
    dels_per_second: float
    average_latency_ms: float
    error_rate: float


@dataclass(frozen=True, slots=True)
class NodeState:
    """What a node reports of itself.

    url: its name. generation: start of its process, ms since 1970 (0: only its name is known). heartbeat: its
    own gossip rounds since then. address: host:port that peers and clients dial. zone, version: its setting
    and the version it runs, empty if unknown. keys: how many keys it held. node_id: its UUID, empty if
    unknown. cluster_id, epoch: the topology that it knows, empty and 0 while it is fresh. virtual_nodes:
    points it wants. has_data: whether its store ever took a write. has_left: it was decommissioned and won't
    join. replication_factor: its setting; a cluster with another one doesn't let it in. load: its figures,
    None if it doesn't report them. rejoins: the one cluster that it joins, since its data there was set
    aside; empty: any.
    """

    url: str
    generation: int = 0
    heartbeat: int = 0
    address: str = ""
    zone: str = ""
    version: str = ""
    keys: int = 0
    node_id: str = ""
    cluster_id: str = ""
    epoch: int = 0
    virtual_nodes: int = 0
    has_data: bool = False
    has_left: bool = False
    replication_factor: int = 0
    load: NodeLoad | None = None
    rejoins: str = ""

    def may_join(self, cluster_id: str) -> bool:
        """Whether the node agrees to join a cluster."""
        return self.rejoins in ("", cluster_id)


@dataclass(frozen=True, slots=True)
class Ack:
    """The answer to a SYN: states that its sender lacks, and digests of those that the receiver wants.

    now_ms: the sender's wall clock, 0 if it isn't given; time_ms: the cluster's time there
    (`core/slewed_time.py`), likewise. name: the sender's URL, empty if it isn't given.
    """

    updates: tuple[NodeState, ...]
    requests: tuple[Digest, ...]
    now_ms: int = 0
    time_ms: int = 0
    name: str = ""


@dataclass(frozen=True, slots=True)
class GossipDelta:
    """The news that gossip brought. joined: URLs that were unknown before. advanced: URLs with a newer
    heartbeat.
    """

    joined: frozenset[str]
    advanced: frozenset[str]


class Membership:
    """The states of all nodes that gossip knows, this one included.

    own: the state of this node, its generation the start of the process. Merging keeps the newer of two
    states, so exchanges may be lost, repeated and reordered. Only a node itself writes its own state: a peer
    that reports a newer one has it from a time when the clock was ahead (or from another process with the
    same URL). So the node raises its own generation above the reported one, and the peer's memory gives way.
    """

    __slots__ = ("_advanced", "_joined", "_own", "_states")

    def __init__(self, own: NodeState) -> None:
        self._own = own.url
        self._states = {own.url: own}
        self._joined: set[str] = set()
        self._advanced: set[str] = set()

    @property
    def own(self) -> NodeState:
        """The state of this node."""
        return self._states[self._own]

    @property
    def urls(self) -> tuple[str, ...]:
        """All known nodes, this one included, sorted."""
        return tuple(sorted(self._states))

    def __len__(self) -> int:
        """How many nodes are known, this one included."""
        return len(self._states)

    def state(self, url: str) -> NodeState | None:
        """What is known of a node; None: not even its name."""
        return self._states.get(url)

    def heartbeat(self, **changes: Any) -> None:  # noqa: ANN401 (the fields of NodeState)
        """Raise the own heartbeat. changes: fields of the own state to replace; all others stay."""
        own = self.own
        if own.heartbeat == MAX_HEARTBEAT:
            own = replace(own, generation=own.generation + 1, heartbeat=0)
        self._states[self._own] = replace(own, heartbeat=own.heartbeat + 1, **changes)

    def add(self, url: str) -> None:
        """Make a node known by its name; no effect if it is known."""
        if url not in self._states:
            self._states[url] = NodeState(url)
            self._joined.add(url)

    def digests(self) -> tuple[Digest, ...]:
        """The content of a SYN: how new the knowledge of each node is."""
        return tuple(_digest(state) for state in self._states.values())

    def on_syn(self, digests: Iterable[Digest]) -> Ack:
        """The answer to a SYN. Names that it brings are known from now on."""
        theirs = {digest.url: digest for digest in digests}
        for digest in theirs.values():
            self._refute(digest)
        updates = [s for s in self._states.values() if s.url not in theirs or _lacks(theirs[s.url], s)]
        requests = [_digest(self._states[d.url]) for d in theirs.values() if self._wants(d)]
        return Ack(tuple(updates), tuple(requests))

    def on_ack(self, ack: Ack) -> tuple[NodeState, ...]:
        """Merge an ACK, and return the states that it asks for, to be sent in the ACK2."""
        self.on_ack2(ack.updates)
        for digest in ack.requests:
            self._refute(digest)
        wanted = {digest.url: digest for digest in ack.requests}
        return tuple(self._states[d.url] for d in wanted.values() if _lacks(d, self._states[d.url]))

    def on_ack2(self, updates: Iterable[NodeState]) -> None:
        """Merge states."""
        for state in updates:
            self._refute(_digest(state))
            if state.url != self._own and _age(state) > _age(self._states[state.url]):
                self._states[state.url] = state
                self._advanced.add(state.url)

    def take(self, state: NodeState) -> None:
        """Take a state that the node itself sent, whatever others reported of it before."""
        before = self._states.get(state.url, NodeState(state.url))
        self.add(state.url)
        if _age(before) != _age(state):
            self._advanced.add(state.url)
        self._states[state.url] = state

    def forget(self, url: str) -> None:
        """Forget a node; this node itself is always known."""
        if url != self._own:
            self._states.pop(url, None)
            self._joined.discard(url)
            self._advanced.discard(url)

    def take_news(self) -> GossipDelta:
        """What has changed since the last call."""
        news = GossipDelta(frozenset(self._joined), frozenset(self._advanced))
        self._joined.clear()
        self._advanced.clear()
        return news

    def _refute(self, digest: Digest) -> None:
        """Make the named node known; defend the own state against a newer one."""
        self.add(digest.url)
        own = self.own
        if digest.url == own.url and _age(digest) > _age(own) and digest.generation < MAX_GENERATION:
            self._states[own.url] = replace(own, generation=digest.generation + 1)

    def _wants(self, digest: Digest) -> bool:
        state = self._states[digest.url]
        return digest.url != self._own and _known_age(digest, state) > _age(state)


def _digest(state: NodeState) -> Digest:
    return Digest(state.url, state.generation, state.heartbeat)


def _age(of: Digest | NodeState) -> tuple[int, int]:
    return (of.generation, of.heartbeat)


def _known_age(digest: Digest, state: NodeState) -> tuple[int, int]:
    """The age of a digest to a reader that knows the state: a heartbeat alone takes the state's
    generation.
    """
    if digest.generation == 0 and digest.heartbeat > 0:
        return (state.generation, digest.heartbeat)
    return (digest.generation, digest.heartbeat)


def _lacks(digest: Digest, state: NodeState) -> bool:
    """Whether a node with that digest lacks the state."""
    return _known_age(digest, state) < _age(state)
