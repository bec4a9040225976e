"""TopologyService: peers' calls to agree with this node. It converts and calls, and must never decide.

With certificates a node may only act for itself: a ballot or a pledge in the name of another is refused.

Tested in tests/rpc/peer/test_remote_replica.py.
"""

from collections.abc import Callable

from limedb.cluster.topology.loopback import TopologyKeeper
from limedb.core.bounds import is_url
from limedb.core.paxos import Ballot
from limedb.core.topology import Topology
from limedb.errors import InvalidRequestError
from limedb.rpc.caller import check_own_word
from limedb.rpc.server.behaviour import Context
from limedb.wire import topology as convert
from limedbpb.v1 import topology_pb2, topology_pb2_grpc


class TopologyServicer(topology_pb2_grpc.TopologyServiceServicer):
    """Serves the node's part in agreements to its peers. caller_of: the URL that a caller's certificate
    proves; empty: nodes prove nothing. url_of: that of a member, by its node_id.
    """

    service = topology_pb2.DESCRIPTOR.services_by_name["TopologyService"]

    def __init__(
        self,
        keeper: TopologyKeeper,
        caller_of: Callable[[Context], str] = lambda _context: "",
        url_of: Callable[[str], str] = lambda _node_id: "",
    ) -> None:
        self._keeper, self._caller_of, self._url_of = keeper, caller_of, url_of

    async def Prepare(
        self, request: topology_pb2.PrepareRequest, context: Context
    ) -> topology_pb2.PrepareResponse:
        before, ballot = convert.topology_from(request.before), convert.ballot_from(request.ballot)
        self._check_proposer(ballot, context)
        outcome = await self._keeper.prepare(before, ballot)
        if isinstance(outcome, Topology):
            return topology_pb2.PrepareResponse(newer=convert.topology_message(outcome))
        return topology_pb2.PrepareResponse(acceptor=convert.acceptor_message(outcome))

    async def Accept(
        self, request: topology_pb2.AcceptRequest, context: Context
    ) -> topology_pb2.AcceptResponse:
        before, ballot = convert.topology_from(request.before), convert.ballot_from(request.ballot)
        self._check_proposer(ballot, context)
        outcome = await self._keeper.accept(before, ballot, convert.topology_from(request.after))
        if isinstance(outcome, Topology):
            return topology_pb2.AcceptResponse(newer=convert.topology_message(outcome))
        return topology_pb2.AcceptResponse(acceptor=convert.acceptor_message(outcome))

    async def Pledge(
        self, request: topology_pb2.PledgeRequest, context: Context
    ) -> topology_pb2.PledgeResponse:
        if not is_url(request.founder):
            raise InvalidRequestError(
                f"founder={request.founder[:80]!r}: it must be the URL of a node that founds a cluster"
            )
        check_own_word(self._caller_of(context), request.founder, "pledge that is asked for")
        return topology_pb2.PledgeResponse(founder=await self._keeper.pledge(request.founder))

    async def Learn(self, request: topology_pb2.LearnRequest, context: Context) -> topology_pb2.LearnResponse:
        newest = await self._keeper.learn(convert.topology_from(request.topology))
        return topology_pb2.LearnResponse(topology=convert.topology_message(newest))

    async def Fetch(self, request: topology_pb2.FetchRequest, context: Context) -> topology_pb2.FetchResponse:
        return convert.account_message(self._keeper.account(request.after_epoch))

    async def GetProgress(
        self, request: topology_pb2.GetProgressRequest, context: Context
    ) -> topology_pb2.GetProgressResponse:
        return convert.progress_message(self._keeper.progress())

    def _check_proposer(self, ballot: Ballot, context: Context) -> None:
        """PeersOnlyError: the ballot is another member's. Two values in one ballot could both be decided, so
        no node may use the ballots of others. That the proposer is a member at all is checked later.
        """
        if url := self._url_of(ballot.proposer.partition("/")[0]):
            check_own_word(self._caller_of(context), url, "ballot")

    async def Ping(self, request: topology_pb2.PingRequest, context: Context) -> topology_pb2.PingResponse:
        return topology_pb2.PingResponse()
