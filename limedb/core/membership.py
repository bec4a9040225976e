"""A node's knowledge of the others, and the gossip that spreads it.

It owns the states of the known nodes and the three messages of an exchange: SYN (digests), ACK (states that
the other lacks, digests of those wanted) and ACK2 (the wanted states). It must never judge which nodes are
alive (`core/detector.py`), nor check URLs: its input is valid (`rpc/` refuses the rest).

Source: van Renesse et al. 2008, "Efficient Reconciliation and Flow Control for Anti-Entropy Protocols"; the
three messages and the generation are those of Cassandra's gossip.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from limedb.core.request_rates import RequestRates

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
class NodeLoad(RequestRates):
    """The load and health figures of a node."""

    disk_bytes: int = 0
    """The size of its data."""
    memory_bytes: int = 0
    """The resident memory of its process."""
    cpu_percent: float = 0.0
    """Of one core, over the last second."""


@dataclass(frozen=True, slots=True)
class NodeState:
    """What a node reports of itself."""

    url: str
    """Its name."""
    generation: int = 0
    """The start of its process, ms since 1970; 0: only its name is known."""
    heartbeat: int = 0
    """Its own gossip rounds since then."""
    address: str = ""
    """The host:port that peers and clients dial."""
    zone: str = ""
    """Its setting; empty if unknown."""
    version: str = ""
    """The LimeDB version that it runs; empty if unknown."""
    keys: int = 0
    """How many keys it held."""
    node_id: str = ""
    """Its UUID; empty if unknown."""
    cluster_id: str = ""
    """The cluster of the topology that it knows; empty while it is fresh."""
    epoch: int = 0
    """The epoch of that topology; 0 while it is fresh."""
    virtual_nodes: int = 0
    """How many points it wants."""
    has_data: bool = False
    """Whether its store ever took a write."""
    has_left: bool = False
    """Whether it was decommissioned, and won't join."""
    replication_factor: int = 0
    """Its setting; a cluster with another one doesn't let it in."""
    load: NodeLoad | None = None
    """Its figures; None if it doesn't report them."""
    rejoins: str = ""
    """The one cluster that it joins, since its data there was set aside; empty: any."""

    def may_join(self, cluster_id: str) -> bool:
        """Whether the node agrees to join a cluster."""
        return self.rejoins in ("", cluster_id)


@dataclass(frozen=True, slots=True)
class Ack:
    """The answer to a SYN."""

    updates: tuple[NodeState, ...]
    """States that the sender of the SYN lacks."""
    requests: tuple[Digest, ...]
    """Digests of the states that the answering node wants."""
    now_ms: int = 0
    """The answering node's wall clock, ms since 1970; 0 if it isn't given."""
    time_ms: int = 0
    """The cluster's time there (`core/slewed_time.py`), ms since 1970; 0 if it isn't given."""
    name: str = ""
    """The answering node's URL; empty if it isn't given."""


@dataclass(frozen=True, slots=True)
class GossipDelta:
    """The news that gossip brought."""

    joined: frozenset[str]
    """URLs that were unknown before."""
    advanced: frozenset[str]
    """URLs with a newer heartbeat."""


class Membership:
    """The states of all nodes that gossip knows, this one included.

    own: the state of this node, its generation the start of the process. Merging keeps the newer of two
    states, so exchanges may be lost, repeated and reordered. Only a node itself writes its own state: a peer
    that reports a newer one has it from a time when the clock was ahead (or from another process with the
    same URL). So the node raises its own generation above the reported one, and thus replaces the peer's
    memory.
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
        """The known state of a node; None: not even its name is known."""
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
        """Take a state that the node itself sent, whatever others have reported about it."""
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
        """The changes since the last call."""
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
