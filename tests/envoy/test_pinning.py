"""?node= and x-limedb-node through a real Envoy."""

import base64

import grpc
import httpx
import pytest
from google.rpc import status_pb2
from google.rpc.error_details_pb2 import ErrorInfo

from limedb.wire.status import remote_error
from limedbpb.v1 import cluster_pb2, cluster_pb2_grpc
from tests.envoy.gateway import Gateway, wait_until


def answering(gateway: Gateway, headers: dict[str, str] | None = None, **query: str) -> str:
    """The node that answers."""
    answer = gateway.client.get("/api/v1/health", params=query, headers=headers or {})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["nodeUrl"])


def test_the_query_pins(gateway: Gateway) -> None:
    for node in gateway.nodes * 3:
        assert answering(gateway, node=node.url) == node.url


def test_the_query_needs_no_encoding(gateway: Gateway) -> None:
    url = gateway.nodes[1].url
    assert gateway.client.get(f"/api/v1/health?node={url}").json()["nodeUrl"] == url


def test_the_header_pins(gateway: Gateway) -> None:
    for node in gateway.nodes * 3:
        assert answering(gateway, {"x-limedb-node": node.url}) == node.url


def test_the_query_wins_over_the_header(gateway: Gateway) -> None:
    first, second = gateway.nodes
    assert answering(gateway, {"x-limedb-node": first.url}, node=second.url) == second.url


def test_an_empty_query_pins_to_nothing(gateway: Gateway) -> None:
    url = gateway.nodes[1].url
    assert answering(gateway, {"x-limedb-node": url}, node="") == url
    assert {answering(gateway, node="") for _ in range(20)} == {node.url for node in gateway.nodes}


def test_writes_are_pinned_too(gateway: Gateway) -> None:
    for node in gateway.nodes:
        query = {"node": node.url}
        gateway.client.post("/api/v1/set", params=query, json={"key": "k", "value": "v"})
        gateway.client.delete("/api/v1/del/k", params=query)
        assert [call.method for call in node.calls] == ["Set", "Delete"]


def test_a_grpc_call_is_pinned_by_metadata(gateway: Gateway) -> None:
    with grpc.insecure_channel(gateway.address) as channel:
        stub = cluster_pb2_grpc.ClusterServiceStub(channel)
        for node in gateway.nodes * 2:
            pin = (("x-limedb-node", node.url),)
            assert stub.GetState(cluster_pb2.GetStateRequest(), metadata=pin).node_url == node.url


def test_an_unknown_node_is_404_and_told(gateway: Gateway) -> None:
    for answer in (
        gateway.client.get("/api/v1/health", params={"node": "http://nope:1"}),
        gateway.client.get("/api/v1/health", headers={"x-limedb-node": "http://nope:1"}),
        gateway.client.post("/api/v1/set", params={"node": "nope"}, json={"key": "k", "value": "v"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, 5)
        assert all(node.url in answer.json()["message"] for node in gateway.nodes)
        assert reason_in(answer) == "UNKNOWN_NODE"
    assert not any(node.calls for node in gateway.nodes)


def test_an_unknown_node_is_not_found_in_grpc(gateway: Gateway) -> None:
    with grpc.insecure_channel(gateway.address) as channel:
        stub = cluster_pb2_grpc.ClusterServiceStub(channel)
        with pytest.raises(grpc.RpcError) as refused:
            stub.GetState(cluster_pb2.GetStateRequest(), metadata=(("x-limedb-node", "http://nope:1"),))
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    assert str(refused.value.details()).startswith("unknown node")
    assert _text_of_details(refused.value) == refused.value.details()
    error = remote_error("http://envoy:1", refused.value)
    assert error is not None
    assert (error.reason, error.nothing_written) == ("UNKNOWN_NODE", True)


def _text_of_details(error: grpc.RpcError) -> str:
    """What clients in Go show, which read no other text where there are details."""
    (found,) = [value for name, value in error.trailing_metadata() if name == "grpc-status-details-bin"]
    return status_pb2.Status.FromString(found).message


@pytest.mark.parametrize("path", ["limedb.v1.KVService/Nope", "limedb.v1.ReplicaService/Read", "x.Y/Z"])
def test_an_unknown_call_has_a_text_for_clients_in_go(gateway: Gateway, path: str) -> None:
    with grpc.insecure_channel(gateway.address) as channel, pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary(f"/{path}")(b"")
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "call" in _text_of_details(refused.value)


@pytest.mark.parametrize("version", [{}, {"connect-protocol-version": "1"}], ids=["bare", "with the version"])
def test_an_unknown_node_and_service_are_not_found_in_connect(
    gateway: Gateway, version: dict[str, str]
) -> None:
    for path, pin, reason in (
        ("KVService/Get", {"x-limedb-node": "http://nope:1"}, "UNKNOWN_NODE"),
        ("ReplicaService/Read", {}, "UNKNOWN_PATH"),
    ):
        answer = gateway.client.post(f"/limedb.v1.{path}", json={"key": "k"}, headers=version | pin)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
        assert (answer.json()["code"], connect_reason_in(answer)) == ("not_found", reason)
    assert not any(node.calls for node in gateway.nodes)


@pytest.mark.parametrize("path", ["/nope", "/api/v1/nope", "/limedb.v1.ReplicaService/Read"])
def test_an_unknown_path_is_404_with_its_reason(gateway: Gateway, path: str) -> None:
    method = "POST" if path.startswith("/limedb") else "GET"
    answer = gateway.client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (404, 5)
    assert reason_in(answer) == "UNKNOWN_PATH"


def test_an_unknown_path_is_unimplemented_in_grpc(gateway: Gateway) -> None:
    with grpc.insecure_channel(gateway.address) as channel, pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary("/limedb.v1.ReplicaService/Read")(b"")
    error = remote_error("http://envoy:1", refused.value)
    assert error is not None
    assert (error.code, error.reason) == ("UNIMPLEMENTED", "UNSUPPORTED")


@pytest.mark.parametrize(
    ("status", "method", "path", "more"),
    [
        (400, "GET", "/api/v1/get/a?key=b", {}),
        (400, "GET", "/api/v1/scan?prefx=a", {}),
        (405, "POST", "/api/v1/get/a", {}),
        (415, "POST", "/api/v1/set", {"content-type": "application/json; charset=utf-16"}),
        (415, "POST", "/limedb.v1.KVService/Get", {"content-type": "text/plain"}),
        (431, "GET", f"/{'a' * 40_000}", {}),
    ],
)
def test_each_refusal_of_envoy_has_its_reason(
    gateway: Gateway, status: int, method: str, path: str, more: dict[str, str]
) -> None:
    answer = gateway.client.request(method, path, content=b"{}" if method == "POST" else None, headers=more)
    assert (answer.status_code, reason_in(answer)) == (status, "INVALID_REQUEST")


def reason_in(answer: httpx.Response) -> str:
    """The reason of REST's error."""
    (detail,) = answer.json()["details"]
    assert (detail["@type"], detail["domain"]) == ("type.googleapis.com/google.rpc.ErrorInfo", "limedb")
    return str(detail["reason"])


def connect_reason_in(answer: httpx.Response) -> str:
    """The reason of an error in the Connect protocol."""
    (detail,) = answer.json()["details"]
    assert detail["type"] == "google.rpc.ErrorInfo"
    return ErrorInfo.FromString(base64.b64decode(detail["value"] + "==")).reason


def test_without_a_pin_all_nodes_are_asked(gateway: Gateway) -> None:
    assert {answering(gateway) for _ in range(30)} == {node.url for node in gateway.nodes}


def test_a_pinned_node_that_does_not_serve_is_503_and_no_other_answers(gateway: Gateway) -> None:
    first, second = gateway.nodes
    first.set_serving(False)
    wait_until(lambda: not gateway.is_reached(first), "Envoy to see it", gateway.log)
    answer = gateway.client.get("/api/v1/get/k", params={"node": first.url})
    assert (answer.status_code, answer.json()["code"]) == (503, 14)
    assert answering(gateway, node=second.url) == second.url
