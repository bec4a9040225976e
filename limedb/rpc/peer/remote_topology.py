"""The calls by which nodes agree, over the links: ports.TopologyTransport.

It owns the mapping from methods to calls. It must never decide or retry.

Tested in tests/rpc/peer/test_remote_replica.py.
"""

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import grpc
from typing_extensions import override

from limedb.core.paxos import Acceptor, Ballot
from limedb.core.report import Progress
from limedb.core.topology import Topology
from limedb.ports import Account, TopologyTransport
from limedb.rpc.peer.call import ask
from limedb.rpc.peer.links import PeerLinks
from limedb.wire import topology as convert
from limedbpb.v1 import topology_pb2, topology_pb2_grpc

T = TypeVar("T")
Stub: TypeAlias = "topology_pb2_grpc.TopologyServiceAsyncStub"


class RemoteTopology(TopologyTransport):
    """ports.TopologyTransport over gRPC. It raises a peer's NotMemberError or TopologyChangeError as such."""

    def __init__(self, links: PeerLinks) -> None:
        self._links = links

    @override
    async def prepare(
        self, node_url: str, before: Topology, ballot: Ballot, timeout: float
    ) -> Acceptor[Topology] | Topology:
        request = topology_pb2.PrepareRequest(
            before=convert.topology_message(before), ballot=convert.ballot_message(ballot)
        )
        response = await self._ask(node_url, lambda s, t: s.Prepare(request, timeout=t), timeout)
        return _outcome(response)

    @override
    async def accept(
        self, node_url: str, before: Topology, ballot: Ballot, after: Topology, timeout: float
    ) -> Acceptor[Topology] | Topology:
        request = topology_pb2.AcceptRequest(
            before=convert.topology_message(before),
            ballot=convert.ballot_message(ballot),
            after=convert.topology_message(after),
        )
        response = await self._ask(node_url, lambda s, t: s.Accept(request, timeout=t), timeout)
        return _outcome(response)

    @override
    async def pledge(self, node_url: str, founder: str, timeout: float) -> str:
        request = topology_pb2.PledgeRequest(founder=founder)
        return (await self._ask(node_url, lambda s, t: s.Pledge(request, timeout=t), timeout)).founder

    @override
    async def learn(self, node_url: str, topology: Topology, timeout: float) -> Topology:
        request = topology_pb2.LearnRequest(topology=convert.topology_message(topology))
        response = await self._ask(node_url, lambda s, t: s.Learn(request, timeout=t), timeout)
        return convert.topology_from(response.topology)

    @override
    async def account(self, node_url: str, after: int, timeout: float) -> Account:
        request = topology_pb2.FetchRequest(after_epoch=after)
        response = await self._ask(node_url, lambda s, t: s.Fetch(request, timeout=t), timeout)
        return convert.account_from(response)

    @override
    async def progress(self, node_url: str, timeout: float) -> Progress:
        request = topology_pb2.GetProgressRequest()
        response = await self._ask(node_url, lambda s, t: s.GetProgress(request, timeout=t), timeout)
        return convert.progress_from(response)

    async def _ask(
        self,
        node_url: str,
        send: "Callable[[Stub, float], grpc.aio.UnaryUnaryCall[Any, T]]",
        timeout: float,
    ) -> T:
        link = self._links.to(node_url)
        await link.wait_ready()
        allowed = link.allow(timeout)
        return await ask(link, lambda: send(link.stub(_stub), allowed), allowed)


def _stub(channel: grpc.aio.Channel) -> Stub:
    return topology_pb2_grpc.TopologyServiceStub(channel)


def _outcome(
    response: topology_pb2.PrepareResponse | topology_pb2.AcceptResponse,
) -> Acceptor[Topology] | Topology:
    """The newer topology if there is one, otherwise the acceptor's state."""
    if response.WhichOneof("outcome") == "newer":
        return convert.topology_from(response.newer)
    return convert.acceptor_from(response.acceptor)
