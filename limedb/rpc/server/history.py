"""The last day of the cluster: figures of several nodes, and what happened.

It owns which nodes are asked, and how long. It must never keep figures or events itself.

Tested in tests/rpc/server/test_history.py.
"""

import asyncio
from dataclasses import dataclass

from limedb.core.cluster_events import ClusterEvent, merged
from limedb.errors import LimeDBError
from limedb.rpc.server.report_sources import ClusterSources
from limedb.wire import history as convert
from limedbpb.v1 import cluster_pb2

PEER_SECONDS = 3.0
"""How long a report waits for another node."""


@dataclass(frozen=True, slots=True)
class Span:
    """The time in question, in ms since 1970, and the length of a step in ms."""

    from_ms: int
    until_ms: int
    step_ms: int


class HistoryReport:
    """Reports on the last day."""

    def __init__(self, sources: ClusterSources) -> None:
        self._sources = sources

    async def answer(
        self, nodes: list[str], range_seconds: int, step_seconds: int, deadline: float
    ) -> cluster_pb2.GetHistoryResponse:
        """The answer for some nodes, in steps; none given: all members, and this node."""
        own, now = self._sources.view.own_url, self._sources.clock.wall_ms()
        step_ms = 1000 * step_seconds
        until = -(-now // step_ms) * step_ms
        span = Span(until - 1000 * range_seconds, until, step_ms)
        members = self._sources.placement.layout.topology.members
        urls = sorted(nodes or {own, *(member.url for member in members)})
        asked = cluster_pb2.GetHistoryRequest(range_seconds=range_seconds, step_seconds=step_seconds)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._part(url, span, asked, deadline)) for url in urls]
        parts = [task.result() for task in tasks]
        return cluster_pb2.GetHistoryResponse(
            node_url=own,
            step_seconds=step_seconds,
            nodes=[part for part, _ in parts],
            events=[convert.event(event) for event in merged(events for _, events in parts)],
        )

    async def _part(
        self, url: str, span: Span, asked: cluster_pb2.GetHistoryRequest, deadline: float
    ) -> tuple[cluster_pb2.NodeHistory, list[ClusterEvent]]:
        """One node's figures and events, or the reason why there are none."""
        try:
            if url == self._sources.view.own_url:
                return await self._own(span), self._sources.events.events(span.from_ms)
            return await self._of_peer(url, asked, deadline)
        except LimeDBError as error:
            return cluster_pb2.NodeHistory(url=url, error=str(error)), []

    async def _of_peer(
        self, url: str, asked: cluster_pb2.GetHistoryRequest, deadline: float
    ) -> tuple[cluster_pb2.NodeHistory, list[ClusterEvent]]:
        seconds = min(PEER_SECONDS, deadline - self._sources.clock.monotonic())
        request = cluster_pb2.GetHistoryRequest(nodes=[url])
        request.MergeFrom(asked)
        answer = await self._sources.history_of_peer(url, request, seconds)
        found = next((node for node in answer.nodes if node.url == url), cluster_pb2.NodeHistory(url=url))
        return found, convert.events_from(answer.events)

    async def _own(self, span: Span) -> cluster_pb2.NodeHistory:
        figures = self._sources.figures.frozen()  # the event loop adds to them while the thread reads

        def compute() -> cluster_pb2.NodeHistory:
            points = figures.points(span.from_ms, span.until_ms, span.step_ms)
            return cluster_pb2.NodeHistory(
                url=self._sources.view.own_url,
                since_ms=figures.since_ms,
                points=[convert.point(one) for one in points],
            )

        return await self._sources.compute(compute)
