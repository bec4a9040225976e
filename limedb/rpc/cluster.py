"""ClusterService: the cluster as this node sees it."""

from collections.abc import Callable
from typing import Literal

from google.protobuf.timestamp_pb2 import Timestamp

from limedb import __version__
from limedb.cluster.report import PeerReport
from limedb.cluster.view import ClusterView
from limedb.core.detector import Status
from limedb.core.ring import Ring
from limedb.ports import Clock, NodeHealth, StoreStats
from limedb.rpc.rings import ring_response
from limedb.rpc.server import Context
from limedbpb.v1 import cluster_pb2, cluster_pb2_grpc

Phase = Literal["starting", "active", "draining"]


class ClusterServicer(cluster_pb2_grpc.ClusterServiceServicer):
    """Serves reports. phase: of the node's life; health: its figures; both are asked at each request."""

    service = cluster_pb2.DESCRIPTOR.services_by_name["ClusterService"]

    def __init__(
        self,
        view: ClusterView,
        clock: Clock,
        phase: Callable[[], Phase],
        health: Callable[[], NodeHealth],
    ) -> None:
        self._view, self._clock, self._phase, self._health = view, clock, phase, health
        self._told: tuple[Ring, cluster_pb2.GetRingResponse] | None = None

    async def GetState(
        self, request: cluster_pb2.GetStateRequest, context: Context
    ) -> cluster_pb2.GetStateResponse:
        report = self._view.state_report()
        return cluster_pb2.GetStateResponse(
            node_url=report.own.url,
            peers=report.peers,
            total_nodes=report.total_nodes,
            active_nodes=report.active_nodes,
            status=self._phase(),
            zone=report.own.zone,
            version=__version__,
        )

    async def GetRing(
        self, request: cluster_pb2.GetRingRequest, context: Context
    ) -> cluster_pb2.GetRingResponse:
        """The ring's answer is large, so it is kept until the ring is replaced."""
        ring = self._view.ring
        if self._told is None or self._told[0] is not ring:
            self._told = (ring, ring_response(ring, self._view.own_url))
        return self._told[1]

    async def GetGossip(
        self, request: cluster_pb2.GetGossipRequest, context: Context
    ) -> cluster_pb2.GetGossipResponse:
        report = self._view.gossip_report()
        return cluster_pb2.GetGossipResponse(
            node_url=report.own.url,
            generation=report.own.generation,
            node_heartbeat=report.own.heartbeat,
            cluster_health=report.cluster_health,
            total_peers=len(report.peers),
            active_peers=report.count(Status.ACTIVE),
            stale_peers=report.count(Status.STALE),
            dead_peers=report.count(Status.DEAD),
            convergence_rate=report.convergence_rate,
            average_lag=report.average_lag,
            max_lag=report.max_lag,
            peer_details=[_peer_detail(peer) for peer in report.peers],
            timestamp=self._now(),
        )

    async def GetHealth(
        self, request: cluster_pb2.GetHealthRequest, context: Context
    ) -> cluster_pb2.GetHealthResponse:
        health = self._health()
        return cluster_pb2.GetHealthResponse(
            status="healthy" if self._phase() == "active" else "unhealthy",
            service="limedb-node",
            version=__version__,
            node_url=self._view.own_url,
            timestamp=self._now(),
            uptime_seconds=health.uptime_seconds,
            memory_allocated_mb=health.memory_mb,
            cpu_percent=health.cpu_percent,
            total_requests=health.requests.total_requests,
            requests_per_second=health.requests.requests_per_second,
            gets_per_second=health.requests.gets_per_second,
            sets_per_second=health.requests.sets_per_second,
            dels_per_second=health.requests.dels_per_second,
            average_latency_ms=health.requests.average_latency_ms,
            error_rate=health.requests.error_rate,
            storage=_storage(health.store),
        )

    def _now(self) -> Timestamp:
        now = Timestamp()
        now.FromMilliseconds(self._clock.wall_ms())
        return now


def _peer_detail(peer: PeerReport) -> cluster_pb2.PeerDetail:
    return cluster_pb2.PeerDetail(
        url=peer.state.url,
        generation=peer.state.generation,
        heartbeat=peer.state.heartbeat,
        lag=peer.lag,
        status=peer.status.value,
    )


def _storage(stats: StoreStats) -> cluster_pb2.Storage:
    return cluster_pb2.Storage(
        type=stats.kind, keys=stats.keys, bytes=stats.size, path=stats.path, durability=stats.durability
    )
