"""HTTP's own rules through a real Envoy: methods, old clients, headers that aren't ours."""

import http.client
import json
import shutil
import socket
import subprocess
from pathlib import Path

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


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/scan?limit=abc",
        "/api/v1/watch?prefix=a&after=1",
        "/api/v1/keys?page=1.0",
        "/api/v1/replicas/a?x=1",
    ],
)
def test_head_is_refused_where_get_is(gateway: Gateway, path: str) -> None:
    assert gateway.client.get(path).status_code == gateway.client.head(path).status_code == 400
    assert not any(node.calls for node in gateway.nodes)


def test_head_of_what_a_client_has_is_304_as_get_is(gateway: Gateway) -> None:
    gateway.nodes[0].data["a"] = gateway.nodes[1].data["a"] = "v"
    tag = gateway.client.head("/api/v1/get/a").headers["etag"]
    for method in ("GET", "HEAD"):
        answer = gateway.client.request(method, "/api/v1/get/a", headers={"If-None-Match": tag})
        assert (answer.status_code, answer.text, answer.headers["etag"]) == (304, "", tag)
        assert "content-length" not in answer.headers


def test_a_slash_after_a_path_changes_nothing(gateway: Gateway) -> None:
    for method, path, allowed in (("POST", "/api/v1/keys/", READS), ("GET", "/api/v1/set/", "POST, OPTIONS")):
        answer = gateway.client.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
        assert gateway.client.options(path).headers["allow"] == allowed
    assert gateway.client.head("/api/v1/keys/").status_code == 200
    assert gateway.client.post("/api/v1/set/", json={"key": "a", "value": "v"}).text == "OK"


def test_envoys_answers_without_a_text_have_one(gateway: Gateway) -> None:
    host, _, port = gateway.address.partition(":")
    for request, status, words in (
        (b"GET / HTTP/1.1\r\n\r\n", 400, "the header Host"),
        (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, "unknown path"),
    ):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(request)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert (answer.status, words in json.loads(answer.read())["message"]) == (status, True)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is missing")
@pytest.mark.parametrize(
    ("path", "headers", "words"),
    [
        ("/api/v1/get/a", (), "this path takes"),
        ("/api/v1/set", ("Origin: http://page.example",), "--origin"),
        ("/api/v1/set", ("content-type: text/plain",), "application/json"),
        ("/api/v1/nope", (), "unknown path"),
    ],
)
def test_curl_reads_a_refusal_over_http_2_though_it_sends_much(
    gateway: Gateway, tmp_path: Path, path: str, headers: tuple[str, ...], words: str
) -> None:
    body = tmp_path / "body"
    body.write_bytes(b"x" * (3 << 20))
    options = [word for header in headers for word in ("-H", header)]
    url = f"http://{gateway.address}{path}"
    command = [
        "curl",
        "-sS",
        "-m",
        "20",
        "--http2-prior-knowledge",
        *options,
        "--data-binary",
        f"@{body}",
        url,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, words in json.loads(done.stdout)["message"]) == (0, True), done.stderr


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
