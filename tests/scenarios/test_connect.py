"""The Connect protocol through Envoy, to real nodes: what connect-web and connect-go send by default.

Of limedb/rpc/server/connect.py.
"""

import base64
import gzip
import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.rpc.error_details_pb2 import ErrorInfo

from limedbpb.v1 import kv_pb2
from tests.support.clusters import RunningCluster
from tests.support.keys import new_key

VERSION = {"connect-protocol-version": "1"}
ROOT = Path(__file__).parents[2]


def call(rest: httpx.Client, method: str, request: dict[str, Any], **headers: str) -> httpx.Response:
    """A unary call in JSON."""
    return rest.post(f"/limedb.v1.{method}", json=request, headers=VERSION | headers)


def framed(rest: httpx.Client, method: str, request: dict[str, Any], **headers: str) -> list[dict[str, Any]]:
    """All messages of a stream in JSON; the last one is its end."""
    message = json.dumps(request).encode()
    answer = rest.post(
        f"/limedb.v1.{method}",
        content=struct.pack(">BI", 0, len(message)) + message,
        headers={"content-type": "application/connect+json", **VERSION, **headers},
    )
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/connect+json")
    messages, data = [], answer.content
    while data:
        flags, size = struct.unpack(">BI", data[:5])
        messages.append(json.loads(data[5 : 5 + size]))
        data = data[5 + size :]
        assert bool(flags & 2) == (not data), "the end comes last"
    return messages


def info_of(detail: dict[str, str]) -> ErrorInfo:
    """As connect-es reads a detail: it compares the type with the message's full name."""
    assert detail["type"] == "google.rpc.ErrorInfo"
    return ErrorInfo.FromString(base64.b64decode(detail["value"] + "=="))


def test_set_get_batch_and_health_in_json(rest: httpx.Client) -> None:
    key = new_key()
    stored = call(rest, "KVService/Set", {"key": key, "value": "ä"})
    assert (stored.status_code, stored.headers["content-type"]) == (200, "application/json")
    assert stored.json()["receipt"]["acked"] == 1
    assert call(rest, "KVService/Get", {"key": key}).json()["value"] == "ä"
    results = call(rest, "KVService/BatchGet", {"keys": [key, new_key()]}).json()["results"]
    assert [result.get("found", False) for result in results] == [True, False]
    assert call(rest, "ClusterService/GetState", {}).json()["totalNodes"] == 4


def test_the_version_may_be_left_out_and_the_type_may_have_a_charset(rest: httpx.Client) -> None:
    key = new_key()
    call(rest, "KVService/Set", {"key": key, "value": "v"}).raise_for_status()
    for headers in (
        {"content-type": "application/json"},
        {"content-type": "application/json; charset=utf-8"},
    ):
        for more in ({}, VERSION):
            answer = rest.post(
                "/limedb.v1.KVService/Get", content=json.dumps({"key": key}), headers=headers | more
            )
            assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
            assert answer.json()["value"] == "v"
    missing = rest.post("/limedb.v1.KVService/Get", json={"key": new_key()})
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    answer = rest.post(
        "/limedb.v1.KVService/Get",
        content=kv_pb2.GetRequest(key=key).SerializeToString(),
        headers={"content-type": "application/proto"},
    )
    assert kv_pb2.GetResponse.FromString(answer.content).value == "v"


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"]
)
def test_a_call_of_another_type_is_415_with_the_types(rest: httpx.Client, content_type: str) -> None:
    for headers in ({}, VERSION):
        answer = rest.post(
            "/limedb.v1.KVService/Get",
            content=b"{}",
            headers=headers | ({"content-type": content_type} if content_type else {}),
        )
        assert answer.status_code == 415
        assert "application/json or application/proto (the Connect protocol)" in answer.text


def test_a_call_of_users_is_answered(rest: httpx.Client) -> None:
    """The nodes of this cluster ask nobody for a token, and know no users."""
    answer = call(rest, "AccessService/WhoAmI", {})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert info_of(answer.json()["details"][0]).reason == "UNAUTHENTICATED"


def test_a_call_takes_no_query(rest: httpx.Client) -> None:
    answer = rest.post("/limedb.v1.KVService/Get?node=http://a:1", json={"key": "k"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")
    assert "x-limedb-node" in answer.json()["message"]


@pytest.mark.parametrize(
    ("header", "value", "status", "code"),
    [
        ("connect-protocol-version", "2", 400, "invalid_argument"),
        *(
            ("connect-timeout-ms", text, 400, "invalid_argument")
            for text in ("abc", "-5", "1.0", "99999999999")
        ),
        ("content-encoding", "br", 501, "unimplemented"),
        ("connect-content-encoding", "zstd", 501, "unimplemented"),
    ],
)
def test_a_header_of_the_protocol_with_a_wrong_value_is_refused_by_its_name(
    rest: httpx.Client, header: str, value: str, status: int, code: str
) -> None:
    answer = call(rest, "KVService/Get", {"key": "k"}, **{header: value})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["message"].startswith(f"{header}: must be ")
    assert info_of(answer.json()["details"][0]).reason == {400: "INVALID_REQUEST", 501: "UNSUPPORTED"}[status]


def test_a_body_may_be_compressed_or_say_that_it_is_not(rest: httpx.Client) -> None:
    key = new_key()
    call(rest, "KVService/Set", {"key": key, "value": "v"}).raise_for_status()
    body = json.dumps({"key": key}).encode()
    for coding, content in (("gzip", gzip.compress(body)), ("identity", body)):
        headers = {**VERSION, "content-type": "application/json", "content-encoding": coding}
        answer = rest.post("/limedb.v1.KVService/Get", content=content, headers=headers)
        assert (answer.status_code, answer.json().get("value")) == (200, "v")


def test_a_stream_as_a_unary_call_is_415_with_the_types(rest: httpx.Client) -> None:
    answer = call(rest, "KVService/Scan", {"prefix": "a"})
    assert (answer.status_code, answer.json()["code"]) == (415, "invalid_argument")
    assert "application/connect+json" in answer.json()["message"]


def test_health_in_json_is_415_with_the_way_to_it(rest: httpx.Client) -> None:
    for headers in ({}, VERSION):
        answer = rest.post("/grpc.health.v1.Health/Check", json={}, headers=headers)
        assert answer.status_code == 415
        assert "GET /api/v1/health" in answer.json()["message"]


def test_a_request_that_is_too_large_says_how_large_it_may_be(rest: httpx.Client) -> None:
    for size, status, code, words in (
        (9 << 20, 400, "invalid_argument", "in JSON: at most 8388608, or send it as protobuf"),
        (26 << 20, 413, "resource_exhausted", "a request may have 25231360 bytes, in JSON 8 MiB"),
    ):
        answer = call(rest, "KVService/Set", {"key": "k", "value": "v" * size})
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert words in answer.json()["message"]
        assert answer.headers["content-type"] == "application/json"
        reasons = {400: "MALFORMED_REQUEST", 413: "REQUEST_TOO_LARGE"}
        assert info_of(answer.json()["details"][0]).reason == reasons[status]


def test_set_and_get_in_protobuf(rest: httpx.Client) -> None:
    key = new_key()
    call(rest, "KVService/Set", {"key": key, "blob": base64.b64encode(b"\0\xff").decode()})
    answer = rest.post(
        "/limedb.v1.KVService/Get",
        content=kv_pb2.GetRequest(key=key).SerializeToString(),
        headers={"content-type": "application/proto", **VERSION},
    )
    assert answer.headers["content-type"] == "application/proto"
    assert kv_pb2.GetResponse.FromString(answer.content).blob == b"\0\xff"


def test_a_value_of_a_mebibyte_passes_in_both_directions(rest: httpx.Client) -> None:
    key, value = new_key(), "v" * (1 << 20)
    assert call(rest, "KVService/Set", {"key": key, "value": value}).is_success
    assert call(rest, "KVService/Get", {"key": key}).json()["value"] == value


def test_an_error_has_its_code_and_reason(rest: httpx.Client) -> None:
    key = new_key()
    answer = call(rest, "KVService/Get", {"key": key})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
    assert (answer.json()["code"], answer.json()["message"]) == ("not_found", "key not found")
    info = info_of(answer.json()["details"][0])
    assert (info.reason, info.domain, info.metadata["key"]) == ("KEY_NOT_FOUND", "limedb", key)


def test_a_misspelled_field_is_refused(rest: httpx.Client) -> None:
    answer = call(rest, "KVService/Set", {"key": new_key(), "value": "v", "ttlMS": 5})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")
    assert "ttlMS" in answer.json()["message"]


def test_a_scan_and_its_error(rest: httpx.Client) -> None:
    prefix = new_key() + "/"
    for n in range(3):
        call(rest, "KVService/Set", {"key": f"{prefix}{n}", "value": "v"})
    *pages, end = framed(rest, "KVService/Scan", {"prefix": prefix, "pageSize": 2})
    assert [e["key"] for page in pages for e in page["entries"]] == [f"{prefix}{n}" for n in range(3)]
    assert end == {}
    (end,) = framed(rest, "KVService/Scan", {"pageSize": 5000})
    assert end["error"]["code"] == "invalid_argument"
    assert info_of(end["error"]["details"][0]).reason == "INVALID_REQUEST"


def test_a_watch_comes_at_once_and_ends_at_its_clients_deadline(rest: httpx.Client) -> None:
    first, *_, end = framed(rest, "KVService/Watch", {"prefix": new_key()}, **{"connect-timeout-ms": "2000"})
    assert int(first["resumeVersion"]) > 0
    assert end["error"]["code"] == "deadline_exceeded"


@pytest.mark.parametrize("method", ["ReplicaService/Read", "TopologyService/Fetch"])
def test_services_of_peers_do_not_pass(rest: httpx.Client, method: str) -> None:
    assert call(rest, method, {}).status_code == 404


def test_a_page_of_a_named_origin_may_call(rest: httpx.Client) -> None:
    origin = {"origin": "http://page.example"}
    asked = rest.options(
        "/limedb.v1.KVService/Get",
        headers={
            **origin,
            "access-control-request-method": "POST",
            "access-control-request-headers": "connect-protocol-version,connect-timeout-ms,content-type",
        },
    )
    allowed = {name.strip() for name in asked.headers["access-control-allow-headers"].split(",")}
    assert {"connect-protocol-version", "connect-timeout-ms", "content-type"} <= allowed
    answer = rest.post("/limedb.v1.KVService/Get", json={"key": new_key()}, headers={**VERSION, **origin})
    assert answer.headers["access-control-allow-origin"] == "http://page.example"


def test_a_client_cannot_choose_the_form_that_a_node_sees(rest: httpx.Client) -> None:
    message = kv_pb2.GetRequest(key=new_key()).SerializeToString()
    answer = rest.post(
        "/limedb.v1.KVService/Get",
        content=struct.pack(">BI", 0, len(message)) + message,
        headers={"content-type": "application/grpc-web+proto", "x-limedb-connect": "application/grpc+json"},
    )
    assert answer.headers["grpc-status"] == "5"  # NOT_FOUND: the message was understood


@pytest.mark.parametrize("protocol", ["connect", "grpcweb", "grpc"])
def test_buf_curl_calls(cluster: RunningCluster, protocol: str) -> None:
    tool = str(Path(sys.executable).with_name("buf"))
    key = new_key()

    def curl(method: str, request: dict[str, Any]) -> str:
        url = f"{cluster.envoy_url}/limedb.v1.{method}"
        http2 = ["--http2-prior-knowledge"] if protocol == "grpc" else []
        command = [tool, "curl", "--protocol", protocol, "--schema", str(ROOT), *http2]
        done = subprocess.run(
            [*command, "-d", json.dumps(request), url],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout + done.stderr

    assert '"acked": 1' in curl("KVService/Set", {"key": key, "value": "from buf"})
    assert '"value": "from buf"' in curl("KVService/Get", {"key": key})
    assert key in curl("KVService/Scan", {"prefix": key})
    assert '"code": "not_found"' in curl("KVService/Get", {"key": new_key()})
