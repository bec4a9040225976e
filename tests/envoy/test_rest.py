"""REST through a real Envoy: shapes, keys, errors.

Tests limedb/wire/rest.py.
"""

import http.client
import json
from urllib.parse import quote

import pytest

from limedb.launch.envoy import BODY_LIMIT
from tests.envoy.gateway import Gateway

KEYS = [
    "plain",
    "a/b",
    "a%2Fb",
    "a%252Fb",
    "a//b",
    "a/../b",
    "../../etc",
    "a/",
    "a//",
    "/a",
    "/",
    "//",
    ".",
    "..",
    "a:b",
    "a:get",
    "a b",
    " ",
    "a+b",
    "a?b=c",
    "a#b",
    "a&key=b",
    "a%",
    "%41",
    "{key}",
    "*",
    "**",
    '"quoted"',
    "it's",
    "a\\b",
    "tab\there",
    "line\nbreak",
    "null\0byte",
    "🍋",
    "ключ",
    "e\u0301",
    "€" * 1365,
    "%" * 4096,
]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: ascii(key)[1:24])
def test_a_key_arrives_as_it_was_written(gateway: Gateway, key: str) -> None:
    path = quote(key, safe="").replace(".", "%2E")  # or the client takes "." and ".." for folders
    stored = gateway.client.post("/api/v1/set", json={"key": key, "value": "v"})
    assert (stored.text, gateway.nodes[0].data) == ("OK", {key: "v"})
    assert gateway.client.get(f"/api/v1/get/{path}").json()["value"] == "v"
    assert gateway.client.delete(f"/api/v1/del/{path}").text == "1"
    assert gateway.nodes[0].data == {}


@pytest.mark.parametrize("key", KEYS, ids=lambda key: ascii(key)[1:24])
def test_a_key_is_located_as_it_was_written(gateway: Gateway, key: str) -> None:
    path = quote(key, safe="").replace(".", "%2E")
    assert gateway.client.get(f"/api/v1/replicas/{path}").json()["key"] == key


@pytest.mark.parametrize("key", ["a/b", "a//b", "a/b/", "a//", "/a", "//", "a/./b", "a:b"])
def test_slashes_need_no_encoding(gateway: Gateway, key: str) -> None:
    gateway.nodes[0].data[key] = "v"
    assert raw(gateway, "GET", f"/api/v1/get/{key}") == 200
    assert raw(gateway, "DELETE", f"/api/v1/del/{key}") == 200
    assert gateway.nodes[0].data == {}


def test_dots_in_a_raw_path_are_part_of_the_key(gateway: Gateway) -> None:
    gateway.nodes[0].data["a/../b"] = "v"
    assert raw(gateway, "GET", "/api/v1/get/a/../b") == 200


def raw(gateway: Gateway, method: str, path: str) -> int:
    """The status of a request whose path no client library has put in order."""
    connection = http.client.HTTPConnection(gateway.address, timeout=10)
    connection.request(method, path)
    status = connection.getresponse().status
    connection.close()
    return status


def test_set_and_delete_answer_in_plain_text(gateway: Gateway) -> None:
    for path in ("/api/v1/set", "/api/v1/set/direct"):
        answer = gateway.client.post(path, json={"key": "k", "value": "v"})
        assert (answer.status_code, answer.text) == (200, "OK")
        assert answer.headers["content-type"] == "text/plain"
    assert [gateway.client.delete("/api/v1/del/k").text for _ in range(2)] == ["1", "0"]


def test_get_answers_with_the_value_and_the_node(gateway: Gateway) -> None:
    gateway.nodes[0].data["k"] = "v"
    answer = gateway.client.get("/api/v1/get/k").json()
    assert answer == {"value": "v", "nodeUrl": answer["nodeUrl"], "version": "7", "expiresAtMs": "0"}


def test_zero_values_are_printed(gateway: Gateway) -> None:
    answer = gateway.client.get("/api/v1/keys").json()
    assert answer == {"keys": [], "total": 0, "page": 0, "pageSize": 0, "totalPages": 0}


@pytest.mark.parametrize(
    "path",
    [
        "cluster/state",
        "cluster/ring",
        "cluster/gossip",
        "health",
        "keys",
        "replicas/k",
        "admin/status",
        "admin/join-plan?url=http://node9:1&zone=a&virtual_nodes=0",
    ],
)
def test_every_read_has_its_path(gateway: Gateway, path: str) -> None:
    assert gateway.client.get(f"/api/v1/{path}").status_code == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/batch/get", {"keys": ["a"]}),
        ("/api/v1/batch/set", {"writes": [{"key": "a", "value": "b"}]}),
        ("/api/v1/admin/decommission", {"url": "http://node1:1", "dryRun": True}),
        ("/api/v1/admin/remove", {"url": "http://node1:1", "dry_run": True}),
        ("/api/v1/admin/cancel", {}),
        (
            "/gossip",
            {"type": "GOSSIP_SYN", "payload": {"digests": [{"nodeUrl": "http://a:1", "heartbeat": 1}]}},
        ),
    ],
)
def test_every_post_has_its_path(gateway: Gateway, path: str, body: dict[str, object]) -> None:
    assert gateway.client.post(path, json=body).status_code == 200


def test_an_error_of_a_node_has_its_code_and_text(gateway: Gateway) -> None:
    answer = gateway.client.get("/api/v1/get/missing")
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "KEY_NOT_FOUND",
        "domain": "limedb",
        "metadata": {"key": "missing"},
    }
    assert (answer.status_code, answer.json()) == (
        404,
        {"code": 5, "message": "key not found", "details": [info]},
    )


@pytest.mark.parametrize("path", ["/api/v1/get/", "/api/v1/get"])
def test_no_key_is_a_bad_request(gateway: Gateway, path: str) -> None:
    answer = gateway.client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (400, 3)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/index.html"),
        ("GET", "/dashboard.html"),
        ("GET", "/nope"),
        ("GET", "/api/v1/nope"),
        ("POST", "/limedb.v1.ReplicaService/Read"),
        ("POST", "/limedb.v1.TopologyService/Learn"),
        ("POST", "/gossip/more"),
    ],
)
def test_an_unknown_path_is_404_and_reaches_no_node(gateway: Gateway, method: str, path: str) -> None:
    answer = gateway.client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (404, 5)
    assert [detail["reason"] for detail in answer.json()["details"]] == ["UNKNOWN_PATH"]
    assert gateway.client.get("/nope").headers["content-type"] == "application/json"
    assert not any(node.calls for node in gateway.nodes)


@pytest.mark.parametrize("query", ["key=b", "key", "%6Bey=b", "k%65%79=b", "node=&key=b"])
def test_a_query_cannot_replace_the_key_of_the_path(gateway: Gateway, query: str) -> None:
    gateway.nodes[0].data.update({"a": "1", "b": "2"})
    for method, command in (("GET", "get"), ("DELETE", "del"), ("GET", "replicas")):
        answer = gateway.client.request(method, f"/api/v1/{command}/a?{query}")
        assert (answer.status_code, answer.json()["code"]) == (400, 3)
    assert gateway.nodes[0].data == {"a": "1", "b": "2"}


def test_a_query_cannot_replace_the_key_of_the_body(gateway: Gateway) -> None:
    answer = gateway.client.post("/api/v1/set?key=b", json={"key": "a", "value": "v"})
    assert (answer.status_code, answer.json()["code"]) == (400, 3)


@pytest.mark.parametrize("body", ['{"key":', "", "[]", '{"key":1}', "\xff"])
def test_a_body_that_is_no_request_is_refused(gateway: Gateway, body: str) -> None:
    answer = gateway.client.post("/api/v1/set", content=body.encode("latin-1"))
    assert (answer.status_code, answer.json()["code"]) == (400, 3)
    assert gateway.nodes[0].data == {}


def test_a_large_value_passes_and_a_larger_body_is_413(gateway: Gateway) -> None:
    value = '"' * (4 << 20)  # two characters each in JSON
    assert gateway.client.post("/api/v1/set", json={"key": "k", "value": value}).text == "OK"
    assert gateway.client.get("/api/v1/get/k").json()["value"] == value
    answer = gateway.client.post("/api/v1/set", content=b" " * (25 << 20))
    assert (answer.status_code, answer.json()["code"]) == (413, 8)
    assert answer.json()["message"] == f"Payload Too Large: a body may have {BODY_LIMIT} bytes"


def test_the_path_is_not_passed_on_as_metadata(gateway: Gateway) -> None:
    """With it, a long key would have its request over the limit of 8 KiB for headers, now and then."""
    for _ in range(20):
        assert gateway.client.get("/api/v1/get/" + quote("€" * 1365)).status_code == 404
    calls = [call for node in gateway.nodes for call in node.asked("Get")]
    assert not any("x-envoy-original-path" in call.metadata for call in calls)


def test_a_stream_is_an_object_a_line_as_they_come(gateway: Gateway) -> None:
    lines = []
    with gateway.client.stream("GET", "/api/v1/cluster/watch?interval_ms=100") as answer:
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        for line in answer.iter_lines():
            lines.append(json.loads(line))
            if len(lines) == 3:
                break
    assert [line["epoch"] for line in lines] == ["1", "2", "3"]


def test_a_stream_that_ends_says_so_in_its_last_line(gateway: Gateway) -> None:
    answer = gateway.client.post("/api/v1/admin/repair", json={})
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [(line["spansDone"], line["finished"]) for line in lines] == [(0, False), (1, False), (2, True)]
