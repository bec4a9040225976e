"""Strangers that answer real nodes: a server that says under any name that it is that node.

It owns the server. It must never answer in the name of a member.
"""

import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import grpc

from limedbpb.v1 import gossip_pb2, gossip_pb2_grpc
from tests.support.ports import free_port

SECONDS = 5.0


class Stranger(gossip_pb2_grpc.GossipServiceServicer):
    """Answers gossip under whatever name it is asked by. named: those names; rounds: how often it was asked;
    claims: what it says of itself, fields of NodeState.
    """

    def __init__(self, address: str, members: Collection[str], claims: Mapping[str, Any]) -> None:
        self.address, self._members, self._claims = address, members, claims
        self.named: set[str] = set()
        self.rounds = self._beats = 0

    def Exchange(  # noqa: N802 (as in gRPC)
        self, request: gossip_pb2.ExchangeRequest, context: grpc.ServicerContext
    ) -> gossip_pb2.ExchangeResponse:
        """Of whom a node isn't sure it wants to know all: that is the name that it has dialled."""
        self.rounds += 1
        digests = request.payload.digests
        named = [d.node_url for d in digests if not d.generation and d.node_url not in self._members]
        if not named:
            return gossip_pb2.ExchangeResponse()
        self.named.update(named)
        return gossip_pb2.ExchangeResponse(
            digests_update=[self.state(named[0])], node_url=named[0], now_ms=time.time_ns() // 1_000_000
        )

    def state(self, url: str) -> gossip_pb2.NodeState:
        """What it says that it is, under a name."""
        self._beats += 1
        known: dict[str, Any] = {"node_id": url[:60], "replication_factor": 3, "virtual_nodes": 16}
        return gossip_pb2.NodeState(
            node_url=url,
            address=self.address,
            generation=time.time_ns() // 1_000_000,
            heartbeat=self._beats,
            **known | self._claims,
        )

    def tell(self, address: str, urls: Iterable[str]) -> None:
        """Say to a node that it is each of these nodes."""
        payload = gossip_pb2.GossipPayload(digests_update=map(self.state, urls))
        request = gossip_pb2.ExchangeRequest(type=gossip_pb2.GOSSIP_ACK2, payload=payload)
        with grpc.insecure_channel(address) as channel:
            gossip_pb2_grpc.GossipServiceStub(channel).Exchange(request, timeout=SECONDS)


@contextmanager
def answering_stranger(members: Collection[str], **claims: Any) -> Iterator[Stranger]:
    """A stranger for the time of the block. members: names that it leaves alone."""
    with free_port() as port:
        stranger = Stranger(f"127.0.0.1:{port}", members, claims)
        server = grpc.server(futures.ThreadPoolExecutor(8))
        gossip_pb2_grpc.add_GossipServiceServicer_to_server(stranger, server)
        server.add_insecure_port(stranger.address)
        server.start()
        try:
            yield stranger
        finally:
            server.stop(0).wait()
