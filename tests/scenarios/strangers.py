"""Strangers that answer real nodes: a server that says under any name that it is that node.

It owns the server. It must never answer in the name of a member.
"""

import time
from collections.abc import Collection, Iterator
from concurrent import futures
from contextlib import contextmanager

import grpc

from limedbpb.v1 import gossip_pb2, gossip_pb2_grpc
from tests.support.ports import free_port


class AnyName(gossip_pb2_grpc.GossipServiceServicer):
    """Answers gossip under whatever name it is asked by, as a node that joins nothing. named: those names."""

    def __init__(self, address: str, members: Collection[str]) -> None:
        self.address, self._members = address, members
        self.named: set[str] = set()

    def Exchange(  # noqa: N802 (as in gRPC)
        self, request: gossip_pb2.ExchangeRequest, context: grpc.ServicerContext
    ) -> gossip_pb2.ExchangeResponse:
        """A node asks for all of whom it isn't sure: that is who it dialled."""
        asked = [
            digest.node_url
            for digest in request.payload.digests
            if not digest.generation and digest.node_url not in self._members
        ]
        if not asked:
            return gossip_pb2.ExchangeResponse()
        self.named.update(asked)
        now_ms = time.time_ns() // 1_000_000
        state = gossip_pb2.NodeState(
            node_url=asked[0],
            generation=now_ms,
            heartbeat=1,
            address=self.address,
            node_id=asked[0][:60],
            has_left=True,
        )
        return gossip_pb2.ExchangeResponse(
            digests_update=[state], node_url=asked[0], now_ms=now_ms, time_ms=now_ms
        )


@contextmanager
def answering_to_any_name(members: Collection[str]) -> Iterator[AnyName]:
    """A stranger for the time of the block. members: names that it leaves alone."""
    with free_port() as port:
        stranger = AnyName(f"127.0.0.1:{port}", members)
        server = grpc.server(futures.ThreadPoolExecutor(8))
        gossip_pb2_grpc.add_GossipServiceServicer_to_server(stranger, server)
        server.add_insecure_port(stranger.address)
        server.start()
        try:
            yield stranger
        finally:
            server.stop(0).wait()
