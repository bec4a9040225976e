"""The own node as a peer like any other: it asks itself by the same call as all others.

It owns the choice between the own node and the wire, so that nobody else has to know which is which. It must
never answer anything itself.
"""

from typing import Protocol

from limedb.core.paxos import Acceptor, Ballot
from limedb.core.report import Progress
from limedb.core.topology import Topology
from limedb.ports import Account, TopologyTransport


class TopologyKeeper(Protocol):
    """A node's own part in agreements: its knowledge, and its acceptor. Peers ask it by a
    TopologyTransport.
    """

    def account(self, after: int) -> Account:
        """Its account of the epochs after that one."""

    async def prepare(self, before: Topology, ballot: Ballot) -> Acceptor[Topology] | Topology:
        """Promise a ballot for the epoch after `before`; return the newer topology if it knows one."""

    async def accept(
        self, before: Topology, ballot: Ballot, after: Topology
    ) -> Acceptor[Topology] | Topology:
        """Accept `after`; return the newer topology if it knows one."""

    async def pledge(self, founder: str) -> str:
        """The node that it lets found its cluster; "" if it isn't fresh."""

    async def learn(self, topology: Topology) -> Topology:
        """Take a decided topology; return the newest that it knows, once no older write runs here."""

    def progress(self) -> Progress:
        """The progress of its part of the running change."""


class Loopback:
    """`ports.TopologyTransport` to the own node. There is no network in between, so it needs no timeout."""

    def __init__(self, own: TopologyKeeper) -> None:
        self._own = own

    async def prepare(
        self, node_url: str, before: Topology, ballot: Ballot, timeout: float
    ) -> Acceptor[Topology] | Topology:
        """See ports.TopologyTransport."""
        return await self._own.prepare(before, ballot)

    async def accept(
        self, node_url: str, before: Topology, ballot: Ballot, after: Topology, timeout: float
    ) -> Acceptor[Topology] | Topology:
        """See ports.TopologyTransport."""
        return await self._own.accept(before, ballot, after)

    async def pledge(self, node_url: str, founder: str, timeout: float) -> str:
        """See ports.TopologyTransport."""
        return await self._own.pledge(founder)

    async def learn(self, node_url: str, topology: Topology, timeout: float) -> Topology:
        """See ports.TopologyTransport."""
        return await self._own.learn(topology)

    async def account(self, node_url: str, after: int, timeout: float) -> Account:
        """See ports.TopologyTransport."""
        return self._own.account(after)

    async def progress(self, node_url: str, timeout: float) -> Progress:
        """See ports.TopologyTransport."""
        return self._own.progress()


class AllNodes:
    """`ports.TopologyTransport` to every node, this one included. transport: reaches the others."""

    def __init__(self, own_url: str, own: TopologyKeeper, transport: TopologyTransport) -> None:
        self._own_url, self._own, self._transport = own_url, Loopback(own), transport

    def _to(self, node_url: str) -> TopologyTransport:
        return self._own if node_url == self._own_url else self._transport

    async def prepare(
        self, node_url: str, before: Topology, ballot: Ballot, timeout: float
    ) -> Acceptor[Topology] | Topology:
        """See ports.TopologyTransport."""
        return await self._to(node_url).prepare(node_url, before, ballot, timeout)

    async def accept(
        self, node_url: str, before: Topology, ballot: Ballot, after: Topology, timeout: float
    ) -> Acceptor[Topology] | Topology:
        """See ports.TopologyTransport."""
        return await self._to(node_url).accept(node_url, before, ballot, after, timeout)

    async def pledge(self, node_url: str, founder: str, timeout: float) -> str:
        """See ports.TopologyTransport."""
        return await self._to(node_url).pledge(node_url, founder, timeout)

    async def learn(self, node_url: str, topology: Topology, timeout: float) -> Topology:
        """See ports.TopologyTransport."""
        return await self._to(node_url).learn(node_url, topology, timeout)

    async def account(self, node_url: str, after: int, timeout: float) -> Account:
        """See ports.TopologyTransport."""
        return await self._to(node_url).account(node_url, after, timeout)

    async def progress(self, node_url: str, timeout: float) -> Progress:
        """See ports.TopologyTransport."""
        return await self._to(node_url).progress(node_url, timeout)
