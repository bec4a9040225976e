"""Strangers that answer as if they were nodes, beside real ones: they are few, and take nobody's place."""

from collections.abc import Iterator
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
from tests.support.clusters import Node, RunningCluster, running_cluster
from tests.support.waiting import wait_for


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """A cluster that holds data: an empty one gives way to whoever says that it holds some."""
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

        wait_for("it was asked by many names", is_asked)
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

        wait_for("all nodes know it", is_known)
        wait_for("it was asked again, some rounds later", lambda: stranger.rounds > 6)
    assert [topology_of(node) for node in cluster.nodes] == [before] * 3
