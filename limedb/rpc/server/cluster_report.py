"""The cluster as a node sees it: gossip and topology side by side, as messages.

It owns the join of the two. It must never change anything.

Tested in tests/rpc/server/test_cluster.py.
"""

import asyncio

from limedb.core.detector import Status
from limedb.core.layout import Layout
from limedb.core.report import ChangeStatus, GossipReport, PeerReport
from limedb.core.ring import TOKENS
from limedb.core.topology import Phase, Topology
from limedb.errors import LimeDBError
from limedb.rpc.server.report_sources import ClusterSources
from limedb.wire import cluster as convert
from limedbpb.v1 import cluster_pb2

CHANGE_SECONDS = 2.0
"""How long a report waits for the progress of a change, for which it asks other nodes."""


class ClusterReport:
    """Reports on all nodes. The shares of a layout are computed once, and kept while it is current."""

    def __init__(self, sources: ClusterSources) -> None:
        self._sources = sources
        self._shares: tuple[Layout, dict[str, float]] | None = None

    @property
    def topology(self) -> Topology:
        """The newest known topology."""
        return self._sources.placement.layout.topology

    async def members(self) -> list[cluster_pb2.ClusterNode]:
        """The nodes of the topology, by URL."""
        nodes = await self.nodes()
        urls = {member.url for member in self.topology.members}
        return [node for node in nodes if node.url in urls]

    async def nodes(self) -> list[cluster_pb2.ClusterNode]:
        """All nodes that gossip or the topology knows, by URL."""
        shares = await self._share_by_url()
        topology, peers, sources = self.topology, self.peers(), self._sources
        offsets, hints = sources.clock_offsets(), sources.hints()
        return [
            convert.node(
                peers.get(url),
                topology.at(url),
                share=shares.get(url, 0.0),
                hint_bytes=hints.get(url, 0),
                clock_offset_ms=offsets.get(url),
                reachable=sources.replicas.is_reachable(url),
                load=sources.load() if url == sources.view.own_url else None,
            )
            for url in sorted({*peers, *(member.url for member in topology.members)})
        ]

    def peers(self) -> dict[str, PeerReport]:
        """The gossip report of each node, including this one, by URL."""
        report: GossipReport = self._sources.view.gossip_report()
        own = PeerReport(report.own, 0.0, Status.ACTIVE)
        return {peer.state.url: peer for peer in (*report.peers, own)}

    def active_members(self) -> int:
        """How many members are taken to be alive, by gossip and by links."""
        peers, reachable = self.peers(), self._sources.replicas.is_reachable
        heard = (m.url for m in self.topology.members if m.url in peers)
        return sum(peers[url].status is Status.ACTIVE and reachable(url) for url in heard)

    async def change(self) -> ChangeStatus | None:
        """The running change, without the progress of nodes that don't answer in time."""
        topology = self.topology
        if topology.phase is Phase.STEADY:
            return None
        try:
            async with asyncio.timeout(CHANGE_SECONDS):
                return await self._sources.change()
        except (LimeDBError, TimeoutError):
            what = ", ".join(f"{m.url} is {m.standing}" for m in topology.changing)
            return ChangeStatus(what, topology.epoch, topology.phase, {})

    def mark(self) -> object:
        """A value that differs after each change that watchers should see at once."""
        topology, sources = self.topology, self._sources
        statuses = tuple(
            (peer.state.url, peer.state.address, peer.status, sources.replicas.is_reachable(peer.state.url))
            for peer in sources.view.gossip_report().peers
        )
        return topology.fence, sources.phase(), bool(sources.problem()), statuses

    async def _share_by_url(self) -> dict[str, float]:
        layout = self._sources.placement.layout
        if self._shares is None or self._shares[0] is not layout:
            found = await self._sources.compute(lambda: _shares_of(layout))
            self._shares = (layout, found)
            return found
        return self._shares[1]


def _shares_of(layout: Layout) -> dict[str, float]:
    shares: dict[str, float] = {}
    for span, owners in layout.segments():
        for url in owners.natural:
            shares[url] = shares.get(url, 0.0) + span.size / TOKENS
    return shares
