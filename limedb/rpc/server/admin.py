"""AdminService: check, call, convert. It must never decide anything about the topology."""

from collections.abc import AsyncGenerator, Iterator

from limedb.aio.broadcast import ask_all
from limedb.core.bounds import MAX_VIRTUAL_NODES, MAX_ZONE, is_zone
from limedb.core.detector import Status
from limedb.core.report import RepairProgress, ScrubProgress
from limedb.errors import InvalidRequestError
from limedb.rpc.server.behaviour import Context
from limedb.rpc.server.checks import Checks
from limedb.rpc.server.cluster_report import ClusterReport
from limedb.rpc.server.diagnosis import problems_of
from limedb.rpc.server.report_sources import ClusterSources, Repairs, Scrubs, TopologySteering
from limedb.wire import cluster as convert
from limedbpb.v1 import admin_pb2, admin_pb2_grpc

DEFAULT_VIRTUAL_NODES = 256
"""Points of a node whose number isn't given, the same as the default of the setting VIRTUAL_NODES."""


class AdminServicer(admin_pb2_grpc.AdminServiceServicer):
    """Serves administrators."""

    service = admin_pb2.DESCRIPTOR.services_by_name["AdminService"]

    def __init__(
        self,
        sources: ClusterSources,
        changes: TopologySteering,
        repairs: Repairs,
        checks: Checks,
        scrubs: Scrubs,
    ) -> None:
        self._scrubs = scrubs
        self._sources, self._changes, self._repairs, self._checks = sources, changes, repairs, checks
        self._report = ClusterReport(sources)

    async def GetStatus(
        self, request: admin_pb2.GetStatusRequest, context: Context
    ) -> admin_pb2.GetStatusResponse:
        change = await self._report.change()
        nodes = await self._report.nodes()
        topology = self._report.topology
        return admin_pb2.GetStatusResponse(
            node_url=self._sources.view.own_url,
            cluster_id=topology.cluster_id,
            epoch=topology.epoch,
            phase=topology.phase.value,
            replication_factor=topology.replication_factor,
            members=[node for node in nodes if node.standing],
            others=[node for node in nodes if not node.standing],
            change=convert.change(change) if change else None,
            problems=[*self._problems(), *await self._problems_of_peers()],
            founded_ms=self._sources.founded_ms(),
        )

    async def PlanJoin(
        self, request: admin_pb2.PlanJoinRequest, context: Context
    ) -> admin_pb2.PlanJoinResponse:
        points = request.virtual_nodes if request.HasField("virtual_nodes") else DEFAULT_VIRTUAL_NODES
        if points > MAX_VIRTUAL_NODES:
            raise InvalidRequestError(f"virtualNodes={points}: must be 0 to {MAX_VIRTUAL_NODES}")
        if not is_zone(request.zone):
            raise InvalidRequestError(f"zone={request.zone[:80]!r}: must be {MAX_ZONE} printable characters")
        plan = await self._changes.plan_join(self._checks.node_url(request.url), request.zone, points)
        return admin_pb2.PlanJoinResponse(plan=convert.plan(plan))

    async def Decommission(
        self, request: admin_pb2.DecommissionRequest, context: Context
    ) -> admin_pb2.DecommissionResponse:
        plan = await self._changes.decommission(self._checks.node_url(request.url), request.dry_run)
        return admin_pb2.DecommissionResponse(plan=convert.plan(plan))

    async def Remove(self, request: admin_pb2.RemoveRequest, context: Context) -> admin_pb2.RemoveResponse:
        plan = await self._changes.remove(self._checks.node_url(request.url), request.dry_run)
        return admin_pb2.RemoveResponse(plan=convert.plan(plan))

    async def Cancel(self, request: admin_pb2.CancelRequest, context: Context) -> admin_pb2.CancelResponse:
        return admin_pb2.CancelResponse(plan=convert.plan(await self._changes.cancel(request.dry_run)))

    async def Repair(
        self, request: admin_pb2.RepairRequest, context: Context
    ) -> AsyncGenerator[admin_pb2.RepairResponse, None]:
        """The last message is marked as the last: through REST, an error would look like the end."""
        last: RepairProgress | None = None
        repair = self._repairs.repair_all()
        try:
            async for last in repair:
                yield convert.repair_progress(last, finished=False)
        finally:
            await _close(repair)
        yield convert.repair_progress(last, True) if last else admin_pb2.RepairResponse(finished=True)

    async def Scrub(
        self, request: admin_pb2.ScrubRequest, context: Context
    ) -> AsyncGenerator[admin_pb2.ScrubResponse, None]:
        """As Repair."""
        last: ScrubProgress | None = None
        scrub = self._scrubs.scrub_all()
        try:
            async for last in scrub:
                yield convert.scrub_progress(last, finished=False)
        finally:
            await _close(scrub)
        yield convert.scrub_progress(last, True) if last else admin_pb2.ScrubResponse(finished=True)

    def _problems(self) -> Iterator[str]:
        """The problems, a sentence each."""
        if problem := self._sources.problem():
            yield f"{self._sources.view.own_url} takes no requests: {problem}"
        yield from problems_of(self._report.topology, self._report.peers())
        for warning in self._sources.warnings():
            yield f"{self._sources.view.own_url}: {warning}"

    async def _problems_of_peers(self) -> list[str]:
        """The problems that others report of themselves, of those that answer."""
        own, report = self._sources.view.own_url, self._report.peers()
        urls = [url for url, peer in sorted(report.items()) if url != own and peer.status is Status.ACTIVE]
        found = await ask_all(urls, self._sources.problems_of_peer)
        return [problem for url in urls for problem in found.get(url, ())]


async def _close(repair: object) -> None:
    """Close an iterator if it can be closed: it may not have reached its end."""
    if isinstance(repair, AsyncGenerator):
        await repair.aclose()
