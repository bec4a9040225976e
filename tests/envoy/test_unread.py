"""Answers that clients don't read, through a real Envoy to a real node: nobody else waits for them."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import NamedTuple

import grpc
import httpx
import pytest

from limedb.launch import envoy
from limedb.launch.addresses import Address
from limedb.launch.envoy import EnvoyOptions
from limedb.wire import descriptors
from limedbpb.v1 import kv_pb2, kv_pb2_grpc
from tests.envoy.gateway import running_envoy, wait_until
from tests.floods import wire
from tests.support.ports import free_ports
from tests.support.serving import running_node

SCANS = 60
"""Six hung Envoy when the window of its connection to a node was as large as that of a stream."""
PATIENCE = 10

pytestmark = pytest.mark.cluster


class Gate(NamedTuple):
    """host:port of an Envoy, and of its only node."""

    envoy: str
    node: str


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """The node holds 20 MB in values of 100 kB."""
    folder = tmp_path_factory.mktemp("unread")
    with ExitStack() as stack:
        port, node_port = stack.enter_context(free_ports(2))
        settings = {"NODE_URL": f"http://127.0.0.1:{node_port}", "MAX_MEMORY": "2GiB"}
        node = stack.enter_context(running_node(folder / "node", node_port, settings))
        options = EnvoyOptions(
            nodes=(envoy.parse_node(f"http://{node}"),),
            listen=Address("127.0.0.1", port),
            descriptor=str(descriptors.path()),
        )
        log = stack.enter_context(running_envoy(folder, envoy.render(options)))
        _fill(node)
        wait_until(lambda: _answers(f"127.0.0.1:{port}"), "Envoy to reach the node", log)
        yield Gate(f"127.0.0.1:{port}", node)


@pytest.fixture
def address(gate: Gate) -> str:
    return gate.envoy


def _fill(node: str) -> None:
    with grpc.insecure_channel(node) as channel:
        stub = kv_pb2_grpc.KVServiceStub(channel)
        for n in range(200):
            stub.Set(kv_pb2.SetRequest(key=f"large-{n:03d}", value="v" * 100_000), timeout=PATIENCE)


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/api/v1/health", timeout=PATIENCE).is_success
    except httpx.HTTPError:
        return False


def _unread(address: str, path: str) -> socket.socket:
    """A request by HTTP/1.1 whose answer has begun, and is not read."""
    host, _, port = address.rpartition(":")
    link = socket.socket()
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    link.settimeout(PATIENCE)
    link.connect((host, int(port)))
    link.sendall(f"GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n".encode())
    assert link.recv(12) == b"HTTP/1.1 200"
    return link


def _others_are_served(address: str) -> None:
    """By REST and by gRPC, on connections of their own: small and large, reads, writes and a scan."""
    with httpx.Client(base_url=f"http://{address}", timeout=PATIENCE) as client:
        for n in range(20):
            assert client.post("/api/v1/set", json={"key": f"k{n}", "value": "v"}).is_success
            assert client.get(f"/api/v1/get/k{n}").json()["value"] == "v"
        assert len(client.get("/api/v1/get/large-000").json()["value"]) == 100_000
        assert client.get("/api/v1/scan", params={"prefix": "k", "limit": 5}).is_success
    with grpc.insecure_channel(address) as channel:
        stub = kv_pb2_grpc.KVServiceStub(channel)
        assert stub.Get(kv_pb2.GetRequest(key="k1"), timeout=PATIENCE).value == "v"


def test_others_are_served_beside_scans_that_nobody_reads(address: str) -> None:
    with ExitStack() as stack:
        for _ in range(SCANS):
            stack.enter_context(_unread(address, "/api/v1/scan"))
        _others_are_served(address)


def test_others_are_served_beside_streams_without_a_window(address: str) -> None:
    """The same by HTTP/2, as clients of gRPC and gRPC-Web are: one connection, 60 scans and 60 sessions."""
    scan = wire.header_block("/limedb.v1.KVService/Scan")
    session = wire.header_block("/limedb.v1.KVService/Session")
    keys = [f"large-{n:03d}" for n in range(30)]
    asked = kv_pb2.SessionRequest(id=1, batch_get=kv_pb2.BatchGetRequest(keys=keys))
    calls = [wire.call(4 * n + 1, scan, b"") for n in range(60)]
    calls += [wire.call(4 * n + 3, session, asked.SerializeToString()) for n in range(60)]
    with wire.connected(address, window=0) as link:
        link.sendall(b"".join(calls))
        _others_are_served(address)


@pytest.mark.parametrize("way", ["envoy", "node"])
def test_the_same_client_reads_on_while_its_other_scans_wait(gate: Gate, way: str) -> None:
    """Streams on one connection of gRPC don't hold each other up, either, at Envoy or at a node."""
    address = getattr(gate, way)
    with grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        stub = kv_pb2_grpc.KVServiceStub(channel)
        scans = [stub.Scan(kv_pb2.ScanRequest(), timeout=3 * PATIENCE) for _ in range(10)]
        assert all(next(iter(scan)).entries for scan in scans)
        assert stub.Get(kv_pb2.GetRequest(key="large-001"), timeout=PATIENCE).value
        read = sum(len(answer.entries) for answer in scans[3])
        assert read > 150
        for scan in scans:
            scan.cancel()
