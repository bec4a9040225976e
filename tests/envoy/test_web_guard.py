"""What a page may ask of Envoy, as one table of the headers that browsers send; of web_guard.lua.

A real browser tries the same in tests/web/test_other_origins.py.
"""

import base64
import socket
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

import grpc
import httpx
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from limedb.launch.access import Access
from limedb.wire.status import remote_error
from limedbpb.v1 import kv_pb2, kv_pb2_grpc
from tests.envoy.gateway import Gateway, running_gateway

JSON, FORM, TEXT = "application/json", "application/x-www-form-urlencoded", "text/plain;charset=UTF-8"
APP, OTHER = "https://app.example.com", "http://page.example"
BODY = b'{"key":"k","value":"v"}'


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """An Envoy that has a name, and takes calls of pages of one other origin."""
    access = Access.parse(server_names=("limedb.example",), origins=(APP,))
    with running_gateway(tmp_path_factory.mktemp("guarded"), count=1, access=access) as gateway:
        yield gateway


class Try(NamedTuple):
    """A request of a page or a program. status: of the answer; OWN in a header's value is Envoy's address."""

    what: str
    status: int
    method: str = "POST"
    path: str = "/api/v1/set"
    kind: str | None = JSON
    headers: Mapping[str, str] = MappingProxyType({})


SITE, MODE, DEST = "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest"
VISIT = {SITE: "cross-site", MODE: "navigate", DEST: "document"}
FRAME = {SITE: "cross-site", MODE: "navigate", DEST: "iframe"}
NO_CORS = {SITE: "same-site", MODE: "no-cors", DEST: "empty"}
READ, PAGE = "/api/v1/get/k", "/dashboard/data"
TRIES = [
    # Programs: nothing says that a browser is there.
    Try("curl -H 'content-type: application/json' -d", 200),
    Try("curl -d", 200, kind=FORM),
    Try("a client that sends no type", 200, kind=None),
    Try("a program that sends text", 415, kind=TEXT),
    Try("a program that sends a form", 415, kind="multipart/form-data; boundary=x"),
    Try("a type that only begins like JSON", 415, kind="application/jsonx"),
    Try("JSON in capitals, with its charset", 200, kind="Application/JSON ; charset=utf-8"),
    Try("curl -X DELETE", 200, "DELETE", "/api/v1/del/k", None),
    Try("curl", 200, "GET", READ, None),
    # The dashboard, and pages of the origin that is named.
    Try("the dashboard writes", 200, headers={"Origin": "http://OWN", SITE: "same-origin"}),
    Try("the dashboard deletes", 200, "DELETE", "/api/v1/del/k", None, {"Origin": "http://OWN"}),
    Try("the dashboard reads", 200, "GET", READ, None, {SITE: "same-origin", MODE: "cors"}),
    Try("the dashboard behind a proxy with TLS", 200, headers={"Origin": "https://OWN"}),
    Try("an address typed by hand", 200, "GET", READ, None, {SITE: "none", MODE: "navigate"}),
    Try("a named origin writes", 200, headers={"Origin": APP, SITE: "cross-site"}),
    Try("a named origin reads", 200, "GET", READ, None, {"Origin": APP, SITE: "cross-site"}),
    Try("a named origin sends text", 415, kind=TEXT, headers={"Origin": APP}),
    Try("a named origin sends a form", 415, kind=FORM, headers={"Origin": APP}),
    Try("our own page sends a form", 415, kind=FORM, headers={"Origin": "http://OWN"}),
    Try("our own page sends no type", 415, kind=None, headers={SITE: "same-origin"}),
    # Pages of other origins.
    Try("JSON", 403, headers={"Origin": OTHER, SITE: "cross-site"}),
    Try("a form", 403, kind=FORM, headers={"Origin": OTHER}),
    Try("a form with text", 403, kind=TEXT, headers={"Origin": OTHER}),
    Try("a Blob without a type", 403, kind=None, headers={"Origin": OTHER}),
    Try("a sandboxed frame, a file, a redirect", 403, headers={"Origin": "null"}),
    Try("another port of this machine", 403, headers={"Origin": "http://127.0.0.1:3000", SITE: "same-site"}),
    Try("the same name with another port", 403, headers={"Origin": "http://localhost:1"}),
    Try("an origin that ends like the named one", 403, headers={"Origin": "https://evil-app.example.com"}),
    Try("an origin that begins like the named one", 403, headers={"Origin": f"{APP}.evil.example"}),
    Try("the named host without TLS", 403, headers={"Origin": "http://app.example.com"}),
    Try("delete", 403, "DELETE", "/api/v1/del/k", None, {"Origin": OTHER}),
    Try("a read by CORS", 403, "GET", READ, None, {"Origin": OTHER}),
    Try("a read whose answer it can't see", 403, "GET", READ, None, NO_CORS),
    Try("a scan by an image", 403, "GET", "/api/v1/scan", None, {**NO_CORS, DEST: "image"}),
    Try("data by a link", 403, "GET", READ, None, VISIT),
    Try("a link to the dashboard", 200, "GET", PAGE, None, VISIT),
    Try("the dashboard in a frame", 403, "GET", PAGE, None, FRAME),
    Try("a script of the dashboard", 403, "GET", "/assets/a.js", None, {**NO_CORS, DEST: "script"}),
    Try(
        "gRPC-Web",
        403,
        path="/limedb.v1.KVService/Set",
        kind="application/grpc-web+proto",
        headers={"Origin": OTHER},
    ),
    Try("Connect", 403, path="/limedb.v1.KVService/Set", headers={"Origin": OTHER}),
    # Names of Envoy.
    Try("the name that it was given", 200, "GET", READ, None, {"Host": "limedb.example"}),
    Try("with a port, in capitals and with a dot", 200, "GET", READ, None, {"Host": "LimeDB.Example.:8484"}),
    Try("localhost", 200, "GET", READ, None, {"Host": "localhost:8484"}),
    Try("any IP address", 200, "GET", READ, None, {"Host": "10.1.2.3"}),
    Try("an address of IPv6", 200, "GET", READ, None, {"Host": "[fe80::1]:8484"}),
    Try("a rebound name", 403, "GET", READ, None, {"Host": "evil.example:8484"}),
    Try("a rebound page writes", 403, headers={"Host": "evil.example", "Origin": "http://evil.example"}),
    Try("a rebound page opens the dashboard", 403, "GET", PAGE, None, {"Host": "evil.example", SITE: "none"}),
    Try("a name below ours", 403, "GET", READ, None, {"Host": "a.limedb.example"}),
    Try("a name that ends like localhost", 403, "GET", READ, None, {"Host": "evillocalhost"}),
    Try("a name that begins like an address", 403, "GET", READ, None, {"Host": "127.0.0.1.evil.example"}),
    Try("a name within brackets", 403, "GET", READ, None, {"Host": "[evil.example]x"}),
    Try("a name of one word", 403, "GET", READ, None, {"Host": "node1:8484"}),
]


def shown(answer: httpx.Response, given: Try) -> tuple[int, str, str]:
    """The code, text and reason of a refusal, in the form of its protocol."""
    status = Status()
    if given.kind is not None and "grpc-web" in given.kind:
        status.ParseFromString(base64.b64decode(answer.headers["grpc-status-details-bin"]))
        (info,) = status.details
        code, message = int(answer.headers["grpc-status"]), answer.headers["grpc-message"]
        return code, message, unpacked(info.value)
    refusal = answer.json()
    (detail,) = refusal["details"]
    if given.path.startswith("/limedb"):
        value = base64.b64decode(detail["value"] + "==")
        return {"permission_denied": 7}[refusal["code"]], refusal["message"], unpacked(value)
    return refusal["code"], refusal["message"], detail["reason"]


def unpacked(data: bytes) -> str:
    """The reason in an ErrorInfo."""
    return ErrorInfo.FromString(data).reason


@pytest.mark.process
@pytest.mark.parametrize("given", TRIES, ids=lambda given: given.what)
def test_a_request_is_answered_or_refused_before_a_node_hears_of_it(guarded: Gateway, given: Try) -> None:
    (node,) = guarded.nodes
    node.forget()
    node.data["k"] = "v"
    headers = {name: value.replace("OWN", guarded.address) for name, value in given.headers.items()}
    body = BODY if given.method == "POST" else None
    if given.path.startswith("/limedb"):
        body = b""
    answer = guarded.client.request(
        given.method,
        given.path,
        content=body,
        headers=headers | ({"content-type": given.kind} if given.kind else {}),
    )
    assert answer.status_code == given.status, answer.text
    assert bool(node.calls) == (given.status == 200)
    if given.status != 200:
        code, message, reason = shown(answer, given)
        assert (code, reason) == {
            403: (7, "UNKNOWN_HOST" if "--server-name" in message else "FOREIGN_ORIGIN"),
            415: (3, "INVALID_REQUEST"),
        }[given.status]
        assert any(word in message for word in ("--origin", "--server-name", "application/json", "link"))
        is_named = given.headers.get("Origin") == APP
        assert is_named or "access-control-allow-origin" not in answer.headers


def test_the_headers_of_cors_are_for_named_origins_alone(guarded: Gateway) -> None:
    asks = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-limedb-node",
    }
    paths = ("/api/v1/set", "/api/v1/get/a?node=x", "/gossip", "/limedb.v1.KVService/Get", "/api/v1/nope")
    for path in paths:
        answer = guarded.client.options(path, headers={"Origin": APP, **asks})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, APP)
        allowed = set(answer.headers["access-control-allow-headers"].split(", "))
        assert {"content-type", "limedb-cluster", "x-limedb-node"} <= allowed
        assert "DELETE" in answer.headers["access-control-allow-methods"]
        refused = guarded.client.options(path, headers={"Origin": OTHER, **asks})
        assert (refused.status_code, "access-control-allow-origin" in refused.headers) == (403, False)


READABLE = [
    "/api/v1/get/k",
    "/api/v1/health?node=x",
    "/api/v1/get/a?key=b",
    "/api/v1/nope",
    "/api/v1/admin/status",
]


@pytest.mark.parametrize("path", READABLE)
def test_a_page_of_a_named_origin_can_read_refusals_too(guarded: Gateway, path: str) -> None:
    answer = guarded.client.get(path, headers={"Origin": APP})
    assert answer.headers["access-control-allow-origin"] == APP
    for headers in ({}, {"Origin": OTHER}, {SITE: "none"}):
        assert "access-control-allow-origin" not in guarded.client.get(path, headers=headers).headers


@pytest.mark.parametrize("path", [*READABLE, "/"])
def test_without_named_origins_no_answer_has_a_header_of_cors(gateway: Gateway, path: str) -> None:
    for headers in ({}, {"Origin": OTHER}, {"Origin": f"http://{gateway.address}"}):
        for method in ("GET", "OPTIONS", "DELETE"):
            answer = gateway.client.request(method, path, headers=headers)
            assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.process
def test_a_call_under_another_name_is_refused_with_a_reason(guarded: Gateway) -> None:
    options = [("grpc.default_authority", "evil.example:8484")]
    with grpc.insecure_channel(guarded.address, options) as channel, pytest.raises(grpc.RpcError) as refused:
        kv_pb2_grpc.KVServiceStub(channel).Get(kv_pb2.GetRequest(key="k"), timeout=10)
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert "Host=evil.example:8484: Envoy has no such name" in refused.value.details()
    error = remote_error(guarded.address, refused.value)
    assert error is not None
    assert (error.reason, error.nothing_written, error.may_pass) == ("UNKNOWN_HOST", True, False)
    address = guarded.address.replace("127.0.0.1", "localhost")
    with grpc.insecure_channel(address) as channel:
        assert kv_pb2_grpc.KVServiceStub(channel).Set(kv_pb2.SetRequest(key="k", value="v"), timeout=10)


def test_what_is_shown_of_a_header_is_short_and_printable(guarded: Gateway) -> None:
    answer = guarded.client.get(READ, headers={"Host": "x" * 5_000})
    assert len(answer.json()["message"]) < 200
    host, _, port = guarded.address.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: \xc3\xa9\x1bx\r\nConnection: close\r\n\r\n"
        )
        head, _, rest = b"".join(iter(lambda: connection.recv(65536), b"")).partition(b"\r\n\r\n")
    assert head.split(b" ")[1] in {b"400", b"403"}
    assert b"\x1b" not in rest


def test_the_answer_to_the_dashboards_page_allows_no_frame(guarded: Gateway) -> None:
    headers = guarded.client.get(PAGE).headers
    assert headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
