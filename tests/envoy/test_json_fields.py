"""JSON bodies with fields that nobody knows: they are refused by name, and nothing is done."""

import json
from typing import Any

import pytest

from tests.envoy.gateway import Gateway

REFUSED = [
    ("/api/v1/set", {"key": "k", "value": "v", "ttl": 1000}, "unknown field ttl in SetRequest"),
    ("/api/v1/set", {"ttl": {"key": "k"}, "key": "k"}, "unknown field ttl in SetRequest"),
    ("/api/v1/set", {"Key": "k", "value": "v"}, "unknown field Key in SetRequest"),
    ("/api/v1/set", {"key": "k", "value": "v", "": 1}, "unknown field  in SetRequest"),
    ("/api/v1/set", {"key": "k", "value": '"}', 'a"b\\': 1}, 'unknown field a\\"b\\\\ in SetRequest'),
    ("/api/v1/set/direct", {"key": "k", "consistency": 1}, "unknown field consistency in SetDirectRequest"),
    ("/api/v1/batch/set", {"writes": [{"key": "k"}, {"kye": "k"}]}, "writes[1]: unknown field kye in Bat"),
    ("/api/v1/batch/set", {"writes": [], "writs": []}, "unknown field writs in BatchSetRequest"),
    ("/api/v1/batch/get", {"keys": ["k"], "key": "k"}, "unknown field key in BatchGetRequest"),
    ("/api/v1/admin/decommission", {"url": "http://a:1", "dryrun": True}, "unknown field dryrun in"),
    ("/api/v1/admin/repair", {"all": True}, "unknown field all in RepairRequest; it has none"),
    (
        "/gossip",
        {"type": "GOSSIP_SYN", "payload": {"digests": [{"url": "x"}]}},
        "payload.digests[0]: unknown field url in Digest",
    ),
]
WRONG = [
    ('{"key":"k","key":"j","value":"v"}', "field key is there twice in SetRequest: which one counts?"),
    ('{"key":"k","ttlMs":1,"ttl_ms":2}', "field ttlMs is there twice in SetRequest"),
    ('{"key":"k","value":"v","blob":"aGk="}', "value and blob in SetRequest: give one of them"),
    (
        '{"key":"k","consistency":"QUORM"}',
        'consistency="QUORM": must be one of CONSISTENCY_ONE, CONSISTENCY_QUORUM',
    ),
    (
        '{"key":"k","value":"v","ttlMs":NaN}',
        "ttlMs=NaN: must be a whole number from 0 to 1844674407370955161",
    ),
    *(
        (f'{{"key":"k","value":"v","ttlMs":{number}}}', f"ttlMs={number}: must be a whole number from 0 to")
        for number in ("-1", "1.5", "1e300", "Infinity", "18446744073709551616", "true")
    ),
    ('{"key":"k","value":"v","ttlMs":"abc"}', 'ttlMs="abc": must be a whole number'),
    (
        "[]",
        "the body must be a JSON object; its fields are attempt, blob, condition, consistency, expiresAtMs,",
    ),
    (" null", "the body must be a JSON object"),
    ("", "the body is empty: send a JSON object; its fields are attempt, blob"),
]
TAKEN = [
    ("/api/v1/set", {"key": "k", "value": '{"ttl": [1, "x"]}', "ttlMs": 1}),
    ("/api/v1/set", {"key": "k", "value": "v", "ttl_ms": "1", "consistency": "CONSISTENCY_ONE"}),
    ("/api/v1/set", {"key": "k", "value": 'quotes " and \\ and {"ttl":1}'}),
    ("/api/v1/set", {"key": "k", "value": None}),
    ("/api/v1/set", {"blob": None, "key": "k", "value": "v", "ttlMs": 1e3, "consistency": 2}),
    ("/api/v1/set", {"key": "k", "value": "v", "expiresAtMs": "18446744073709551615", "attempt": 2**32 - 1}),
    ("/api/v1/batch/set", {"writes": [{"key": "k", "value": "v"}, {"delete": True, "key": "k"}]}),
    ("/api/v1/batch/get", {"keys": ["ttl", "b"]}),
    ("/api/v1/admin/decommission", {"url": "http://a:1", "dryRun": True}),
]


@pytest.mark.parametrize(("path", "body", "message"), REFUSED)
def test_an_unknown_field_is_refused_by_name(
    gateway: Gateway, path: str, body: dict[str, Any], message: str
) -> None:
    answer = gateway.client.post(path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, 3)
    assert [detail["reason"] for detail in answer.json()["details"]] == ["INVALID_REQUEST"]
    assert answer.json()["message"].startswith(message)
    assert not any(node.calls for node in gateway.nodes)


def test_no_way_to_write_a_path_or_a_type_leads_past_the_check(gateway: Gateway) -> None:
    """The transcoder would take these, and drop the field: the value would never expire."""
    body, read = (
        b'{"key":"k","value":"v","ttl":1000}',
        {"If-Match": '"5"', "content-type": "application/grpcx"},
    )
    for path in (
        "/api/v1/set/",
        "/api/v1/set//",
        "/api/v1//set",
        "//api/v1/set",
        "/api/v1/set/x",
        "/API/v1/set",
    ):
        answer = gateway.client.post(path, content=body)
        assert answer.status_code in {400, 404}, path
    for kind in (
        "application/grpcx",
        "application/grpc.json",
        "application/grpc-web",
        "application/connect+json",
    ):
        answer = gateway.client.post("/api/v1/set", content=body, headers={"content-type": kind})
        assert (answer.status_code in {400, 404, 415}, "OK" in answer.text) == (True, False), kind
        assert not gateway.client.get("/api/v1/scan?limt=1", headers={"content-type": kind}).is_success
    assert not gateway.client.delete("/api/v1/del/k", headers=read).is_success
    assert not any(node.calls for node in gateway.nodes)


@pytest.mark.parametrize(("body", "message"), WRONG)
def test_a_body_that_does_not_say_what_it_means_is_refused_in_our_words(
    gateway: Gateway, body: str, message: str
) -> None:
    answer = gateway.client.post("/api/v1/set", content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, 3)
    assert answer.json()["message"].startswith(message)
    assert not any(node.calls for node in gateway.nodes)


def test_a_level_that_does_not_exist_is_refused_with_the_levels_in_a_query_too(gateway: Gateway) -> None:
    for method, path in (("GET", "get/k"), ("DELETE", "del/k"), ("GET", "scan")):
        answer = gateway.client.request(method, f"/api/v1/{path}?consistency=QUORM")
        assert answer.status_code == 400
        assert answer.json()["message"] == (
            "consistency=QUORM: must be one of CONSISTENCY_ONE, CONSISTENCY_QUORUM, CONSISTENCY_ALL,"
            " CONSISTENCY_LINEARIZABLE"
        )
    assert gateway.client.get("/api/v1/keys?consistency=CONSISTENCY_ONE").status_code == 200


def test_the_refusal_names_the_fields_that_there_are(gateway: Gateway) -> None:
    answer = gateway.client.post("/api/v1/admin/decommission", json={"dryrun": True})
    assert answer.json()["message"] == (
        "unknown field dryrun in DecommissionRequest; its fields are dryRun, url"
    )


@pytest.mark.parametrize("layout", [{}, {"indent": 2}, {"separators": (",", ":")}], ids=str)
@pytest.mark.parametrize(("path", "body"), TAKEN)
def test_what_a_request_has_is_taken_however_it_is_written(
    gateway: Gateway, path: str, body: dict[str, Any], layout: dict[str, Any]
) -> None:
    text = json.dumps(body, **layout)
    answer = gateway.client.post(path, content=text, headers={"content-type": "application/json"})
    assert answer.status_code == 200, answer.text
    assert sum(len(node.calls) for node in gateway.nodes) == 1


@pytest.mark.parametrize(
    "body",
    ["[" * 200_000, '{"writes":' * 50_000, '{"key":"k', '{"key', "}", "]]]", '{"key":"\\', "null", "7"],
)
def test_a_body_that_is_no_object_is_refused_and_hurts_nobody(gateway: Gateway, body: str) -> None:
    answer = gateway.client.post("/api/v1/batch/set", content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, 3)
    assert gateway.client.get("/api/v1/keys").status_code == 200


def test_a_query_that_the_go_limedb_ignored_is_ignored(gateway: Gateway) -> None:
    gateway.nodes[0].data["a"] = "v"
    for path in ("get/a", "keys", "cluster/state", "cluster/ring", "cluster/gossip", "health"):
        assert gateway.client.get(f"/api/v1/{path}?_=17&utm=x").status_code == 200
    assert gateway.client.post("/api/v1/set?x=1", json={"key": "k", "value": "v"}).text == "OK"
    assert gateway.client.delete("/api/v1/del/a?x=1").text == "1"


@pytest.mark.parametrize("path", ["scan?prefx=a", "watch?x=1", "replicas/k?x=1", "admin/status?x=1"])
def test_a_query_of_a_newer_path_that_it_does_not_have_is_refused_by_name(
    gateway: Gateway, path: str
) -> None:
    answer = gateway.client.get(f"/api/v1/{path}")
    name = path.partition("?")[2].partition("=")[0]
    assert (answer.status_code, answer.json()["code"]) == (400, 3)
    assert answer.json()["message"].startswith(f"unknown parameter {name} in the query; this path takes ")
