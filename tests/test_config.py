"""The settings: default, environment, flag, and what a bad value says.

Tests limedb/config.py and limedb/setting_values.py.
"""

from pathlib import Path

import pytest

from limedb.config import SETTINGS, load
from limedb.core.node_urls import address_of
from limedb.errors import ConfigError

DEFAULTS = {
    "server_port": 8484,
    "node_url": "http://localhost:8484",
    "node_peers": (),
    "virtual_nodes": 256,
    "data_dir": Path.home() / ".limedb",
    "otel_endpoint": None,
    "store": "lmdb",
    "durability": "always",
    "replication_factor": 3,
    "consistency": "quorum",
    "gossip_interval": 1.0,
    "may_found": "yes",
    "dead_node_timeout": 600.0,
    "tombstone_grace": 86_400.0,
    "max_clock_skew": 0.5,
    "repair_interval": 600.0,
    "scrub_interval": 604_800.0,
    "request_timeout": 10.0,
    "advertise_address": "localhost:8484",
    "zone": "",
    "max_value_size": 4 << 20,
    "max_memory": 0,
    "log_level": "info",
    "log_format": "text",
    "slow_request": 0.5,
    "tls_cert": None,
    "tls_key": None,
    "tls_ca": None,
    "tls_client_cert": "none",
    "peer_tls_cert": None,
    "peer_tls_key": None,
    "peer_tls_ca": None,
    "tls_revoked": None,
    "tls_ca_key": None,
    "join_token_file": None,
    "peer_port_offset": 10_000,
    "auth": "off",
    "cluster_secret_file": None,
    "root_token_file": None,
    "jwt_keys_file": None,
    "jwt_issuer": "",
    "jwt_audience": "",
    "jwt_roles_claim": "limedb_roles",
    "audit_log": None,
    "insecure": False,
    "client_rate": 0,
    "client_burst": 0,
    "client_streams": 4096,
    "client_watches": 2000,
    "client_scans": 1024,
    "client_bytes": 0,
    "max_connections": 0,
    "max_calls": 42_000,
    "max_waiting_calls": 4096,
    "max_cluster_watches": 1024,
    "trusted_proxies": (),
}
# Of each setting: a text, what it means, another text, and what that means.
GIVEN = {
    "SERVER_PORT": ("7001", 7001, "65535", 65535),
    "NODE_URL": ("http://node1:8484", "http://node1:8484", "http://[::1]:8484/", "http://[::1]:8484"),
    "NODE_PEERS": ("http://B:1, http://c:2/,http://b:1", ("http://b:1", "http://c:2"), "", ()),
    "VIRTUAL_NODES": ("0", 0, "4096", 4096),
    "DATA_DIR": ("/var/lib/limedb", Path("/var/lib/limedb"), "~/x", Path.home() / "x"),
    "OTEL_ENDPOINT": ("collector:4317", "collector:4317", "", ""),
    "STORE": ("memory", "memory", "FileSystem", "filesystem"),
    "DURABILITY": ("interval", "interval", "none", "none"),
    "REPLICATION_FACTOR": ("1", 1, "15", 15),
    "CONSISTENCY": ("ONE", "one", "linearizable", "linearizable"),
    "MAY_FOUND": ("no", "no", "YES", "yes"),
    "DEAD_NODE_TIMEOUT": ("5s", 5.0, "24h", 86_400.0),
    "TOMBSTONE_GRACE": ("2m", 120.0, "1h", 3600.0),
    "MAX_CLOCK_SKEW": ("100ms", 0.1, "2s", 2.0),
    "REPAIR_INTERVAL": ("1s", 1.0, "1h", 3600.0),
    "SLOW_REQUEST": ("0", 0.0, "50ms", 0.05),
    "SCRUB_INTERVAL": ("0", 0.0, "24h", 86_400.0),
    "GOSSIP_INTERVAL": ("500ms", 0.5, "1m", 60.0),
    "REQUEST_TIMEOUT": ("1.5s", 1.5, "10m", 600.0),
    "ADVERTISE_ADDRESS": ("10.0.0.1:9", "10.0.0.1:9", "[::1]:9", "[::1]:9"),
    "ZONE": ("rack-1", "rack-1", "", ""),
    "MAX_VALUE_SIZE": ("512KiB", 512 << 10, "65536", 65536),
    "MAX_MEMORY": ("1GiB", 1 << 30, "0", 0),
    "LOG_LEVEL": ("debug", "debug", "ERROR", "error"),
    "LOG_FORMAT": ("json", "json", "text", "text"),
    **{
        f"{kind}_{what}": ("/etc/x.pem", Path("/etc/x.pem"), "~/x", Path.home() / "x")
        for kind in ("TLS", "PEER_TLS")
        for what in ("CERT", "KEY", "CA")
    },
    "TLS_CLIENT_CERT": ("required", "required", "NONE", "none"),
    "TLS_REVOKED": ("/etc/x.crl", Path("/etc/x.crl"), "", None),
    "TLS_CA_KEY": ("/etc/ca.key", Path("/etc/ca.key"), "", None),
    "JOIN_TOKEN_FILE": ("~/join", Path.home() / "join", "", None),
    "PEER_PORT_OFFSET": ("1", 1, "65534", 65534),
    "AUTH": ("required", "required", "OFF", "off"),
    "CLUSTER_SECRET_FILE": ("/run/secret", Path("/run/secret"), "", None),
    "ROOT_TOKEN_FILE": ("~/root", Path.home() / "root", "", None),
    "JWT_KEYS_FILE": ("keys.json", Path("keys.json"), "", None),
    "JWT_ISSUER": ("https://issuer", "https://issuer", "", ""),
    "JWT_AUDIENCE": ("limedb", "limedb", "", ""),
    "JWT_ROLES_CLAIM": ("roles", "roles", "a.b", "a.b"),
    "AUDIT_LOG": ("/var/log/a", Path("/var/log/a"), "", None),
    "INSECURE": ("true", True, "False", False),
    "CLIENT_RATE": ("100", 100, "0", 0),
    "CLIENT_BURST": ("500", 500, "0", 0),
    "CLIENT_STREAMS": ("1", 1, "10", 10),
    "CLIENT_WATCHES": ("1", 1, "10", 10),
    "CLIENT_SCANS": ("1", 1, "10", 10),
    "CLIENT_BYTES": ("16MiB", 16 << 20, "0", 0),
    "MAX_CONNECTIONS": ("1000", 1000, "0", 0),
    "MAX_CALLS": ("100", 100, "42000", 42_000),
    "MAX_WAITING_CALLS": ("10", 10, "50000", 50_000),
    "MAX_CLUSTER_WATCHES": ("1", 1, "10", 10),
    "TRUSTED_PROXIES": (
        "Envoy, 10.1.0.0/16,192.0.2.1,::1",
        ("envoy", "10.1.0.0/16", "192.0.2.1/32", "::1/128"),
        "",
        (),
    ),
}
URL = "a URL like http://node1:8484, with a port and without a path"
TIME = "with its unit: 500ms, 1s, 10m, 24h"
BAD = [
    ("SERVER_PORT", "0", "a whole number from 1 to 65535"),
    ("SERVER_PORT", "http", "a whole number from 1 to 65535"),
    ("NODE_URL", "node1:8484", URL),
    ("NODE_URL", "http://node1", URL),
    ("NODE_URL", "http://node1:8484/x", URL),
    ("NODE_URL", "http://node1:8485", "at SERVER_PORT=8484; if another port leads there, set ADVERTISE"),
    ("NODE_URL", "http://0.0.0.0:8484", "that others can dial"),
    ("NODE_URL", "http://[::]:8484", "that others can dial"),
    ("NODE_URL", "http://node1:0", "that others can dial"),
    ("NODE_URL", f"http://{'n' * 300}:8484", "256 characters"),
    ("ADVERTISE_ADDRESS", "0.0.0.0:8484", "host:port that others can dial"),
    ("ADVERTISE_ADDRESS", "node1:0", "host:port that others can dial"),
    ("DATA_DIR", "", "a folder"),
    ("DATA_DIR", "~nobody-of-that-name/x", "a folder"),
    ("ZONE", "\x1b[31mred", "printable"),
    ("NODE_URL", "https://node1:8484", URL),
    ("NODE_URL", "http://user@node1:8484", URL),
    ("NODE_URL", "http://node1:99999", ""),
    ("NODE_PEERS", "http://b:1,c:2", URL),
    ("VIRTUAL_NODES", "-1", "a whole number from 0 to 4096"),
    ("VIRTUAL_NODES", "4097", "a whole number from 0 to 4096"),
    ("STORE", "redis", "one of lmdb, memory, filesystem"),
    ("DURABILITY", "maybe", "one of always, interval, none"),
    ("REPLICATION_FACTOR", "0", "a whole number from 1 to 15"),
    ("CONSISTENCY", "most", "one of one, quorum, all, linearizable"),
    ("MAY_FOUND", "maybe", "one of yes, no"),
    ("DEAD_NODE_TIMEOUT", "0.5s", "a time from 1s"),
    ("GOSSIP_INTERVAL", "1", TIME),
    ("GOSSIP_INTERVAL", "0s", "a time from 0.02s to 3600s"),
    ("SLOW_REQUEST", "0.1ms", "0, or a time from 0.001s"),
    ("SCRUB_INTERVAL", "1s", "0, or a time from 60s"),
    ("REQUEST_TIMEOUT", "1h", "a time from 0.01s to 600s"),
    ("ADVERTISE_ADDRESS", "10.0.0.1", "host:port"),
    ("MAX_VALUE_SIZE", "17MiB", "a size from 1B to 16MiB"),
    ("MAX_VALUE_SIZE", "1GB", "a size from 1B to 16MiB"),
    ("MAX_MEMORY", "1MiB", "a size from 64MiB to 1024GiB"),
    ("SERVER_PORT", "9" * 5000, "a whole number from 1 to 65535"),
    ("SERVER_PORT", "٨٤٨٤", "a whole number from 1 to 65535"),
    ("MAX_MEMORY", "9" * 5000, "a size from 64MiB to 1024GiB"),
    ("REQUEST_TIMEOUT", "9" * 400 + "s", "a time from 0.01s to 600s"),
    ("REQUEST_TIMEOUT", "nans", "a time from 0.01s to 600s"),
    ("LOG_LEVEL", "loud", "one of debug, info, warning, error"),
    ("LOG_FORMAT", "xml", "one of text, json"),
    ("CLIENT_RATE", "-1", "a whole number from 0 to 1000000"),
    ("MAX_CALLS", "1", "a whole number from 100 to 42000"),
    ("TRUSTED_PROXIES", "10.1.0.1/16", "networks like 10.1.0.0/16"),
    ("TRUSTED_PROXIES", "10.1.0", "networks like 10.1.0.0/16"),
    ("TRUSTED_PROXIES", "http://envoy", "host names"),
    ("AUTH", "yes", "one of off, required"),
    ("AUDIT_LOG", "~nobody-of-that-name/x", "a file"),
    ("INSECURE", "1", "one of true, false"),
    ("INSECURE", "", "one of true, false"),
]


def test_every_setting_is_covered_here() -> None:
    assert {s.name for s in SETTINGS} == set(GIVEN)
    assert {s.field for s in SETTINGS} == set(DEFAULTS)


@pytest.mark.parametrize("field", DEFAULTS)
def test_a_setting_has_its_default(field: str) -> None:
    assert getattr(load({}), field) == DEFAULTS[field]


@pytest.mark.parametrize("name", GIVEN)
def test_the_environment_wins_over_the_default(name: str) -> None:
    text, meaning, *_ = GIVEN[name]

    assert getattr(load({name: text}), name.lower()) == meaning


@pytest.mark.parametrize("name", GIVEN)
def test_a_flag_wins_over_the_environment(name: str) -> None:
    text, meaning, other, other_meaning = GIVEN[name]
    if name == "ADVERTISE_ADDRESS":
        assert load({name: ""}, {"advertise_address": ""}).advertise_address == "localhost:8484"

    assert getattr(load({name: other}, {name.lower(): text}), name.lower()) == meaning
    assert getattr(load({name: text}, {name.lower(): other}), name.lower()) == other_meaning
    assert getattr(load({name: text}, {name.lower(): None}), name.lower()) == meaning


@pytest.mark.parametrize("name", ["MAX_VALUE_SIZE", "MAX_MEMORY"])
def test_the_examples_of_an_error_are_allowed(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load({name: "x"})
    for example in str(caught.value).rpartition(": ")[2].split(" or "):
        load({name: example})


@pytest.mark.parametrize(("name", "value", "allowed"), BAD)
def test_a_bad_value_is_reported_in_one_line(name: str, value: str, allowed: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load({name: value})

    assert str(caught.value).startswith(f"{name}={value}: must be ")
    assert allowed in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (caught.value.setting, caught.value.value) == (name, value)


def test_the_port_makes_the_default_url() -> None:
    config = load({"SERVER_PORT": "7001"})

    assert (config.node_url, config.advertise_address) == ("http://localhost:7001", "localhost:7001")


def test_peers_reach_a_node_at_its_url_unless_it_says_otherwise() -> None:
    assert load({"NODE_URL": "http://node1:8484"}).advertise_address == "node1:8484"


def test_a_node_is_no_peer_of_itself() -> None:
    config = load({"NODE_URL": "http://A:8484", "NODE_PEERS": "http://a:8484,http://b:1"})

    assert config.node_peers == ("http://b:1",)


def test_an_address_is_the_host_and_port_of_a_url() -> None:
    assert address_of("http://node1:8484") == "node1:8484"
    assert address_of("http://[::1]:8484") == "[::1]:8484"


def test_settings_report_their_flags_and_what_they_are() -> None:
    flags = {s.flag for s in SETTINGS} | {s.go_flag for s in SETTINGS if s.go_flag}

    assert len(flags) == len(SETTINGS) + 6
    assert {"--node-url", "-node.url", "-node.routing.virtual-nodes"} <= flags
    assert all(s.help for s in SETTINGS)


@pytest.mark.process
def test_the_folder_of_a_user_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"DATA_DIR.*~nobody-of-that-name"):
        load({"DATA_DIR": "~nobody-of-that-name/data"})
