"""Levels of consistency by their short names, in bodies and queries of REST; what a node gets.

Tests limedb/launch/field_values.lua, json_body.lua and rest_requests.lua.
"""

import pytest

from tests.envoy.gateway import Gateway

LEVELS = [("one", 1), ("quorum", 2), ("ALL", 3), ("linearizable", 4), ("CONSISTENCY_ONE", 1)]


def asked(gateway: Gateway, method: str) -> int:
    """The level of the one call that a node was asked for."""
    (call,) = [call for node in gateway.nodes for call in node.asked(method)]
    return int(call.request.consistency)


@pytest.mark.parametrize(("name", "number"), LEVELS)
@pytest.mark.parametrize(
    "form", ['{"key":"k","value":"v",%s}', '{%s,"ifAbsent":true,"key":"new","value":"v"}']
)
def test_a_body_names_a_level(gateway: Gateway, name: str, number: int, form: str) -> None:
    body = form % f'"consistency": "{name}"'
    gateway.client.post("/api/v1/set", content=body).raise_for_status()
    assert asked(gateway, "Set") == number


@pytest.mark.parametrize(("name", "number"), LEVELS)
@pytest.mark.parametrize(
    "query", ["consistency={}", "x=a%26b&consistency={}", "consistency={}&ifExists=true"]
)
def test_a_query_names_a_level(gateway: Gateway, name: str, number: int, query: str) -> None:
    gateway.client.delete(f"/api/v1/del/k%2Fa?{query.format(name)}")
    assert asked(gateway, "Delete") == number
    (call,) = [call for node in gateway.nodes for call in node.asked("Delete")]
    assert (call.request.key, call.request.HasField("condition")) == ("k/a", "ifExists" in query)


@pytest.mark.parametrize("name", ["unspecified", "", "on", "one ", "consistency_on", "1one", "o%00ne"])
def test_what_is_no_level_is_refused(gateway: Gateway, name: str) -> None:
    answer = gateway.client.get(f"/api/v1/get/k?consistency={name}")
    assert (answer.status_code, "must be one of CONSISTENCY_ONE" in answer.json()["message"]) == (400, True)
    answer = gateway.client.post("/api/v1/set", json={"key": "k", "value": "v", "consistency": name})
    assert (answer.status_code, "must be one of CONSISTENCY_ONE" in answer.json()["message"]) == (400, True)
    assert not any(node.calls for node in gateway.nodes)


def test_a_level_that_is_there_twice_is_refused(gateway: Gateway) -> None:
    answer = gateway.client.get("/api/v1/get/k?consistency=one&consistency=all")
    assert answer.status_code == 400
    assert "there twice" in answer.json()["message"]
