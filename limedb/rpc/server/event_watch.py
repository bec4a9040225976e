"""Notes what happens in the cluster, as this node sees it.

It owns how often it looks. It must never change anything, nor ask another node.

Tested in tests/rpc/server/test_history.py.
"""

import asyncio
from collections.abc import Callable, Mapping

from limedb.core.cluster_events import ClusterFacts
from limedb.core.conditions import condition
from limedb.core.topology import Phase
from limedb.rpc.server.cluster_report import ClusterReport
from limedb.rpc.server.report_sources import ClusterSources

LOOK_SECONDS = 1.0


class EventWatch:
    """Looks at the sources, and notes in their log. refusals: what the node has refused since its start, by
    the reason.
    """

    def __init__(self, sources: ClusterSources, refusals: Callable[[], Mapping[str, int]] = dict) -> None:
        self._sources, self._refusals = sources, refusals
        self._report = ClusterReport(sources)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_SECONDS)

    def look(self) -> None:
        """Note what has changed since the last look."""
        self._sources.events.take(self._facts(), self._sources.clock.wall_ms())

    def _facts(self) -> ClusterFacts:
        sources, topology, peers = self._sources, self._report.topology, self._report.peers()
        statuses = {m.url: peers[m.url].status.value if m.url in peers else "" for m in topology.members}
        steady = topology.phase is Phase.STEADY
        changing = ", ".join(f"{member.url} is {member.standing.value}" for member in topology.changing)
        return ClusterFacts(
            epoch=topology.epoch,
            topology="no change runs" if steady else f"{changing} ({topology.phase.value})",
            conditions={
                url: condition(status, sources.replicas.is_reachable(url)) for url, status in statuses.items()
            },
            generations={url: peer.state.generation for url, peer in peers.items()},
            problems=tuple(filter(None, (sources.problem(), *sources.warnings()))),
            refusals=self._refusals(),
        )
