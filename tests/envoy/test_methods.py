"""HTTP's own rules through a real Envoy: methods, old clients, headers that aren't ours."""

import http.client
import json
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from limedb.launch.envoy import BODY_LIMIT
from limedbpb.v1 import kv_pb2
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


@pytest.mark.parametrize(("path", "allowed"), [*PATHS, ("/limedb.v1.KVService/Set", "POST")])
@pytest.mark.parametrize("method", ["FOO", "get", "pOST", "TRACE", "LINK"])
def test_a_method_that_http_does_not_have_is_405_too(
    gateway: Gateway, path: str, allowed: str, method: str
) -> None:
    status, body = _answer(gateway, f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert (status, body["code"], body["message"].endswith(allowed)) == (405, 12, True)
    assert not any(node.calls for node in gateway.nodes)


WORDLESS = [
    (b"GET / HTTP/1.1\r\n\r\n", 400, "the header Host"),
    (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "the header Host"),
    (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, "unknown path"),
    (b"GET /api/v1/get/\xc3\xa4 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "%XX"),
    (b"GET /api/v1/get/a b HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "blanks"),
    (b"GET api/v1/get/a HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "begins with /"),
    (b"GET /api/v1/get/a#b HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "%23"),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nx: a\x01\r\n\r\n", 400, "control character"),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nx: " + b"x" * 40_000 + b"\r\n\r\n", 431, "32 KiB"),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"x: y\r\n" * 200 + b"\r\n", 431, "100 headers"),
    (b"GET /api/v1/get/" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 431, "32 KiB"),
    (b"POST /api/v1/set HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400, "Content-Length"),
    (
        (
            b"POST /api/v1/set HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        ),
        400,
        "Transfer-Encoding",
    ),
    (
        b"POST /api/v1/set HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
        501,
        "Transfer-Encoding",
    ),
    (b"QUERY / HTTP/1.1\r\nHost: localhost\r\n\r\n", 501, "QUERY"),
    (b"CONNECT localhost:1 HTTP/1.1\r\nHost: localhost:1\r\n\r\n", 501, "CONNECT"),
    (
        b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        400,
        "Upgrade",
    ),
    (b"\x16\x03\x01\x02\x00\r\n\r\n", 400, "not HTTP/1.1"),
]
"""What Envoy refuses before it has a route."""


@pytest.mark.parametrize(("request_bytes", "status", "words"), WORDLESS)
def test_envoys_answers_without_a_text_have_one(
    gateway: Gateway, request_bytes: bytes, status: int, words: str
) -> None:
    answered, body = _answer(gateway, request_bytes)
    assert (answered, words in body["message"]) == (status, True), body
    assert body["details"][0]["reason"] in {"INVALID_REQUEST", "UNKNOWN_PATH", "UNSUPPORTED"}
    assert not any(node.calls for node in gateway.nodes)


def _answer(gateway: Gateway, request: bytes) -> tuple[int, dict[str, Any]]:
    """The status of the answer to these bytes, and its JSON."""
    host, _, port = gateway.address.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        body: dict[str, Any] = json.loads(answer.read())
        return answer.status, body


needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is missing")
JSON = "content-type: application/json"


@needs_curl
@pytest.mark.parametrize("size", [3 << 20, BODY_LIMIT + 1, 3 * BODY_LIMIT])
@pytest.mark.parametrize(
    ("path", "headers", "words"),
    [
        ("/api/v1/get/a", (), "this path takes"),
        ("/api/v1/set", ("Origin: http://page.example",), "--origin"),
        ("/api/v1/set", ("content-type: text/plain",), "application/json"),
        ("/api/v1/set?node=nobody", (), "unknown node"),
        ("/api/v1/nope", (), "unknown path"),
        ("/nope", (), "unknown path"),
    ],
)
def test_curl_reads_a_refusal_over_http_2_though_it_sends_much(
    gateway: Gateway, tmp_path: Path, path: str, headers: tuple[str, ...], words: str, size: int
) -> None:
    body = tmp_path / "body"
    body.write_bytes(b"x" * size)
    done = _curl(gateway, path, *headers, data=body)
    assert (done.returncode, words in json.loads(done.stdout)["message"]) == (0, True), done.stderr


@needs_curl
@pytest.mark.parametrize("is_counted", [True, False])
@pytest.mark.parametrize("size", [BODY_LIMIT + 1, 3 * BODY_LIMIT])
@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/api/v1/set", (JSON,)),
        ("/api/v1/batch/set", (JSON,)),
        ("/limedb.v1.KVService/Set", (JSON,)),
        ("/limedb.v1.KVService/Set", (JSON, "connect-protocol-version: 1")),
    ],
)
def test_curl_reads_over_http_2_that_its_body_is_too_large(
    gateway: Gateway, tmp_path: Path, path: str, headers: tuple[str, ...], size: int, is_counted: bool
) -> None:
    body = tmp_path / "body"
    body.write_bytes(b'{"key":"a","value":"v"}'.ljust(size))  # what is left of it would be a request
    done = _curl(gateway, path, *headers, data=body if is_counted else None, sends=body)
    assert (done.returncode, str(BODY_LIMIT) in json.loads(done.stdout)["message"]) == (0, True), done.stderr
    assert not any(node.calls for node in gateway.nodes)


@needs_curl
@pytest.mark.parametrize("path", ["/api/v1/set", "/limedb.v1.KVService/Set"])
def test_a_body_of_unknown_length_arrives_whole_over_http_2(
    gateway: Gateway, tmp_path: Path, path: str
) -> None:
    body, value = tmp_path / "body", "v" * (3 << 20)
    is_rest = path.startswith("/api")
    proto = kv_pb2.SetRequest(key="a", value=value).SerializeToString()
    body.write_bytes(json.dumps({"key": "a", "value": value}).encode() if is_rest else proto)
    kind = JSON if is_rest else "content-type: application/proto"
    done = _curl(gateway, path, kind, data=None, sends=body)
    assert (done.returncode, gateway.nodes[0].data["a"] == value) == (0, True), done.stderr


def _curl(
    gateway: Gateway, path: str, *headers: str, data: Path | None, sends: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """curl posts data over HTTP/2; None: what sends has, whose length it doesn't know."""
    given = [word for header in headers for word in ("-H", header)]
    body = ["--data-binary", f"@{data}"] if data else ["-X", "POST", "-T", "-"]
    command = ["curl", "-sS", "-m", "20", "--http2-prior-knowledge", *given, *body]
    with (sends or Path("/dev/null")).open("rb") as stdin:
        return subprocess.run(
            [*command, f"http://{gateway.address}{path}"],
            stdin=stdin,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )


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
