"""What an attacker with the certificate of one member can't do: speak for the others, or damage the cluster.

The list is the one of strangers (tests/scenarios/test_hostile_peers.py and test_hostile_gossip.py), sent over
mutual TLS by a node that proves its name. Tests limedb/rpc/server/topology.py and limedb/rpc/caller.py.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import grpc
import pytest
from google.protobuf.json_format import ParseDict

from limedb.core.hlc import FIRST_BALLOT, version_at
from limedb.rpc.addressee import AddressedChannel
from limedb.rpc.caller import HEADER
from limedb.tls.dialling import open_channel
from limedb.tls.target import Target
from limedbpb.v1 import gossip_pb2, gossip_pb2_grpc, replica_pb2, topology_pb2
from tests.scenarios.test_hostile_gossip import LIES, names, states
from tests.scenarios.test_hostile_peers import FAR, REFUSED, SECONDS, Stranger, apply_all, forged
from tests.support.certified import Certified, certified_cluster
from tests.support.waiting import wait_for

pytestmark = pytest.mark.cluster

NOT = grpc.StatusCode.PERMISSION_DENIED
LIAR = 2
"""The index of the node whose certificate the attacker has. The node itself runs."""
LARGE = (("grpc.max_send_message_length", 64 << 20),)


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Certified]:
    with certified_cluster(tmp_path_factory.mktemp("lied-to")) as made:
        root(made, "set", "kept", "x", "--consistency", "all")
        yield made


def root(certified: Certified, *arguments: str) -> str:
    return certified.limedb(*arguments, tls=certified.files("client"), token=certified.root)


@contextmanager
def liar(certified: Certified, index: int) -> Iterator[Stranger]:
    """The attacker, connected to a node."""
    node, own = certified.cluster.nodes[index], certified.cluster.nodes[LIAR]
    target = Target(certified.peers_at(index), certified.files(own.name))
    with open_channel(target, LARGE) as channel:
        claim = AddressedChannel(cast("grpc.aio.Channel", channel), node.url, ((HEADER, own.url.encode()),))
        yield Stranger(node, cast("grpc.Channel", claim))


def ids(true: topology_pb2.Topology) -> dict[str, str]:
    """The members' node_id, by URL."""
    return {member.url: member.node_id for member in true.members}


def is_well(certified: Certified) -> bool:
    """Whether all nodes are there, at their own addresses, and take writes."""
    state = json.loads(root(certified, "admin", "status", "-o", "json"))
    if {each["url"] for each in state["members"]} != {node.url for node in certified.cluster.nodes}:
        return False
    root(certified, "set", "kept", str(time.time_ns()), "--consistency", "all")
    return True


def epoch(certified: Certified) -> int:
    return int(json.loads(root(certified, "admin", "status", "-o", "json"))["epoch"])


def test_a_ballot_of_another_node_is_refused(certified: Certified) -> None:
    """Two values in one ballot, sent to different voters, could both be decided."""
    own = certified.cluster.nodes[LIAR].url
    for index in (0, 1):
        with liar(certified, index) as attacker:
            true = attacker.known()
            for url, node_id in ids(true).items():
                ballot = topology_pb2.Ballot(round=1, proposer=f"{node_id}/forged")
                prepare = topology_pb2.PrepareRequest(before=true, ballot=ballot)
                accept = topology_pb2.AcceptRequest(before=true, ballot=ballot, after=forged(true)[2])
                codes = [
                    attacker.send(attacker.topology, name, request)
                    for name, request in (("Prepare", prepare), ("Accept", accept))
                ]
                assert (codes == [NOT, NOT]) is (url != own), url


def test_a_pledge_for_another_node_is_refused(certified: Certified) -> None:
    with liar(certified, 0) as attacker:
        for node in certified.cluster.nodes:
            pledge = topology_pb2.PledgeRequest(founder=node.url)
            code = attacker.send(attacker.topology, "Pledge", pledge)
            assert (code is NOT) is (node is not certified.cluster.nodes[LIAR])


def test_forged_topologies_and_ballots_without_end_change_nothing(certified: Certified) -> None:
    before = epoch(certified)
    own = certified.cluster.nodes[LIAR].url
    for index in (0, 1):
        with liar(certified, index) as attacker:
            true = attacker.known()
            proposer = f"{ids(true)[own]}/x"
            for topology in forged(true):
                attacker.send(attacker.topology, "Learn", topology_pb2.LearnRequest(topology=topology))
                for round_ in (FAR, 2**62, 7):
                    ballot = topology_pb2.Ballot(round=round_, proposer=proposer)
                    accept = topology_pb2.AcceptRequest(before=true, ballot=ballot, after=topology)
                    assert attacker.send(attacker.topology, "Accept", accept) in REFUSED
            for round_ in (FAR, 2**62):
                ballot = topology_pb2.Ballot(round=round_, proposer=proposer)
                prepare = topology_pb2.PrepareRequest(before=true, ballot=ballot)
                assert attacker.send(attacker.topology, "Prepare", prepare) in REFUSED
    assert epoch(certified) == before
    wait_for("all is well", lambda: is_well(certified), ignore=AssertionError)


def test_records_that_no_node_would_send_are_refused(certified: Certified) -> None:
    for index in (0, 1):
        with liar(certified, index) as attacker:
            apply_all(attacker)


def test_promises_that_no_node_would_ask_for_are_refused_and_others_hold_up_no_write(
    certified: Certified,
) -> None:
    now = time.time_ns() // 1_000_000
    asked = [("far", FAR), ("far", version_at(now + 600_000, FIRST_BALLOT)), ("none", version_at(now))]
    asked += [("k" * 100_000, version_at(now, FIRST_BALLOT)), ("", version_at(now, FIRST_BALLOT))]
    for index in (0, 1):
        with liar(certified, index) as attacker:
            true = attacker.known()
            fence = topology_pb2.Fence(cluster_id=true.cluster_id, epoch=true.epoch)
            for key, ballot in asked:
                promise = replica_pb2.PromiseRequest(key=key, ballot=ballot, fence=fence)
                assert attacker.send(attacker.replica, "Promise", promise) in REFUSED, key
            ahead = version_at(time.time_ns() // 1_000_000 + 300, FIRST_BALLOT)
            promise = replica_pb2.PromiseRequest(key="kept", ballot=ahead, fence=fence)
            assert attacker.send(attacker.replica, "Promise", promise) is None
    wait_for("all is well", lambda: is_well(certified), ignore=AssertionError)


def test_gossip_about_others_lasts_no_longer_than_it_is_told(certified: Certified) -> None:
    before = epoch(certified)
    messages = [states(certified.cluster, **lies) for lies in LIES.values()]
    made_up = [f"http://127.0.0.1:{9_000 + i}" for i in range(900)]
    messages.append(names(["not a url", "://x", "", "http://" + "n" * 300 + ":1", *made_up]))
    for message in messages:
        for index in (0, 1):
            with liar(certified, index) as attacker:
                stub = gossip_pb2_grpc.GossipServiceStub(attacker.channel)
                stub.Exchange(ParseDict(message, gossip_pb2.ExchangeRequest()), timeout=SECONDS)
    wait_for("all is well", lambda: is_well(certified), ignore=AssertionError)
    assert epoch(certified) == before


def test_50_000_names_in_one_message_are_refused(certified: Certified) -> None:
    many = names([f"http://10.1.{i // 256}.{i % 256}:8484" for i in range(50_000)])
    with liar(certified, 0) as attacker:
        request = ParseDict(many, gossip_pb2.ExchangeRequest())
        stub = gossip_pb2_grpc.GossipServiceStub(attacker.channel)
        assert attacker.send(stub, "Exchange", request) is grpc.StatusCode.INVALID_ARGUMENT
    assert is_well(certified)
