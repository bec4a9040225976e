"""Strangers that speak as if they were nodes, beside real ones: they are few, and take nobody's place."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from typing import Any

import grpc
import pytest

from limedbpb.v1 import (
    cluster_pb2,
    cluster_pb2_grpc,
    kv_pb2,
    kv_pb2_grpc,
    record_pb2,
    topology_pb2,
    topology_pb2_grpc,
)
from tests.scenarios.strangers import SECONDS, answering_stranger
from tests.support.clusters import QUICK, Node, RunningCluster, running_cluster
from tests.support.ports import free_ports
from tests.support.serving import starting_node
from tests.support.waiting import wait_for

LIMIT = 120.0
"""Seconds in which even a machine with much else to do comes to it."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """A cluster that holds data: an empty one gives way to any that claims to hold some."""
    with running_cluster(tmp_path_factory.mktemp("strangers"), nodes=3, envoy=False) as running:
        with grpc.insecure_channel(running.nodes[0].address) as channel:
            request = kv_pb2.SetRequest(key="k", value="v", consistency=record_pb2.CONSISTENCY_ALL)
            kv_pb2_grpc.KVServiceStub(channel).Set(request, timeout=SECONDS)
        yield running


def known_to(node: Node) -> set[str]:
    """The other nodes that a node knows."""
    with grpc.insecure_channel(node.address) as channel:
        stub = cluster_pb2_grpc.ClusterServiceStub(channel)
        told = stub.GetGossip(cluster_pb2.GetGossipRequest(), timeout=SECONDS)
    return {peer.url for peer in told.peer_details}


def topology_of(node: Node) -> topology_pb2.Topology:
    """The newest topology that a node knows."""
    with grpc.insecure_channel(node.address) as channel:
        stub = topology_pb2_grpc.TopologyServiceStub(channel)
        return stub.Fetch(topology_pb2.FetchRequest(), timeout=SECONDS).topology


def test_a_stranger_that_answers_to_many_names_is_one_node(cluster: RunningCluster) -> None:
    names = [f"http://127.0.0.1:{port}" for port in range(9000, 9060)]
    with answering_stranger({node.url for node in cluster.nodes}, has_left=True) as stranger:

        def is_asked() -> bool:
            for node in cluster.nodes:
                stranger.tell(node.address, names)
            return len(stranger.named) > 12

        wait_for("it was asked by many names", is_asked, LIMIT)
        for node in cluster.nodes:
            assert len(known_to(node) & {*names}) <= 1


CLAIMS: dict[str, dict[str, Any]] = {
    "another replication factor": {"replication_factor": 1},
    "a member's node_id": {},
    "that it left": {"has_left": True},
    "that it joins another cluster only": {"rejoins": 1},
    "another cluster": {"cluster_id": 1, "epoch": 7, "has_data": True},
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_stranger_that_is_not_wanted_is_known_and_not_let_in(cluster: RunningCluster, claim: str) -> None:
    before = topology_of(cluster.nodes[0])
    claims = CLAIMS[claim] or {"node_id": before.members[1].node_id}
    with answering_stranger({node.url for node in cluster.nodes}, **claims) as stranger:
        own = f"http://{stranger.address}"

        def is_known() -> bool:
            for node in cluster.nodes:
                stranger.tell(node.address, [own])
            return all(own in known_to(node) for node in cluster.nodes)

        wait_for("all nodes know it", is_known, LIMIT)
        wait_for("it was asked again, some rounds later", lambda: stranger.rounds > 6, LIMIT)
    assert [topology_of(node) for node in cluster.nodes] == [before] * 3


def test_pledges_that_a_stranger_asks_for_keep_no_cluster_from_forming(tmp_path: Path) -> None:
    """It asks all fresh nodes, all the time, for any founder: a node that is there, or none."""
    with ExitStack() as stack:
        ports = stack.enter_context(free_ports(3))
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        nodes = []
        for port, url in zip(ports, urls, strict=True):
            peers = ",".join(other for other in urls if other != url)
            settings = QUICK | {"NODE_URL": url, "NODE_PEERS": peers}
            nodes.append(stack.enter_context(starting_node(tmp_path / f"{port}", port, settings)))
        stubs = [topology_pb2_grpc.TopologyServiceStub(_channel(stack, address)) for address in nodes]

        founders = cycle(["http://elsewhere:1", "http://127.0.0.1:1", *urls])

        def has_formed() -> bool:
            founder = next(founders)
            for stub in stubs:
                stub.Pledge(topology_pb2.PledgeRequest(founder=founder), timeout=SECONDS)
            known = [stub.Fetch(topology_pb2.FetchRequest(), timeout=SECONDS).topology for stub in stubs]
            return len(known[0].members) == 3 and all(topology == known[0] for topology in known)

        wait_for("three nodes are a cluster", has_formed, LIMIT, ignore=grpc.RpcError)
        answers = [
            stub.Pledge(topology_pb2.PledgeRequest(founder=urls[0]), timeout=SECONDS) for stub in stubs
        ]
        assert [answer.founder for answer in answers] == [""] * 3


def _channel(stack: ExitStack, address: str) -> grpc.Channel:
    return stack.enter_context(grpc.insecure_channel(address))
