"""Asks a peer over its link for how long it doesn't count for watches yet.

It owns the question. It must never wait for the peer to count (`replication/watch/drain.py` does).
"""

from limedb.rpc.peer.call import ask
from limedb.rpc.peer.links import PeerLinks
from limedbpb.v1 import cluster_pb2, cluster_pb2_grpc

ASK_SECONDS = 1.0


class WatchWaits:
    """Asks peers."""

    def __init__(self, links: PeerLinks) -> None:
        self._links = links

    async def of(self, node_url: str) -> int:
        """Milliseconds until it counts; 0: it counts, or is stopping itself. LimeDBError: it doesn't
        answer.
        """
        link = self._links.to(node_url)
        await link.wait_ready(ASK_SECONDS)
        stub = link.stub(cluster_pb2_grpc.ClusterServiceStub)
        request = cluster_pb2.GetStateRequest()
        state = await ask(link, lambda: stub.GetState(request, timeout=ASK_SECONDS), ASK_SECONDS)
        return 0 if state.status == "draining" else state.watch_wait_ms
