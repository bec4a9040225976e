"""ClusterService: the cluster as this node sees it.

Health is public, and the members are for anyone with a token. So it shows only operators what names keys or
files of the node.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from dataclasses import asdict

from google.protobuf.timestamp_pb2 import Timestamp

from limedb import __version__
from limedb.core.detector import Status
from limedb.core.layout import Layout
from limedb.core.ring import Ring, token_of
from limedb.errors import LimeDBError, RecordDamagedError, StaleEpochError
from limedb.replication.stale_epoch import follow_topology
from limedb.rpc.server.behaviour import Context
from limedb.rpc.server.checks import Checks
from limedb.rpc.server.cluster_report import ClusterReport
from limedb.rpc.server.deadlines import Deadlines
from limedb.rpc.server.history import HistoryReport
from limedb.rpc.server.report_sources import ClusterSources
from limedb.rpc.server.rings import ring_response
from limedb.wire import cluster as convert
from limedbpb.v1 import cluster_pb2, cluster_pb2_grpc

LOOK_SECONDS = 0.1
"""How often a watched cluster is checked for a change: a check costs some microseconds per node."""
SHARED_SECONDS = 0.05
"""How old a report may be that goes to several watchers."""
LOCATE_SECONDS = 1.0
"""How long LocateKey waits for each owner."""


async def _everybody(_context: Context) -> bool:
    return True


class ClusterServicer(cluster_pb2_grpc.ClusterServiceServicer):
    """Serves reports. sees_all: whether a caller may see the names of keys and files."""

    service = cluster_pb2.DESCRIPTOR.services_by_name["ClusterService"]

    def __init__(
        self,
        sources: ClusterSources,
        checks: Checks,
        deadlines: Deadlines,
        sees_all: Callable[[Context], Awaitable[bool]] = _everybody,
    ) -> None:
        self._sources, self._checks, self._deadlines = sources, checks, deadlines
        self._sees_all = sees_all
        self._history = HistoryReport(sources)
        self._report = ClusterReport(sources)
        self._ring_answer: tuple[Ring, bytes] | None = None
        self._snapshots: dict[bool, tuple[float, object, cluster_pb2.WatchClusterResponse]] = {}

    async def GetState(
        self, request: cluster_pb2.GetStateRequest, context: Context
    ) -> cluster_pb2.GetStateResponse:
        members = await self._report.members()
        gossip, topology = self._sources.view.gossip_report(), self._report.topology
        return cluster_pb2.GetStateResponse(
            node_url=gossip.own.url,
            peers=sorted({gossip.own.url, *(peer.state.url for peer in gossip.peers)}),
            total_nodes=len(topology.members),
            active_nodes=self._report.active_members(),
            status=self._sources.phase(),
            zone=gossip.own.zone,
            version=__version__,
            cluster_id=topology.cluster_id,
            epoch=topology.epoch,
            phase=topology.phase.value,
            replication_factor=topology.replication_factor,
            node_id=gossip.own.node_id,
            problem=self._sources.problem(),
            members=members,
            warnings=self._warnings(await self._sees_all(context)),
            watch_wait_ms=self._sources.watch_wait_ms(),
            takes_conditions=True,
        )

    async def GetRing(  # type: ignore[override]
        self, request: cluster_pb2.GetRingRequest, context: Context
    ) -> bytes:
        """The ring's answer is large, so its bytes are kept until the ring is replaced."""
        ring, own = self._sources.placement.layout.ring, self._sources.view.own_url
        if self._ring_answer is None or self._ring_answer[0] is not ring:
            made = await self._sources.compute(lambda: ring_response(ring, own).SerializeToString())
            self._ring_answer = (ring, made)
            return made
        return self._ring_answer[1]

    async def GetGossip(
        self, request: cluster_pb2.GetGossipRequest, context: Context
    ) -> cluster_pb2.GetGossipResponse:
        report = self._sources.view.gossip_report()
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
            peer_details=[convert.peer_detail(peer) for peer in report.peers],
            timestamp=self._now(),
        )

    async def GetHealth(
        self, request: cluster_pb2.GetHealthRequest, context: Context
    ) -> cluster_pb2.GetHealthResponse:
        health, problem = self._sources.health(), self._sources.problem()
        serves = self._sources.phase() == "active" and not problem
        sees_all, storage = await self._sees_all(context), convert.storage(health.store)
        if not sees_all:
            storage.path = ""
        return cluster_pb2.GetHealthResponse(
            status="healthy" if serves else "unhealthy",
            service="limedb-node",
            version=__version__,
            node_url=self._sources.view.own_url,
            timestamp=self._now(),
            uptime_seconds=health.uptime_seconds,
            memory_allocated_mb=health.memory_mb,
            cpu_percent=health.cpu_percent,
            storage=storage,
            problem=problem,
            warnings=self._warnings(sees_all),
            **asdict(health.requests),
        )

    async def GetHistory(
        self, request: cluster_pb2.GetHistoryRequest, context: Context
    ) -> cluster_pb2.GetHistoryResponse:
        span, step = self._checks.history(request.range_seconds, request.step_seconds)
        nodes = [self._checks.node_url(url, "nodes") for url in request.nodes]
        return await self._history.answer(nodes, span, step, self._deadlines.of(context))

    async def LocateKey(
        self, request: cluster_pb2.LocateKeyRequest, context: Context
    ) -> cluster_pb2.LocateKeyResponse:
        key = self._checks.key(request.key)
        layout = self._sources.placement.layout
        owners = layout.of_key(key)
        deadline = min(self._deadlines.of(context), self._sources.clock.monotonic() + LOCATE_SECONDS)
        roles = [(url, "current") for url in owners.natural] + [(url, "extra") for url in owners.pending]
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(self._owner(key, url, role, layout, deadline)) for url, role in roles]
        return cluster_pb2.LocateKeyResponse(
            key=key,
            token=token_of(key),
            epoch=layout.topology.epoch,
            owners=[task.result() for task in asked],
        )

    async def WatchCluster(
        self, request: cluster_pb2.WatchClusterRequest, context: Context
    ) -> AsyncGenerator[cluster_pb2.WatchClusterResponse, None]:
        """A change is seen within LOOK_SECONDS: polling is cheaper than notifications from every part."""
        interval, clock = self._checks.watch_interval(request.interval_ms), self._sources.clock
        sees_all = await self._sees_all(context)
        sent, due = None, clock.monotonic()
        while True:
            mark, now = self._report.mark(), clock.monotonic()
            if mark != sent or now >= due:
                sent, due = mark, now + interval
                yield await self._shared_snapshot(mark, now, sees_all)
            await asyncio.sleep(max(0.0, min(LOOK_SECONDS, due - clock.monotonic())))

    async def _shared_snapshot(
        self, mark: object, now: float, sees_all: bool
    ) -> cluster_pb2.WatchClusterResponse:
        """The report for all watchers at about one moment, made once, and once for those who see all."""
        last = self._snapshots.get(sees_all)
        if last is None or last[1] != mark or now - last[0] > SHARED_SECONDS:
            last = self._snapshots[sees_all] = (now, mark, await self._snapshot(sees_all))
        return last[2]

    def _warnings(self, sees_all: bool) -> Iterable[str]:
        return self._sources.warnings() if sees_all else self._sources.public_warnings()

    async def _snapshot(self, sees_all: bool) -> cluster_pb2.WatchClusterResponse:
        change = await self._report.change()
        nodes = await self._report.nodes()
        topology, sources = self._report.topology, self._sources
        return cluster_pb2.WatchClusterResponse(
            node_url=sources.view.own_url,
            timestamp=self._now(),
            status=sources.phase(),
            problem=sources.problem(),
            warnings=self._warnings(sees_all),
            cluster_id=topology.cluster_id,
            epoch=topology.epoch,
            phase=topology.phase.value,
            replication_factor=topology.replication_factor,
            nodes=nodes,
            change=convert.change(change) if change else None,
            rates=convert.rates(sources.health().requests),
            repair=convert.repair(sources.repair(), sources.rot()),
        )

    async def _owner(
        self, key: str, url: str, role: str, layout: Layout, deadline: float
    ) -> cluster_pb2.KeyOwner:
        """The record that one owner holds, or the reason why it can't be asked."""
        peer, member = self._report.peers().get(url), self._report.topology.at(url)
        owner = cluster_pb2.KeyOwner(
            url=url,
            zone=member.zone if member else "",
            role=role,
            status=peer.status.value if peer else "",
            reachable=self._sources.replicas.is_reachable(url),
        )
        try:
            (record,) = await self._sources.replicas.at(url).read((key,), layout.topology.fence, deadline)
        except StaleEpochError as stale:
            follow_topology(self._sources.placement, stale, layout)
            owner.error = str(stale)
        except LimeDBError as error:
            owner.error = error.public_text
        else:
            if isinstance(record, RecordDamagedError):
                owner.error = str(record)
            else:
                convert.fill_record(owner, record)
        return owner

    def _now(self) -> Timestamp:
        now = Timestamp()
        now.FromMilliseconds(self._sources.clock.wall_ms())
        return now
