"""What is sent is what was meant: values to messages, over bytes, and back.

Tests limedb/wire/load.py.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limedb.core.bounds import MAX_EPOCH, flaw
from limedb.core.layout import Span
from limedb.core.membership import Ack, Digest, NodeLoad, NodeState
from limedb.core.paxos import NONE, Acceptor, Ballot
from limedb.core.report import Progress
from limedb.core.topology import Fence, Member, MemberState, Phase, Topology
from limedb.errors import InvalidRequestError
from limedb.wire import gossip as convert_gossip
from limedb.wire import replica as convert_replica
from limedb.wire import topology as convert_topology
from limedbpb.v1 import gossip_pb2, replica_pb2, topology_pb2

U64 = st.integers(1, 2**64 - 1)
CLUSTERS = U64.map(lambda n: f"{n:016x}")
MEMBERS = st.builds(
    Member,
    node_id=st.uuids().map(str),
    url=st.integers(1, 65535).map(lambda n: f"http://node:{n}"),
    zone=st.text("abc é", max_size=3),
    virtual_nodes=st.integers(0, 4096),
    standing=st.sampled_from(MemberState),
)
TOPOLOGIES = st.just(Topology()) | st.builds(
    Topology,
    cluster_id=CLUSTERS,
    epoch=st.integers(1, MAX_EPOCH),
    replication_factor=st.integers(1, 16),
    members=st.lists(MEMBERS, min_size=1, max_size=4, unique_by=(lambda m: m.node_id, lambda m: m.url)).map(
        lambda members: tuple(sorted(members, key=lambda m: m.node_id))
    ),
    phase=st.sampled_from(Phase),
    writes_suspended=st.booleans(),
).filter(lambda topology: not flaw(topology))
BALLOTS = st.builds(Ballot, round=U64, proposer=st.uuids().map(str))

LOAD = NodeLoad(
    1, 2, 3.5, requests_per_second=4.5, gets_per_second=5.5, sets_per_second=6.5,
    dels_per_second=7.5, average_latency_ms=8.5, error_rate=0.5,
)  # fmt: skip


@given(TOPOLOGIES)
def test_a_topology_comes_back_as_it_was(topology: Topology) -> None:
    data = convert_topology.topology_message(topology).SerializeToString()
    assert convert_topology.topology_from(topology_pb2.Topology.FromString(data)) == topology


@given(CLUSTERS, U64)
def test_a_fence_comes_back_as_it_was(cluster_id: str, epoch: int) -> None:
    fence = Fence(cluster_id, epoch)
    data = convert_topology.fence_message(fence).SerializeToString()
    assert convert_topology.fence_from(topology_pb2.Fence.FromString(data)) == fence


@given(st.just(NONE) | BALLOTS, st.just(NONE) | BALLOTS, st.none() | TOPOLOGIES)
def test_an_acceptor_comes_back_as_it_was(promised: Ballot, accepted: Ballot, value: Topology | None) -> None:
    acceptor = Acceptor(promised, accepted, value)
    data = convert_topology.acceptor_message(acceptor).SerializeToString()
    assert convert_topology.acceptor_from(topology_pb2.Acceptor.FromString(data)) == acceptor


def test_progress_comes_back_as_it_was() -> None:
    progress = Progress(7, 10, 3, 12345, 99.5, "node2", False, {"http://node3:1": 12.5})
    data = convert_topology.progress_message(progress).SerializeToString()
    assert convert_topology.progress_from(topology_pb2.GetProgressResponse.FromString(data)) == progress


@pytest.mark.parametrize("load", [None, LOAD])
def test_gossip_comes_back_as_it_was(load: NodeLoad | None) -> None:
    state = NodeState(
        url="http://node1:8484", generation=5, heartbeat=6, address="a:1", zone="z", version="1", keys=9,
        node_id="id", cluster_id="00000000000000aa", epoch=4, virtual_nodes=16, has_data=True, has_left=True,
        replication_factor=3, load=load,
    )  # fmt: skip
    ack = Ack((state,), (Digest("http://node2:8484", 1, 2),), now_ms=1_700_000_000_000)
    data = convert_gossip.ack_response(ack).SerializeToString()
    assert convert_gossip.ack_from(gossip_pb2.ExchangeResponse.FromString(data)) == ack


MEMBER = topology_pb2.Member(node_id="a", url="http://n:1", standing=topology_pb2.STANDING_NORMAL)


@pytest.mark.parametrize(
    "message",
    [
        topology_pb2.Topology(),
        topology_pb2.Topology(cluster_id=1, epoch=1),
        topology_pb2.Topology(cluster_id=1, epoch=1, phase=9),
        topology_pb2.Topology(cluster_id=1, phase=topology_pb2.PHASE_STEADY),
        topology_pb2.Topology(epoch=1, phase=topology_pb2.PHASE_STEADY),
        *(
            topology_pb2.Topology(cluster_id=1, epoch=1, phase=topology_pb2.PHASE_STEADY, members=[member])
            for member in (
                topology_pb2.Member(url="http://n:1", standing=topology_pb2.STANDING_NORMAL),
                topology_pb2.Member(node_id="a", standing=topology_pb2.STANDING_NORMAL),
                topology_pb2.Member(node_id="a", url="nonsense", standing=topology_pb2.STANDING_NORMAL),
                topology_pb2.Member(node_id="a", url="http://n:1"),
            )
        ),
    ],
    ids=str,
)
def test_what_is_no_topology_is_refused(message: topology_pb2.Topology) -> None:
    with pytest.raises(InvalidRequestError):
        convert_topology.topology_from(message)


@pytest.mark.parametrize(
    "message", [topology_pb2.Fence(), topology_pb2.Fence(epoch=1), topology_pb2.Fence(cluster_id=1)], ids=str
)
def test_a_fence_that_is_not_set_is_refused(message: topology_pb2.Fence) -> None:
    with pytest.raises(InvalidRequestError, match="fence"):
        convert_topology.fence_from(message)


def test_a_ballot_that_is_not_set_is_refused() -> None:
    for message in (topology_pb2.Ballot(), topology_pb2.Ballot(round=1), topology_pb2.Ballot(proposer="a")):
        with pytest.raises(InvalidRequestError, match="ballot"):
            convert_topology.ballot_from(message)


def test_a_span_does_not_run_backwards() -> None:
    assert convert_replica.span_from(replica_pb2.Span(first=5, last=5)) == Span(5, 5)
    with pytest.raises(InvalidRequestError, match="backwards"):
        convert_replica.span_from(replica_pb2.Span(first=5, last=4))
