"""gRPC from outside: generated stubs through nodes and Envoy, grpcurl from its wheel, health, reflection.

Tests limedb/rpc/server/kv.py.
"""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from limedbpb.v1 import cluster_pb2, cluster_pb2_grpc, kv_pb2, kv_pb2_grpc, replica_pb2, replica_pb2_grpc
from tests.floods import wire
from tests.support.clusters import RunningCluster
from tests.support.keys import new_key, new_key_of
from tests.support.waiting import wait_for

SERVING = health_pb2.HealthCheckResponse.SERVING
SERVICES = [
    "limedb.v1.KVService",
    "limedb.v1.ClusterService",
    "limedb.v1.GossipService",
    "limedb.v1.ReplicaService",
]


@pytest.fixture
def channel(cluster: RunningCluster) -> Iterator[grpc.Channel]:
    """To the first node."""
    with grpc.insecure_channel(cluster.nodes[0].address) as channel:
        yield channel


@pytest.fixture
def envoy(cluster: RunningCluster) -> Iterator[grpc.Channel]:
    """To Envoy."""
    with grpc.insecure_channel(cluster.envoy_address) as channel:
        yield channel


def grpcurl(address: str, *arguments: str, data: dict[str, object] | None = None) -> str:
    options = ["-d", json.dumps(data)] if data is not None else []
    tool = str(Path(sys.executable).with_name("grpcurl"))  # of the wheel, whatever is on the PATH
    command = [tool, "-plaintext", "-max-time", "10", *options, address, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout + done.stderr


def code_of(error: pytest.ExceptionInfo[grpc.RpcError]) -> grpc.StatusCode:
    code: grpc.StatusCode = error.value.code()
    return code


def test_http_1_on_a_nodes_port_is_ended_at_once(cluster: RunningCluster) -> None:
    """It gets no words (docs/decisions/0013), but an end, so that a client doesn't wait for its timeout."""
    host, _, port = cluster.nodes[0].address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(b"GET /api/v1/get/a HTTP/1.1\r\nHost: node1\r\n\r\n")
        answer = b""
        with suppress(ConnectionResetError):
            while data := connection.recv(1 << 16):
                answer += data
    assert len(answer) < 100
    assert b"HTTP" not in answer


@pytest.mark.parametrize("kind", ["application/grpc", "text/plain", "application/x-www-form-urlencoded"])
def test_a_nodes_port_takes_no_call_that_a_page_can_send(cluster: RunningCluster, kind: str) -> None:
    """A page can't set `te`, and gRPC's server takes nothing without it, whatever the content type is.

    So a node needs no look at Origin, also where TLS lets a browser speak HTTP/2 to it.
    """
    key = new_key()
    request = kv_pb2.SetRequest(key=key, value="of a page").SerializeToString()
    page = {"te": "", "content-type": kind, "origin": "http://page.example"}
    for more, end in ((page, wire.RST_STREAM), (page | {"te": "trailers"}, wire.HEADERS)):
        with wire.connected(cluster.nodes[0].address, 65535) as link:
            link.sendall(wire.call(1, wire.header_block("/limedb.v1.KVService/Set", more), request))
            assert end_of_call(link) == end
        with grpc.insecure_channel(cluster.nodes[0].address) as channel:
            stub = kv_pb2_grpc.KVServiceStub(channel)
            (result,) = stub.BatchGet(kv_pb2.BatchGetRequest(keys=[key]), timeout=20).results
        assert result.found == (end == wire.HEADERS)


def end_of_call(link: socket.socket) -> int:
    """The kind of the frame that ends the first call on a connection."""
    with link.makefile("rb") as frames:
        while head := frames.read(9):
            size, kind, flags, stream = int.from_bytes(head[:3]), head[3], head[4], int.from_bytes(head[5:])
            frames.read(size)
            if stream == 1 and (kind == wire.RST_STREAM or flags & wire.END_STREAM):
                return kind
    raise AssertionError("the connection ended first")


@pytest.mark.parametrize("through", ["channel", "envoy"])
def test_set_get_delete_with_generated_stubs(
    through: str, request: pytest.FixtureRequest, urls: list[str]
) -> None:
    stub = kv_pb2_grpc.KVServiceStub(request.getfixturevalue(through))
    key = new_key_of(urls[1], urls)
    receipt = stub.Set(kv_pb2.SetRequest(key=key, blob=b"\x00\xff"), timeout=10).receipt
    assert (receipt.acked, receipt.replicas) == (1, 1)
    got = stub.Get(kv_pb2.GetRequest(key=key), timeout=10)
    assert (got.blob, got.node_url) == (b"\x00\xff", urls[1])
    deleted = stub.Delete(kv_pb2.DeleteRequest(key=key), timeout=10)
    assert deleted.deleted == 1
    assert deleted.receipt.version > receipt.version
    with pytest.raises(grpc.RpcError) as caught:
        stub.Get(kv_pb2.GetRequest(key=key), timeout=10)
    assert code_of(caught) is grpc.StatusCode.NOT_FOUND


def test_an_error_of_the_owner_keeps_its_class_across_the_hop(channel: grpc.Channel, urls: list[str]) -> None:
    stub = kv_pb2_grpc.KVServiceStub(channel)
    with pytest.raises(grpc.RpcError) as caught:
        stub.Get(kv_pb2.GetRequest(key=new_key_of(urls[1], urls)), timeout=10)
    assert ("limedb-error", "KeyNotFoundError") in caught.value.trailing_metadata()


def test_every_node_reports_its_state_to_the_others(channel: grpc.Channel, urls: list[str]) -> None:
    """The memory of a process is never zero, and each node's store grows by a key of its own."""
    keys, stub = kv_pb2_grpc.KVServiceStub(channel), cluster_pb2_grpc.ClusterServiceStub(channel)
    for url in urls:
        keys.Set(kv_pb2.SetRequest(key=new_key_of(url, urls), value="v"), timeout=10)

    def loads() -> dict[str, tuple[bool, bool]]:
        nodes = next(iter(stub.WatchCluster(cluster_pb2.WatchClusterRequest(), timeout=5))).nodes
        return {node.url: (node.load.memory_bytes > 1 << 20, node.load.disk_bytes > 0) for node in nodes}

    wait_for("all loads", lambda: loads() == dict.fromkeys(urls, (True, True)))


@pytest.mark.parametrize("service", ["", *SERVICES])
def test_health_is_reported_for_each_service_and_overall(channel: grpc.Channel, service: str) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    assert stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10).status == SERVING


def test_envoy_passes_the_public_services_only(envoy: grpc.Channel) -> None:
    assert (
        cluster_pb2_grpc.ClusterServiceStub(envoy)
        .GetState(cluster_pb2.GetStateRequest(), timeout=10)
        .total_nodes
        == 4
    )
    with pytest.raises(grpc.RpcError) as caught:
        replica_pb2_grpc.ReplicaServiceStub(envoy).Read(replica_pb2.ReadRequest(keys=["k"]), timeout=10)
    assert code_of(caught) is grpc.StatusCode.UNIMPLEMENTED


def test_grpcurl_lists_and_describes(cluster: RunningCluster) -> None:
    address = cluster.nodes[0].address
    listed = grpcurl(address, "list").split()
    assert {*SERVICES, "grpc.health.v1.Health"} <= set(listed)
    described = grpcurl(address, "describe", "limedb.v1.KVService")
    assert "rpc Get ( .limedb.v1.GetRequest ) returns ( .limedb.v1.GetResponse )" in described


def test_grpcurl_lists_through_envoy_what_envoy_routes(cluster: RunningCluster) -> None:
    listed = grpcurl(cluster.envoy_address, "list").split()
    assert {"limedb.v1.KVService", "limedb.v1.AdminService", "grpc.health.v1.Health"} <= set(listed)
    assert not {"limedb.v1.ReplicaService", "limedb.v1.TopologyService"} & set(listed)


def test_grpcurl_describes_a_method_and_a_field_with_their_comments_through_envoy(
    cluster: RunningCluster,
) -> None:
    method = grpcurl(cluster.envoy_address, "describe", "limedb.v1.KVService.Get")
    assert "// Get reads the value of a key. NOT_FOUND: there is none.\nrpc Get (" in method
    message = grpcurl(cluster.envoy_address, "describe", "limedb.v1.GetRequest")
    assert "  // Key is 1 to 4096 bytes of UTF-8. Empty: refused.\n  string key = 1;" in message


def test_grpcurl_calls_through_envoy_and_shows_an_errors_details(cluster: RunningCluster) -> None:
    address, key = cluster.envoy_address, new_key()
    assert '"acked": 1' in grpcurl(address, "limedb.v1.KVService/Set", data={"key": key, "value": "v"})
    assert '"value": "v"' in grpcurl(address, "limedb.v1.KVService/Get", data={"key": key})
    assert '"reason":"KEY_NOT_FOUND"' in grpcurl(
        address, "limedb.v1.KVService/Get", data={"key": new_key()}
    ).replace(" ", "")
    assert '"status": "SERVING"' in grpcurl(address, "grpc.health.v1.Health/Check")


def test_grpcurl_sets_gets_and_probes_health(cluster: RunningCluster) -> None:
    first, last = cluster.nodes[0].address, cluster.nodes[3].address
    key = new_key()
    assert '"acked": 1' in grpcurl(
        first, "limedb.v1.KVService/Set", data={"key": key, "value": "from grpcurl"}
    )
    assert '"value": "from grpcurl"' in grpcurl(last, "limedb.v1.KVService/Get", data={"key": key})
    missing = grpcurl(last, "limedb.v1.KVService/Get", data={"key": new_key()})
    assert "Code: NotFound" in missing
    assert '"reason":"KEY_NOT_FOUND"' in missing.replace(" ", "")
    assert '"status": "SERVING"' in grpcurl(first, "grpc.health.v1.Health/Check")


def test_text_that_is_not_utf8_is_refused_as_the_clients_error(channel: grpc.Channel) -> None:
    get = channel.unary_unary("/limedb.v1.KVService/Get")
    with pytest.raises(grpc.RpcError) as caught:
        get(b"\x0a\x02\xff\xfe", timeout=10)
    assert code_of(caught) is grpc.StatusCode.INVALID_ARGUMENT
    assert "UTF-8" in caught.value.details()
