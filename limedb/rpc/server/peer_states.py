"""Asks a peer over its link for what only the peer itself knows of its state.

It owns the questions. It must never wait for a peer to get better.
"""

from limedb.rpc.peer.call import ask
from limedb.rpc.peer.links import PeerLinks
from limedbpb.v1 import cluster_pb2, cluster_pb2_grpc

ASK_SECONDS = 1.0


class PeerStates:
    """Asks peers. Each function raises LimeDBError: the peer doesn't answer."""

    def __init__(self, links: PeerLinks) -> None:
        self._links = links

    async def watch_wait_ms(self, node_url: str) -> int:
        """Milliseconds until watches can count on it; 0: they can, or it is stopping itself."""
        state = await self._state(node_url)
        return 0 if state.status == "draining" else state.watch_wait_ms

    async def problems(self, node_url: str) -> tuple[str, ...]:
        """Its problems, in words that name it: why it takes no requests, and its warnings."""
        state = await self._state(node_url)
        why = (f"{node_url} takes no requests: {state.problem}",) if state.problem else ()
        return (*why, *(f"{node_url}: {warning}" for warning in state.warnings))

    async def history(
        self, node_url: str, request: cluster_pb2.GetHistoryRequest, seconds: float
    ) -> cluster_pb2.GetHistoryResponse:
        """What it remembers of the last day, within some seconds."""
        link = self._links.to(node_url)
        await link.wait_ready(min(seconds, ASK_SECONDS))
        stub = link.stub(cluster_pb2_grpc.ClusterServiceStub)
        return await ask(link, lambda: stub.GetHistory(request, timeout=seconds), seconds)

    async def _state(self, node_url: str) -> cluster_pb2.GetStateResponse:
        link = self._links.to(node_url)
        await link.wait_ready(ASK_SECONDS)
        stub = link.stub(cluster_pb2_grpc.ClusterServiceStub)
        request = cluster_pb2.GetStateRequest()
        return await ask(link, lambda: stub.GetState(request, timeout=ASK_SECONDS), ASK_SECONDS)
