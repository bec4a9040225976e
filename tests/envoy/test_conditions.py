"""Conditions of REST through a real Envoy: the short names, ETags, and HTTP's own headers.

Tests limedb/launch/rest_requests.lua, json_body.lua and routes.yaml.j2.
"""

import json
from typing import Any

import pytest

from limedb.core.condition import Condition
from limedb.wire.conditions import condition_from
from tests.envoy.gateway import Gateway

SET, DEL, GET = "/api/v1/set", "/api/v1/del/k", "/api/v1/get/k"
TAG = '"7"'
BIG = str((1 << 64) - 1)


def asked(gateway: Gateway, method: str = "Set") -> Condition | None:
    """The condition of the one write that a node was asked for."""
    (call,) = [call for node in gateway.nodes for call in node.asked(method)]
    return condition_from(call.request)


@pytest.mark.parametrize(
    ("fields", "condition"),
    [
        ('"ifVersion":7', Condition(version=7)),
        (f'"ifVersion":"{BIG}"', Condition(version=int(BIG))),
        ('"if_version" : 0', Condition(version=0)),
        ('"ifAbsent":true', Condition(exists=False)),
        ('"ifExists": true ', Condition(exists=True)),
        ('"ifValue":"a\\"b\\u00e9}"', Condition(value='a"bé}')),
        ('"ifValue":""', Condition(value="")),
        ('"ifBlob":"/w=="', Condition(value=b"\xff")),
        ('"condition":{"version":7,"wantsCurrent":true}', Condition(version=7)),
        ('"ifVersion":null', None),
    ],
)
@pytest.mark.parametrize("form", ['{"key":"k","value":"v",%s}', '{%s,"key":"k","value":"v"}'])
def test_a_body_names_a_condition(
    gateway: Gateway, form: str, fields: str, condition: Condition | None
) -> None:
    gateway.client.post(SET, content=form % fields)
    assert asked(gateway) == condition


def test_each_write_of_a_batch_has_its_own(gateway: Gateway) -> None:
    body = {
        "writes": [
            {"key": "a", "value": "1", "ifVersion": "5"},
            {"key": "b", "value": "2"},
            {"ifValue": "x", "key": "c", "delete": True},
        ]
    }
    gateway.client.post("/api/v1/batch/set", json=body).raise_for_status()
    (call,) = [call for node in gateway.nodes for call in node.asked("BatchSet")]
    writes = call.request.writes
    assert [write.key for write in writes] == ["a", "b", "c"]
    assert [condition_from(write) for write in writes] == [Condition(5), None, Condition(value="x")]
    assert writes[2].delete


@pytest.mark.parametrize(
    ("query", "condition"),
    [
        ("ifVersion=7", Condition(version=7)),
        ("ifValue=a%26b%20c%2F%C3%A9", Condition(value="a&b c/é")),
        ("consistency=CONSISTENCY_ALL&ifExists=true", Condition(exists=True)),
        ("x=y", None),
    ],
)
def test_a_query_names_a_condition(gateway: Gateway, query: str, condition: Condition | None) -> None:
    gateway.client.delete(f"{DEL}?{query}")
    assert asked(gateway, "Delete") == condition


@pytest.mark.parametrize(
    ("headers", "condition"),
    [
        ({"if-match": TAG}, Condition(version=7)),
        ({"if-match": "*"}, Condition(exists=True)),
        ({"if-none-match": "*"}, Condition(exists=False)),
    ],
)
def test_headers_name_a_condition(gateway: Gateway, headers: dict[str, str], condition: Condition) -> None:
    gateway.client.post(SET, json={"key": "k", "value": "v"}, headers=headers)
    assert asked(gateway) == condition
    gateway.nodes[0].forget()
    gateway.nodes[1].forget()
    gateway.client.delete(f"{DEL}/a/?consistency=CONSISTENCY_ONE", headers=headers)
    assert asked(gateway, "Delete") == condition
    (call,) = [call for node in gateway.nodes for call in node.asked("Delete")]
    assert (call.request.key, call.request.consistency) == ("k/a/", 1)


def refused(gateway: Gateway, method: str, path: str, headers: dict[str, str], body: Any = None) -> str:
    """Why a request is refused; nothing reached a node."""
    answer = gateway.client.request(method, path, headers=headers, content=json.dumps(body) if body else None)
    assert (answer.status_code, answer.json()["code"]) == (400, 3), answer.text
    assert not any(node.calls for node in gateway.nodes)
    return str(answer.json()["message"])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"ifVersion": -1}, "ifVersion=-1: must be a whole number from 0 to 18446744073709551615"),
        ({"ifVersion": 1 << 64}, "ifVersion=18446744073709551616: must be a whole number"),
        ({"ifAbsent": False}, "ifAbsent=false: must be true"),
        ({"ifExists": "true"}, 'ifExists="true": must be true'),
        ({"ifValue": 5}, "ifValue=5: must be a string"),
        ({"ifBlob": "!"}, 'ifBlob="!": must be base64'),
        ({"ifVersion": 1, "ifValue": "x"}, "ifVersion and ifValue in SetRequest: give one of them"),
        ({"condition": {"version": 1}, "ifAbsent": True}, "condition and ifAbsent in SetRequest: give one"),
        ({"condition": {"version": 1, "exists": True}}, "condition: version and exists in Condition: give"),
        ({"ifVersoin": 1}, "unknown field ifVersoin in SetRequest"),
    ],
)
def test_nonsense_in_a_body_is_refused(gateway: Gateway, fields: dict[str, Any], message: str) -> None:
    assert refused(gateway, "POST", SET, {}, {"key": "k", "value": "v", **fields}).startswith(message)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (f"{DEL}?ifVersion=x", "ifVersion=x: must be a whole number"),
        (f"{DEL}?ifAbsent=no", "ifAbsent=no: must be true"),
        (f"{DEL}?ifVersion=1&ifExists=true", "ifVersion and ifExists in DeleteRequest: give one of them"),
        # Other unknown parameters are ignored here; without this one the key would be deleted in any case.
        (f"{DEL}?ifVersoin=1", "unknown parameter ifVersoin in the query"),
        (f"{DEL}?condition.version=1", "unknown parameter condition.version in the query"),
    ],
)
def test_nonsense_in_a_query_is_refused(gateway: Gateway, path: str, message: str) -> None:
    assert refused(gateway, "DELETE", path, {}).startswith(message)


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"if-match": "7"}, 'If-Match=7: must be an ETag as get has it, such as "7", or *'),
        ({"if-match": 'W/"7"'}, 'If-Match=W/"7": must be an ETag'),
        ({"if-match": '"7", "8"'}, 'If-Match="7", "8": must be an ETag'),
        ({"if-match": f'"{BIG}0"'}, "If-Match="),
        ({"if-none-match": TAG}, 'If-None-Match="7": must be *'),
        ({"if-match": TAG, "if-none-match": "*"}, "If-Match and If-None-Match: give one of them"),
    ],
)
def test_headers_that_name_no_condition_are_refused(
    gateway: Gateway, headers: dict[str, str], message: str
) -> None:
    assert refused(gateway, "DELETE", DEL, headers).startswith(message)


def test_a_condition_in_two_places_is_refused(gateway: Gateway) -> None:
    body = {"key": "k", "value": "v", "ifVersion": 1}
    message = "If-Match and ifVersion in SetRequest: give one of them"
    assert refused(gateway, "POST", SET, {"if-match": TAG}, body) == message


@pytest.mark.parametrize("path", ["/api/v1/batch/set", "/api/v1/set/direct", "/api/v1/admin/repair"])
def test_other_writes_take_no_such_headers(gateway: Gateway, path: str) -> None:
    message = "If-Match: of the writes, only set and del take it"
    assert refused(gateway, "POST", path, {"if-match": TAG}, {"key": "k", "value": "v"}) == message


def test_what_a_path_takes_names_its_conditions(gateway: Gateway) -> None:
    message = refused(gateway, "DELETE", DEL + "?ifFoo=1", {})
    assert all(name in message for name in ("ifVersion", "ifAbsent", "ifValue", "ifExists"))


def test_a_condition_that_does_not_hold_is_412_with_the_etag_there_is(gateway: Gateway) -> None:
    body = {"key": "k", "value": "new", "ifAbsent": True}
    assert gateway.client.post(SET, json=body).text == "OK"
    answer = gateway.client.post(SET, json=body)
    assert (answer.status_code, answer.headers["etag"]) == (412, TAG)
    assert "limedb-condition" not in answer.headers
    error = answer.json()
    assert error["code"] == 9
    (info,) = error["details"]
    assert (info["reason"], info["metadata"]) == (
        "CONDITION_FAILED",
        {"key": "k", "version": "7", "exists": "1", "required": "no value"},
    )
    answer = gateway.client.delete(DEL, headers={"if-match": '"8"'})
    assert (answer.status_code, answer.headers["etag"]) == (412, TAG)
    assert gateway.client.delete(DEL, headers={"if-match": TAG}).text == "1"
    answer = gateway.client.delete(DEL, headers={"if-match": "*"})
    assert answer.status_code == 412
    assert "etag" not in answer.headers


def test_the_current_value_is_in_the_details_where_it_is_asked_for(gateway: Gateway) -> None:
    gateway.nodes[0].data["k"] = "now"
    body = {"key": "k", "value": "new", "condition": {"version": 1, "wantsCurrent": True}}
    _, current = gateway.client.post(SET, json=body).json()["details"]
    assert (current["value"], current["version"]) == ("now", "7")


def test_a_get_has_an_etag_and_answers_304_to_who_has_it(gateway: Gateway) -> None:
    gateway.nodes[0].data["k"] = '","version":"9","expiresAtMs":"0"}'
    for pin in {}, {"node": gateway.nodes[1].url}:
        answer = gateway.client.get(GET, params=pin)
        assert (answer.headers["etag"], answer.headers["cache-control"]) == (TAG, "no-cache")
        assert answer.json()["version"] == "7"
        for known in TAG, f'"6", W/{TAG}', "*":
            answer = gateway.client.get(GET, params=pin, headers={"if-none-match": known})
            assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", TAG)
        other = gateway.client.get(GET, params=pin, headers={"if-none-match": '"77"'})
        assert (other.status_code, other.json()["version"]) == (200, "7")
    assert gateway.client.head(GET).headers["etag"] == TAG
    missing = gateway.client.get("/api/v1/get/none", headers={"if-none-match": "*"})
    assert missing.status_code == 404
    assert "etag" not in missing.headers


def test_a_large_value_has_one_too(gateway: Gateway) -> None:
    value = '"' * (4 << 20)
    gateway.nodes[0].data["k"] = value
    answer = gateway.client.get(GET)
    assert (answer.headers["etag"], answer.json()["value"] == value) == (TAG, True)
