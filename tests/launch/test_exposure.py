"""Envoys that listen beyond loopback: what they need, what they say, and which nodes they use."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from limedb.cli.app import cli
from limedb.errors import ExposedError
from limedb.launch import envoy
from limedb.launch.access import Access
from limedb.launch.addresses import Address
from limedb.launch.envoy import EnvoyOptions, EnvoyTls, Shown
from limedb.launch.exposure import check_cluster, check_envoy
from limedb.launch.plan import LaunchPlan, make_launch
from limedb.launch.records import Folder
from tests.support.ports import free_ports

NEAR, FAR = Address("127.0.0.1", 8484), Address("0.0.0.0", 8484)
PLAIN = EnvoyTls()
SERVES = EnvoyTls(Shown("/c.pem", "/c.key"))
WHOLE = EnvoyTls(Shown("/c.pem", "/c.key"), "/ca.pem")
HERE, THERE = "http://127.0.0.1:7001", "http://node1:8484"


def options(listen: Address, tls: EnvoyTls = PLAIN, node: str = HERE, **changes: Any) -> EnvoyOptions:
    return EnvoyOptions((envoy.parse_node(node),), listen, "/d", tls=tls, **changes)


OPERATORS = Access(operators=Address("::", 8485))


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        (options(NEAR), ""),
        (options(Address("::1", 8484)), ""),
        (options(NEAR, node=THERE), ""),
        (options(NEAR, access=OPERATORS), r"\[::\]:8485, which other machines reach, without TLS\. Run"),
        (options(FAR), r"0\.0\.0\.0:8484, which other machines reach, without TLS\. Run limedb certs init;"),
        (options(Address("limedb.example.com", 80)), "without TLS"),
        (options(FAR, SERVES), ""),
        (options(FAR, SERVES, THERE), "without TLS"),  # tokens would go to the nodes in the clear
        (options(FAR, WHOLE, THERE), ""),
        (options(FAR, WHOLE, THERE, admin=Address("127.0.0.1", 9901)), ""),
        (options(FAR, WHOLE, admin=Address("0.0.0.0", 9901)), "give --admin an address of loopback"),
        (options(NEAR, admin=Address("10.0.0.1", 9901)), "give --admin an address of loopback"),
    ],
)
def test_what_an_envoy_needs_depends_on_where_it_listens(given: EnvoyOptions, refusal: str) -> None:
    if not refusal:
        assert check_envoy(given) == ""
        return
    with pytest.raises(ExposedError, match=refusal):
        check_envoy(given)


def test_the_override_lets_it_listen_with_a_warning() -> None:
    warning = check_envoy(options(FAR, insecure=True))
    assert "Envoy listens at 0.0.0.0:8484" in warning
    assert "anyone who reaches it can read, write and change everything" in warning


@pytest.mark.parametrize(
    ("given", "service"),
    [
        (options(NEAR), {}),
        (options(FAR, SERVES), {"service_name": "limedb.exposed"}),
        (options(NEAR, access=OPERATORS), {"service_name": "limedb.exposed"}),
        (options(FAR, insecure=True), {}),
    ],
)
def test_beyond_loopback_it_uses_nodes_alone_that_ask_for_tokens(
    given: EnvoyOptions, service: dict[str, str]
) -> None:
    (nodes,) = yaml.safe_load(envoy.render(given))["static_resources"]["clusters"]
    assert nodes["health_checks"][0]["grpc_health_check"] == service


@pytest.mark.parametrize(
    ("has_tls", "asks", "lacking"),
    [(False, False, "Add --tls and --auth"), (True, False, "Add --auth"), (False, True, "Add --tls,")],
)
def test_a_local_cluster_names_the_options_that_it_needs(has_tls: bool, asks: bool, lacking: str) -> None:
    with pytest.raises(ExposedError, match=lacking):
        check_cluster([FAR], has_tls, asks, False)
    assert "INSECURE=true" in check_cluster([FAR], has_tls, asks, True)
    assert check_cluster([NEAR], has_tls, asks, False) == ""


def start(folder: Path, ports: list[int], **changes: Any) -> LaunchPlan:
    return LaunchPlan(Folder(folder), 1, ports[0], "0.0.0.0", ports[1], **changes)


def test_a_local_cluster_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with free_ports(2) as ports, pytest.raises(ExposedError):
        make_launch(start(tmp_path / "cluster", ports))
    assert not (tmp_path / "cluster").exists()


def test_its_nodes_warn_too_where_the_rule_is_off(tmp_path: Path) -> None:
    with free_ports(2) as ports:
        launch = make_launch(start(tmp_path, ports, insecure=True))
    assert launch.nodes[0].settings["INSECURE"] == "true"
    assert "Envoy listens at 0.0.0.0" in launch.warning


def test_the_variable_counts_for_a_local_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSECURE", "true")
    with free_ports(2) as ports:
        assert make_launch(start(tmp_path, ports)).warning


def test_a_safe_one_starts_without_a_word(tmp_path: Path) -> None:
    settings = {"PEER_PORT_OFFSET": "1"}
    with free_ports(3) as ports:
        launch = make_launch(start(tmp_path, [ports[0], ports[2]], tls=True, auth=True, settings=settings))
    assert launch.warning == ""


def test_the_command_refuses_in_one_line_and_warns_in_one() -> None:
    given = ["envoy-config", "--host", "0.0.0.0", "--node", THERE]
    done = CliRunner().invoke(cli, given)
    assert (done.exit_code, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert len(re.findall("limedb (?:certs|admin) ", done.stderr)) == 3
    for way in ([*given, "--insecure"], given):
        done = CliRunner().invoke(cli, way, env={"INSECURE": "true"} if way is given else {})
        assert done.exit_code == 0
        assert done.stderr.startswith("warning: INSECURE=true: Envoy listens at 0.0.0.0:8484")


@pytest.mark.parametrize("host", ["::", "[::]"])
def test_brackets_around_a_host_change_nothing(host: str) -> None:
    done = CliRunner().invoke(cli, ["envoy-config", "--host", host, "--node", THERE])
    assert "Envoy would listen at [::]:8484, which" in done.stderr
    near = CliRunner().invoke(cli, ["envoy-config", "--host", host.replace("::", "::1"), "--node", THERE])
    assert (near.exit_code, near.stderr) == (0, "")
    assert "address: '::1'" in near.stdout or 'address: "::1"' in near.stdout
