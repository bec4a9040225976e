"""Names, origins and listeners of Envoy; of limedb/launch/access.py."""

import json
from dataclasses import asdict

import pytest

from limedb.errors import ConfigError
from limedb.launch.access import Access, listeners
from limedb.launch.addresses import Address

LISTEN, OTHER = Address("127.0.0.1", 8484), Address("127.0.0.1", 8485)
DECOMMISSION, DIRECT = "limedb.v1.AdminService/Decommission", "limedb.v1.KVService/SetDirect"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://app.example.com", "https://app.example.com"),
        ("HTTPS://App.Example.com/", "https://app.example.com"),
        ("https://app.example.com:443", "https://app.example.com"),
        ("http://app.example.com:80", "http://app.example.com"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
    ],
)
def test_an_origin_is_kept_as_browsers_write_it(given: str, kept: str) -> None:
    assert Access.parse(origins=(given,)).origins == (kept,)


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "app.example.com",
        "https://a/path",
        "https://a?b",
        "ftp://a",
        "https://*.a",
        "http://a:99999",
    ],
)
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(ConfigError, match="--origin"):
        Access.parse(origins=(origin,))


@pytest.mark.parametrize("name", ["a:80", "http://a", "*.a", "a b", "", ".", "a..b", "-a", "a/b"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="--server-name"):
        Access.parse(server_names=(name,))


def test_a_name_is_kept_in_lower_case_without_its_last_dot() -> None:
    assert Access.parse(server_names=("LimeDB.Example.",)).server_names == ("limedb.example",)


@pytest.mark.parametrize("operators", ["8485", "localhost", "a:b", ":8485"])
def test_a_place_for_operators_is_an_address(operators: str) -> None:
    with pytest.raises(ConfigError, match="--operators"):
        Access.parse(operators=operators)


def test_operators_calls_are_published_only_where_asked_for() -> None:
    (alone,) = listeners(LISTEN, Access())
    assert (alone.refusal("limedb.v1.KVService/Set"), DECOMMISSION in alone.rpcs) == ("", False)
    assert "for operators" in alone.refusal(DECOMMISSION)
    public, operators = listeners(LISTEN, Access(operators=OTHER, publish=("direct",)))
    assert (public.address, operators.address) == (LISTEN, OTHER)
    assert public.rpcs == alone.rpcs
    assert not operators.refusal(DECOMMISSION)
    assert not operators.refusal(DIRECT)
    assert "--publish gossip" in operators.refusal("limedb.v1.GossipService/Exchange")
    assert "for nodes" in operators.refusal("limedb.v1.TopologyService/Learn")
    (both,) = listeners(LISTEN, Access(operators=LISTEN))
    assert not both.refusal(DECOMMISSION)
    assert both.refusal(DIRECT)


def test_there_must_be_a_place_for_what_is_published_on_request() -> None:
    with pytest.raises(ConfigError, match=r"--publish=gossip: .*--operators"):
        listeners(LISTEN, Access(publish=("gossip",)))


@pytest.mark.parametrize("access", [Access(), Access(("a.b",), ("http://x:1",), OTHER, ("gossip",))])
def test_what_is_written_down_is_read_again(access: Access) -> None:
    assert Access.from_json(json.loads(json.dumps(asdict(access)))) == access
