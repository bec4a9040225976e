"""HTTP's own rules through a real Envoy: methods, old clients, headers that aren't ours."""

import http.client
import socket

import pytest

from tests.envoy.gateway import Gateway

READS = "GET, HEAD, OPTIONS"
PATHS = [
    ("/", READS),
    ("/dashboard/nodes", READS),
    ("/favicon.svg", READS),
    ("/api/v1/get/a", READS),
    ("/api/v1/get/a/b", READS),
    ("/api/v1/keys", READS),
    ("/api/v1/scan", READS),
    ("/api/v1/cluster/state", READS),
    ("/api/v1/admin/join-plan?url=x", READS),
    ("/api/v1/del/a", "DELETE, OPTIONS"),
    ("/api/v1/set", "POST, OPTIONS"),
    ("/api/v1/set/direct", "POST, OPTIONS"),
    ("/api/v1/batch/set", "POST, OPTIONS"),
    ("/api/v1/admin/decommission", "POST, OPTIONS"),
    ("/gossip", "POST, OPTIONS"),
]


@pytest.mark.parametrize(("path", "allowed"), PATHS)
def test_a_method_that_a_path_does_not_take_is_405(gateway: Gateway, path: str, allowed: str) -> None:
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "MOVE"} - set(allowed.split(", ")):
        answer = gateway.client.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
        assert (answer.json()["code"], answer.json()["message"]) == (12, f"this path takes {allowed}")
    assert not any(node.calls for node in gateway.nodes)


@pytest.mark.parametrize(("path", "allowed"), PATHS)
def test_options_says_what_a_path_takes(gateway: Gateway, path: str, allowed: str) -> None:
    answer = gateway.client.options(path)
    assert (answer.status_code, answer.headers["allow"], answer.text) == (204, allowed, "")


@pytest.mark.parametrize(
    "path", ["/api/v1/get/a", "/api/v1/get/a/b/", "/api/v1/get/none", "/api/v1/keys", "/api/v1/get/", "/"]
)
def test_head_is_get_without_the_body(gateway: Gateway, path: str) -> None:
    gateway.nodes[0].data.update({"a": "v", "a/b/": "slash"})
    get, head = gateway.client.get(path), gateway.client.head(path)
    assert (head.status_code, head.text) == (get.status_code, "")
    assert int(head.headers["content-length"]) >= len(get.content)
    assert head.headers["content-type"] == get.headers["content-type"]


def test_head_of_a_stream_waits_for_no_end(gateway: Gateway) -> None:
    for path in ("/api/v1/scan", "/api/v1/watch?prefix=a", "/api/v1/cluster/watch"):
        assert (gateway.client.head(path).status_code, gateway.client.head(path).text) == (200, "")


@pytest.mark.parametrize("path", ["/api/v1/set", "/api/v1/del/a", "/gossip"])
def test_head_where_get_does_not_work_is_405(gateway: Gateway, path: str) -> None:
    answer = gateway.client.head(path)
    assert (answer.status_code, "HEAD" in answer.headers["allow"]) == (405, False)


def test_a_client_of_http_1_0_is_answered(gateway: Gateway) -> None:
    gateway.nodes[0].data["a"] = "v"
    host, _, port = gateway.address.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"GET /api/v1/get/a HTTP/1.0\r\n\r\n")
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert (answer.version, answer.status) == (10, 200)
        assert b'"value":"v"' in answer.read()


def test_a_header_with_an_underscore_is_dropped_and_the_request_served(gateway: Gateway) -> None:
    gateway.nodes[0].data["a"] = "v"
    assert gateway.client.get("/api/v1/get/a", headers={"x_trace_id": "1"}).json()["value"] == "v"
    (call,) = [call for node in gateway.nodes for call in node.asked("Get")]
    assert "x_trace_id" not in call.metadata


def test_plus_is_a_blank_in_a_query_and_itself_in_a_path(gateway: Gateway) -> None:
    gateway.client.get("/api/v1/admin/join-plan", params={"url": "x"})
    answer = gateway.client.get("/api/v1/admin/join-plan?url=a+b%2Bc")
    assert answer.json()["plan"]["what"] == "a b+c"
    gateway.nodes[0].data["a+b"] = "v"
    assert gateway.client.get("/api/v1/get/a+b").json()["value"] == "v"
