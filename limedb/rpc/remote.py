"""Peers behind the ports: a replica and a gossip partner over gRPC.

It owns what a failed call to a peer means. It must never retry: the callers know what is safe.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TypeVar

import grpc

from limedb.core.membership import Ack, Digest, NodeState
from limedb.core.record import Record
from limedb.errors import LimeDBError, OutcomeUnknownError, ReplicaUnreachableError, RequestTimeoutError
from limedb.ports import Applied, Clock, Replica
from limedb.rpc import convert
from limedb.rpc.links import PeerLink, PeerLinks
from limedb.rpc.status import remote_error
from limedbpb.v1 import gossip_pb2, gossip_pb2_grpc, replica_pb2, replica_pb2_grpc

T = TypeVar("T")

MARGIN = 0.05
"""Seconds of a deadline kept back for one's own answer, so that the client hears which node was slow."""


class RemoteReplica:
    """The replica of a peer."""

    def __init__(self, link: PeerLink, clock: Clock) -> None:
        self._link, self._clock = link, clock
        self._stub = replica_pb2_grpc.ReplicaServiceStub(link.channel)

    async def read(self, keys: Sequence[str], deadline: float) -> list[Record | None]:
        """See ports.Replica."""
        timeout = self._remaining(deadline)
        await self._link.wait_ready(timeout)
        request = replica_pb2.ReadRequest(keys=keys)
        response = await answer(self._link.node_url, self._stub.Read(request, timeout=timeout), timeout)
        return convert.records_from(response)

    async def apply(self, records: Sequence[Record], deadline: float) -> list[Applied]:
        """See ports.Replica. Once sent, a write without an answer may have taken effect."""
        timeout = self._remaining(deadline)
        await self._link.wait_ready(timeout)
        call = self._stub.Apply(convert.apply_request(records), timeout=timeout)
        try:
            response = await answer(self._link.node_url, call, timeout)
        except (ReplicaUnreachableError, RequestTimeoutError) as lost:
            raise OutcomeUnknownError(self._link.node_url, str(lost)) from None
        return convert.applied_from(response)

    def _remaining(self, deadline: float) -> float:
        remaining = deadline - self._clock.monotonic()
        return max(0.001, remaining - min(MARGIN, remaining / 10))


async def answer(node_url: str, call: Awaitable[T], timeout: float) -> T:
    """The answer to a call to a peer, or its error as one of ours."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise _error_of(node_url, error, timeout) from None
    except asyncio.CancelledError:
        if _is_cancelled_itself():
            raise
        raise ReplicaUnreachableError(node_url, "the link was closed") from None


def _is_cancelled_itself() -> bool:
    """Whether the task is being cancelled, and not only the call: that one must not end a handler mutely."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _error_of(node_url: str, error: grpc.aio.AioRpcError, timeout: float) -> LimeDBError:
    if (told := remote_error(node_url, error)) is not None:
        return told
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return RequestTimeoutError(timeout, f"node {node_url}")
    return ReplicaUnreachableError(node_url, f"{error.code().name}, {error.details()}")


class ReplicaDirectory:
    """The replicas of all nodes: one's own store for one's own URL, a link for every other."""

    def __init__(self, own_url: str, own: Replica, links: PeerLinks, clock: Clock) -> None:
        self._own_url, self._own, self._links, self._clock = own_url, own, links, clock
        self._remote: dict[str, tuple[PeerLink, RemoteReplica]] = {}

    def at(self, node_url: str) -> Replica:
        """See ports.Replicas."""
        if node_url == self._own_url:
            return self._own
        link = self._links.to(node_url)
        kept = self._remote.get(node_url)
        if kept is None or kept[0] is not link:
            kept = self._remote[node_url] = (link, RemoteReplica(link, self._clock))
        return kept[1]


class RemoteGossip:
    """Gossip over the same links."""

    def __init__(self, links: PeerLinks) -> None:
        self._links = links

    async def syn(self, node_url: str, digests: Sequence[Digest], timeout: float) -> Ack:
        """See ports.GossipTransport."""
        request = gossip_pb2.ExchangeRequest(type=gossip_pb2.GOSSIP_SYN, payload=convert.syn_payload(digests))
        return convert.ack_from(await self._exchange(node_url, request, timeout))

    async def ack2(self, node_url: str, updates: Sequence[NodeState], timeout: float) -> None:
        """See ports.GossipTransport."""
        payload = convert.ack2_payload(updates)
        request = gossip_pb2.ExchangeRequest(type=gossip_pb2.GOSSIP_ACK2, payload=payload)
        await self._exchange(node_url, request, timeout)

    async def _exchange(
        self, node_url: str, request: gossip_pb2.ExchangeRequest, timeout: float
    ) -> gossip_pb2.ExchangeResponse:
        link = self._links.to(node_url)
        await link.wait_ready(timeout)
        stub = gossip_pb2_grpc.GossipServiceStub(link.channel)
        return await answer(node_url, stub.Exchange(request, timeout=timeout), timeout)
