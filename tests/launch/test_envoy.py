"""The configuration as text, and what Envoy itself says to it."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from limedb.config import load
from limedb.errors import ConfigError
from limedb.launch import envoy
from limedb.launch.access import Access
from limedb.launch.addresses import Address
from limedb.launch.envoy import EnvoyOptions
from limedb.wire import descriptors
from tests.envoy.gateway import envoy_command, warnings_in

IPS = ("http://127.0.0.1:7001", "http://127.0.0.1:7002")
ROOT = Path(__file__).parents[2]
NAMES = ("http://node1:8484", "http://node2:8484")


def options(nodes: tuple[str, ...] = IPS, **changes: Any) -> EnvoyOptions:
    upstreams = tuple(envoy.parse_node(node) for node in nodes)
    descriptor = str(descriptors.path())
    return EnvoyOptions(upstreams, Address("127.0.0.1", 8484), descriptor, **changes)


def clusters(config: str) -> dict[str, Any]:
    return {cluster["name"]: cluster for cluster in yaml.safe_load(config)["static_resources"]["clusters"]}


@pytest.mark.process
@pytest.mark.parametrize(
    "given",
    [
        options(),
        options(NAMES),
        options(("http://[::1]:7001", "http://node2:8484=10.0.0.7:9000")),
        options(otel=Address("collector", 4317), access_log=True),
        options(access=Access(("a.b",), ("https://app.example.com",), Address("::1", 8485), ("gossip",))),
        options(admin=Address("127.0.0.1", 0), access=Access(operators=Address("127.0.0.1", 8484))),
    ],
    ids=["addresses", "names", "mixed", "telemetry", "access", "operators"],
)
def test_envoy_takes_it_without_a_warning(given: EnvoyOptions, tmp_path: Path) -> None:
    command = envoy_command(tmp_path, envoy.render(given), "--mode", "validate")
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, warnings_in(done.stderr)) == (0, [])


def test_addresses_are_used_as_they_are_and_names_are_resolved() -> None:
    assert clusters(envoy.render(options()))["nodes"]["type"] == "STATIC"
    assert clusters(envoy.render(options(NAMES)))["nodes"]["cluster_type"]["name"] == "envoy.clusters.dns"


def test_a_node_is_named_by_its_url_and_reached_at_its_address() -> None:
    config = envoy.render(options(("http://node1:8484=10.0.0.7:9000",)))
    (endpoint,) = clusters(config)["nodes"]["load_assignment"]["endpoints"][0]["lb_endpoints"]
    assert endpoint["endpoint"]["address"]["socket_address"] == {"address": "10.0.0.7", "port_value": 9000}
    assert endpoint["metadata"]["filter_metadata"]["envoy.lb"] == {"node": "http://node1:8484"}


def test_nothing_of_tracing_or_access_logs_is_in_it_unless_asked_for() -> None:
    config = envoy.render(options())
    assert not any(word in config for word in ("otel", "tracing", "opentelemetry", "access_log:"))
    assert "otel" in clusters(envoy.render(options(otel=Address("collector", 4317))))


@pytest.mark.parametrize("nodes", [(), ("http://a:1", "http://a:1=b:2")], ids=["none", "twice"])
def test_nodes_must_be_there_and_differ(nodes: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="each only once"):
        envoy.render(options(nodes))


@pytest.mark.parametrize(
    "text", ["node1:8484", "http://node1", "http://a:1=b", "http://a:1=b:x", "https://a:1"]
)
def test_a_node_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--node"):
        envoy.parse_node(text)


def test_streams_have_no_time_limit() -> None:
    config = yaml.safe_load(envoy.render(options()))
    manager = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    routes = manager["route_config"]["virtual_hosts"][0]["routes"]
    of_streams = [
        r["route"]
        for r in routes
        if "route" in r and "WatchCluster" in r["match"].get("safe_regex", {}).get("regex", "")
    ]
    assert [(route["timeout"], route["idle_timeout"]) for route in of_streams] == [("0s", "0s")] * 3


def test_envoy_has_no_admin_page_unless_it_is_asked_for() -> None:
    """A page in a browser on the same machine could stop it there."""
    assert "admin" not in yaml.safe_load(envoy.render(options()))
    given = yaml.safe_load(envoy.render(options(admin=Address("127.0.0.1", 9901))))["admin"]
    assert given["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": 9901}


def test_the_name_that_envoy_listens_at_is_one_of_its_names() -> None:
    given = EnvoyOptions(options().nodes, Address("LimeDB.local", 80), "d", access=Access(("a.b",)))
    assert 'server_names = {["a.b"]=true, ["limedb.local"]=true, ["localhost"]=true}' in envoy.render(given)


@pytest.mark.parametrize("file", ["docker-compose.yml", "docker-compose.dev.yml"])
def test_compose_publishes_on_this_machine_alone_unless_told_otherwise(file: str) -> None:
    services = yaml.safe_load((ROOT / file).read_text())["services"]
    published = [port for service in services.values() for port in service.get("ports", ())]
    assert len(published) == 2
    for port in published:
        assert port.startswith(("127.0.0.1:", "${BIND:-127.0.0.1}:"))


def test_composes_envoy_publishes_operators_calls_at_another_port_alone() -> None:
    """The port that compose publishes on the machine itself, whatever BIND says."""
    config = yaml.safe_load((ROOT / "envoy" / "envoy.yaml").read_text())
    listeners = config["static_resources"]["listeners"]
    ports = {each["name"]: each["address"]["socket_address"]["port_value"] for each in listeners}
    assert ports == {"limedb": 8484, "limedb-operators": 8485}


@pytest.mark.parametrize("file", ["docker-compose.yml", "docker-compose.dev.yml"])
def test_composes_nodes_have_all_that_they_need_beyond_loopback(file: str) -> None:
    text = (ROOT / file).read_text()
    assert "INSECURE" not in text
    services = yaml.safe_load(text)["services"]
    certs, nodes = services["certs"], [services[f"node{number}"] for number in (1, 2, 3, 4)]
    for number, node in enumerate(nodes, 1):
        own = load({name: value for name, value in node["environment"].items() if "${" not in value})
        assert None not in (own.tls_cert, own.tls_key, own.tls_ca, own.root_token_file)
        assert own.auth == "required"
        (place,) = [mount for mount in node["volumes"] if mount.endswith(":/etc/limedb:ro")]
        assert f"node{number}" in place
        assert node["depends_on"] == {"certs": {"condition": "service_completed_successfully"}}
        assert own.node_url in str(certs)
    assert certs["network_mode"] == "none"
    secrets = str(certs["volumes"][-1 if "dev" in file else 0]).partition(":")[0]
    assert not any(f"{secrets}:" in mount for service in nodes for mount in service["volumes"])


def test_composes_envoy_speaks_tls_and_follows_its_certificates() -> None:
    resources = yaml.safe_load((ROOT / "envoy" / "envoy.yaml").read_text())["static_resources"]
    chains = [chain for listener in resources["listeners"] for chain in listener["filter_chains"]]
    (nodes,) = resources["clusters"]
    for holder in (*chains, nodes):
        context = holder["transport_socket"]["typed_config"]["common_tls_context"]
        for path in re.findall(r"'path': '(.*?)'", str(context)):
            assert (ROOT / "envoy" / "sds" / Path(path).name).is_file()
    assert nodes["health_checks"][0]["grpc_health_check"] == {"service_name": "limedb.exposed"}
