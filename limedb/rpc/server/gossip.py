"""GossipService: SYN in, ACK out."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from limedb.core.membership import Ack, Digest, NodeState
from limedb.errors import InvalidRequestError
from limedb.ports import Clock
from limedb.rpc.server.behaviour import Context
from limedb.rpc.server.checks import Checks
from limedb.wire import gossip as convert
from limedbpb.v1 import gossip_pb2, gossip_pb2_grpc


class GossipTaker(Protocol):
    """The answering side of gossip."""

    def on_syn(self, digests: Iterable[Digest]) -> Ack:
        """The ACK to a peer's SYN."""

    def on_ack2(self, updates: Iterable[NodeState]) -> None:
        """Merge a peer's ACK2."""


class GossipServicer(gossip_pb2_grpc.GossipServiceServicer):
    """Serves the answering side of gossip."""

    service = gossip_pb2.DESCRIPTOR.services_by_name["GossipService"]

    def __init__(self, gossip: GossipTaker, checks: Checks, clock: Clock) -> None:
        self._gossip, self._checks, self._clock = gossip, checks, clock

    async def Exchange(
        self, request: gossip_pb2.ExchangeRequest, context: Context
    ) -> gossip_pb2.ExchangeResponse:
        self._checks.gossip(request.payload)
        match request.type:
            case gossip_pb2.GOSSIP_SYN:
                digests = [convert.digest_from(d) for d in request.payload.digests]
                ack = replace(self._gossip.on_syn(digests), now_ms=self._clock.wall_ms())
                return convert.ack_response(ack)
            case gossip_pb2.GOSSIP_ACK2:
                self._gossip.on_ack2([convert.state_from(s) for s in request.payload.digests_update])
                return gossip_pb2.ExchangeResponse()
            case kind:
                raise InvalidRequestError(f"type={kind}: must be GOSSIP_SYN or GOSSIP_ACK2")
