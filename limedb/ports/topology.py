"""The calls by which nodes agree and gossip, and the state of these that a node must not forget.

It owns the interface between the nodes of a cluster. It must never contain code that does anything.

Tested in tests/cluster/topology/test_verifier.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from limedb.core.layout import Span
from limedb.core.membership import Ack, Digest, NodeState
from limedb.core.paxos import Acceptor, Ballot
from limedb.core.report import Progress
from limedb.core.topology import Topology


@dataclass(frozen=True, slots=True)
class Saved:
    """The state that a node must not forget, besides its data."""

    node_id: str
    """Its UUID."""
    topology: Topology = Topology()  # noqa: RUF009 (frozen)
    """The newest known one; epoch 0: it is fresh."""
    acceptor: Acceptor[Topology] = Acceptor()  # noqa: RUF009 (frozen)
    """Its Paxos state for the next epoch."""
    fetched_epoch: int = 0
    """The epoch in which it has fetched the spans of `fetched`."""
    fetched: tuple[Span, ...] = ()
    """Spans that it has fetched completely as a gaining node."""
    cleaned_epoch: int = 0
    """The epoch up to which it has dropped records that it doesn't own."""
    has_left: bool = False
    """Whether it was decommissioned, and must not come back by itself."""
    recent: tuple[Topology, ...] = ()
    """Earlier epochs, the oldest first, as far as they are kept for nodes that missed them."""
    rejoins: str = ""
    """The id of the only cluster that it may join or found, since its data there was damaged and set
    aside; empty: any.
    """
    founded_ms: int = 0
    """When its cluster was founded, by its clock: milliseconds since 1970. 0: the node wasn't there."""


MAX_RECENT = 8
"""Epochs that a node keeps for nodes that missed them: two changes, and the epochs between them."""


@dataclass(frozen=True, slots=True)
class Account:
    """A node's report of its cluster's epochs."""

    since: tuple[Topology, ...]
    """The topologies after the requested epoch, as far as it keeps them, the newest (which is always
    included) last.
    """
    acceptor: Acceptor[Topology] = Acceptor()  # noqa: RUF009 (frozen)
    """Its votes for the next one."""

    @property
    def newest(self) -> Topology:
        """The newest topology that the node knows."""
        return self.since[-1]

    def at(self, epoch: int) -> Topology | None:
        """The topology reported for that epoch; None: there is none."""
        return next((topology for topology in self.since if topology.epoch == epoch), None)


class NodeFile(Protocol):
    """Keeps the state that a node must not forget."""

    def load(self) -> Saved | None:
        """The saved state; None: nothing was saved yet. StoreCorruptError: it is damaged."""

    async def save(self, saved: Saved) -> None:
        """Save the state; on return it is as durable as data. StoreError. Calls take effect in order."""


class TopologyTransport(Protocol):
    """The calls by which nodes agree, by URL. Each raises UnavailableError, RequestTimeoutError and
    RemoteError. timeout: as in GossipTransport.
    """

    async def prepare(
        self, node_url: str, before: Topology, ballot: Ballot, timeout: float
    ) -> "Acceptor[Topology] | Topology":
        """Ask for a promise for the epoch after `before`. Returns the acceptor's state, or the newer topology
        that it knows.
        """

    async def accept(
        self, node_url: str, before: Topology, ballot: Ballot, after: Topology, timeout: float
    ) -> "Acceptor[Topology] | Topology":
        """Ask to accept `after`. Returns the acceptor's state, or the newer topology that it knows."""

    async def pledge(self, node_url: str, founder: str, timeout: float) -> str:
        """Ask a fresh node to let `founder` (a node URL) found its future cluster. Returns the founder that
        it is pledged to now, or "" if it isn't fresh.
        """

    async def learn(self, node_url: str, topology: Topology, timeout: float) -> Topology:
        """Send a decided topology. The node answers with the newest one that it knows, once that is on its
        disk and no write made under an older one runs there any longer.
        """

    async def account(self, node_url: str, after: int, timeout: float) -> Account:
        """The node's account of the epochs after that one. A node of an older version reports only the
        newest.
        """

    async def progress(self, node_url: str, timeout: float) -> Progress:
        """The progress of the node's part of the running change."""


class GossipTransport(Protocol):
    """Gossip's messages to a peer, by its URL. timeout: seconds that the peer may take for its answer; the
    way there and back is added, as far as the transport knows it.
    """

    async def syn(self, node_url: str, digests: Sequence[Digest], timeout: float) -> Ack:
        """Send a SYN, return the ACK. UnavailableError, RequestTimeoutError."""

    async def dial(self, node_url: str, address: str, digests: Sequence[Digest], timeout: float) -> Ack:
        """Send a SYN to host:port, where that node may or may not be, over a connection that is closed
        afterwards. UnavailableError, RequestTimeoutError.
        """

    async def ack2(self, node_url: str, updates: Sequence[NodeState], timeout: float) -> None:
        """Send the closing ACK2. UnavailableError, RequestTimeoutError."""
