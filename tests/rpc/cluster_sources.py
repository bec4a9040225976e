"""A cluster for tests of the reports on it: three nodes, seen from the first."""

from dataclasses import replace
from typing import Any

from limedb.core.damage import Damage
from limedb.core.detector import Status
from limedb.core.layout import Layout
from limedb.core.membership import NodeLoad, NodeState
from limedb.core.report import ChangePlan, ChangeStatus, GossipReport, Move, PeerReport, Progress, RotFigures
from limedb.core.topology import Member, Topology, hand_over, initial_topology, join
from limedb.ports import NodeHealth, Replica, RequestFigures, StoreStats
from limedb.rpc.server.report_sources import ClusterSources, Phase
from tests.rpc.peers import FakeReplica, SystemClock

OWN, OTHER, DEAD, NEW = (f"http://node{i}:8484" for i in range(1, 5))
STEADY = initial_topology(
    "00000000000000aa", 2, [Member(url[-6], url, f"z{url[-6]}") for url in (OWN, OTHER, DEAD)]
)
STREAMING = join(STEADY, Member("4", NEW))
HANDOVER = hand_over(STREAMING)
LOAD = NodeLoad(
    4096, 1 << 20, 12.5, requests_per_second=10.0, gets_per_second=6.0, sets_per_second=3.0,
    dels_per_second=1.0, average_latency_ms=0.75, error_rate=0.25,
)  # fmt: skip
FIGURES = RequestFigures(
    10, requests_per_second=1.0, gets_per_second=2.0, sets_per_second=3.0,
    dels_per_second=4.0, average_latency_ms=5.0, error_rate=0.5,
)  # fmt: skip


class FakeCluster:
    """The knowledge of a node, which a test may change."""

    own_url = OWN

    def __init__(self, clock: Any = None) -> None:
        self.clock = clock or SystemClock()
        self.layout = Layout(STEADY)
        self.statuses = {OTHER: Status.ACTIVE, DEAD: Status.DEAD}
        self.cut: set[str] = set()
        self.stores: dict[str, Any] = {url: FakeReplica() for url in (OWN, OTHER, DEAD, NEW)}
        self.phase: Phase = "active"
        self.problem = ""
        self.warnings: list[str] = []
        self.others: list[PeerReport] = []
        self.asked: list[tuple[Any, ...]] = []
        self.error: Exception | None = None
        self.told_change = 0

    def gossip_report(self) -> GossipReport:
        own = NodeState(OWN, 5, 6, version="1.2", keys=3, node_id="1", cluster_id=STEADY.cluster_id, epoch=1)
        heard = replace(own, load=LOAD)
        peers = [
            PeerReport(replace(heard, url=url, node_id=url[-6]), 1.5, status)
            for url, status in self.statuses.items()
        ]
        return GossipReport(own, (*peers, *self.others))

    def adopt(self, topology: Topology) -> None:
        self.layout = Layout(topology)

    def at(self, node_url: str) -> Replica:
        replica: Replica = self.stores[node_url]
        return replica

    def is_reachable(self, node_url: str) -> bool:
        return self.statuses.get(node_url) is not Status.DEAD and node_url not in self.cut

    def absence(self, node_url: str) -> str:
        return "it is known to be down"

    async def change_status(self) -> ChangeStatus | None:
        if self.error:
            raise self.error
        self.told_change += 1
        topology = self.layout.topology
        progress = {NEW: Progress(2, 8, 3, 100, 9.5, "node2")}
        return ChangeStatus(f"{NEW} joins", topology.epoch, topology.phase, progress)

    async def plan_join(self, url: str, zone: str, virtual_nodes: int) -> ChangePlan:
        return self._plan("join", url, zone, virtual_nodes)

    async def decommission(self, url: str, dry_run: bool) -> ChangePlan:
        return self._plan("decommission", url, dry_run)

    async def remove(self, url: str, dry_run: bool) -> ChangePlan:
        return self._plan("remove", url, dry_run)

    async def cancel(self, dry_run: bool) -> ChangePlan:
        return self._plan("cancel", dry_run)

    def _plan(self, *asked: Any) -> ChangePlan:
        if self.error:
            raise self.error
        self.asked.append(asked)
        return ChangePlan(f"{asked[0]} it", 7, (Move(OTHER, 0.5, 0.75), Move(OWN, 0.5, 0.25)), 0.25)

    def sources(self) -> ClusterSources:
        """As a node hands it over."""
        return ClusterSources(
            view=self,
            placement=self,
            replicas=self,
            clock=self.clock,
            phase=lambda: self.phase,
            problem=lambda: self.problem,
            health=lambda: NodeHealth(1.0, 2.0, 3.0, FIGURES, StoreStats("memory", 3, 100)),
            load=lambda: replace(LOAD, disk_bytes=100),
            change=self.change_status,
            clock_offsets=lambda: {OTHER: -250},
            hints=lambda: {DEAD: 4096},
            repair=lambda: RepairCounts(),
            rot=lambda: RotFigures(Damage(), 5),
            warnings=lambda: self.warnings,
        )


class RepairCounts:
    """What was repaired."""

    passes, compared, differing, pulled, pushed, purged, dropped, skipped = range(1, 9)
