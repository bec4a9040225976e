"""A new node beside somebody with the certificate of one member, who answers at that member's address and
names a cluster of the two of them.

Tests limedb/cluster/topology/first_claims.py.
"""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import grpc
import pytest

from limedb.rpc.addressee import HEADER as MEANT
from limedb.rpc.caller import HEADER
from limedb.tls.dialling import open_channel
from limedb.tls.target import ClientTls, Target
from limedbpb.v1 import gossip_pb2, gossip_pb2_grpc, topology_pb2, topology_pb2_grpc
from tests.support.certificates import settings_of
from tests.support.certified import Certified, certified_cluster
from tests.support.clusters import QUICK, limedb
from tests.support.ports import free_ports
from tests.support.serving import starting_node
from tests.support.waiting import wait_for

pytestmark = pytest.mark.cluster

THIEF = 2
"""The index of the member whose certificate was stolen."""
FALSE = int("e" * 16, 16)
SECONDS = 1.0
AT_ONCE = tuple((f"grpc.{which}_reconnect_backoff_ms", 50) for which in ("initial", "min", "max"))
"""Connects as soon as the new node listens."""


class FalseFounder(topology_pb2_grpc.TopologyServiceServicer, gossip_pb2_grpc.GossipServiceServicer):
    """Answers as a member of a cluster of its own. own: the member as the true cluster has it."""

    def __init__(self, own: topology_pb2.Member) -> None:
        self._own, self._born_ms = own, time.time_ns() // 1_000_000
        self.claim = topology_pb2.Topology(
            cluster_id=FALSE, epoch=1, replication_factor=3, phase=topology_pb2.PHASE_STEADY
        )
        self.beat = 0

    def state(self) -> gossip_pb2.NodeState:
        self.beat += 1
        return gossip_pb2.NodeState(
            node_url=self._own.url, generation=self._born_ms, heartbeat=self.beat,
            node_id=self._own.node_id, cluster_id=FALSE, epoch=1, replication_factor=3,
        )  # fmt: skip

    def name(self, node_id: str, url: str) -> None:
        """Claim that this node is in the cluster, too."""
        member = topology_pb2.Member()
        member.CopyFrom(self._own)
        member.node_id, member.url = node_id, url
        del self.claim.members[:]
        self.claim.members.extend(sorted((self._own, member), key=lambda each: each.node_id))

    def Exchange(  # noqa: N802 (gRPC's name)
        self, request: gossip_pb2.ExchangeRequest, context: grpc.ServicerContext
    ) -> gossip_pb2.ExchangeResponse:
        return gossip_pb2.ExchangeResponse(
            digests_update=[self.state()], now_ms=time.time_ns() // 1_000_000, node_url=self._own.url
        )

    def Fetch(  # noqa: N802 (gRPC's name)
        self, request: topology_pb2.FetchRequest, context: grpc.ServicerContext
    ) -> topology_pb2.FetchResponse:
        return topology_pb2.FetchResponse(topology=self.claim)


@contextmanager
def false_founder(certified: Certified, own: topology_pb2.Member) -> Iterator[FalseFounder]:
    """It listens where the member's peers dial it, with its certificate."""
    files = certified.files(certified.cluster.nodes[THIEF].name)
    assert files.cert
    assert files.key
    assert files.ca
    server = grpc.server(ThreadPoolExecutor(8))
    founder = FalseFounder(own)
    topology_pb2_grpc.add_TopologyServiceServicer_to_server(founder, server)
    gossip_pb2_grpc.add_GossipServiceServicer_to_server(founder, server)
    pair = (files.key.read_bytes(), files.cert.read_bytes())
    shown = grpc.ssl_server_credentials([pair], files.ca.read_bytes(), require_client_auth=True)
    server.add_secure_port(certified.peers_at(THIEF), shown)
    server.start()
    try:
        yield founder
    finally:
        server.stop(0).wait()


def mislead(founder: FalseFounder, certified: Certified, port: int, url: str, ended: threading.Event) -> None:
    """Send its claim to a new node, over and over. port: for the peers of the new one."""
    own = certified.cluster.nodes[THIEF]
    options = {"timeout": SECONDS, "metadata": ((HEADER, own.url.encode()), (MEANT, url.encode()))}
    syn = gossip_pb2.ExchangeRequest(type=gossip_pb2.GOSSIP_SYN, payload=gossip_pb2.GossipPayload())
    with open_channel(Target(f"127.0.0.1:{port}", certified.files(own.name)), AT_ONCE) as channel:
        gossip = gossip_pb2_grpc.GossipServiceStub(channel)
        topology = topology_pb2_grpc.TopologyServiceStub(channel)
        while not ended.wait(0.02):
            with suppress(grpc.RpcError):
                heard = gossip.Exchange(syn, **options).digests_update
                for state in [each for each in heard if each.node_url == url]:
                    founder.name(state.node_id, url)
                    topology.Learn(topology_pb2.LearnRequest(topology=founder.claim), **options)


def true_topology(certified: Certified) -> topology_pb2.Topology:
    node, own = certified.cluster.nodes[0], certified.cluster.nodes[THIEF]
    metadata = ((HEADER, own.url.encode()), (MEANT, node.url.encode()))
    with open_channel(Target(certified.peers_at(0), certified.files(own.name)), ()) as channel:
        stub = topology_pb2_grpc.TopologyServiceStub(channel)
        return stub.Fetch(topology_pb2.FetchRequest(), timeout=SECONDS, metadata=metadata).topology


def cluster_of(certified: Certified, address: str, tls: ClientTls) -> str:
    """The cluster in which a node believes itself to be; empty: in none."""
    target = ("--target", address, "--ca", str(tls.ca), "--cert", str(tls.cert), "--key", str(tls.key))
    done = limedb("status", "-o", "json", *target, "--token-file", str(certified.root))
    return str(json.loads(done.stdout).get("clusterId", "")) if done.returncode == 0 else ""


def test_a_new_node_joins_its_cluster_and_not_that_of_a_thief(tmp_path: Path) -> None:
    with certified_cluster(tmp_path) as certified, free_ports(4) as ports:
        true = true_topology(certified)
        own = next(m for m in true.members if m.url == certified.cluster.nodes[THIEF].url)
        certified.cluster.kill(certified.cluster.nodes[THIEF].name)
        url = f"http://127.0.0.1:{ports[0]}"
        tls = certified.node(url, "fresh")
        settings = {
            "NODE_URL": url, "NODE_PEERS": ",".join(node.url for node in certified.cluster.nodes),
            "PEER_PORT_OFFSET": "3", "TLS_CLIENT_CERT": "required", "AUTH": "required",
            "ROOT_TOKEN_FILE": str(certified.root), **settings_of(tls), **QUICK,
        }  # fmt: skip
        ended = threading.Event()
        with false_founder(certified, own) as founder, ThreadPoolExecutor(1) as lies:
            lying = lies.submit(mislead, founder, certified, ports[3], url, ended)
            try:
                with starting_node(tmp_path / "fresh", ports[0], settings) as address:
                    found = wait_for("a cluster", lambda: cluster_of(certified, address, tls), limit=60)
            finally:
                ended.set()
            lying.result()
        assert founder.claim.members, "the thief didn't get as far as a claim"
        assert found == f"{true.cluster_id:016x}"
