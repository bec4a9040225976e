"""Whom a command asks: forms of addresses, several of them, and what wins over what."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from limedb.cli.options import target_option
from limedb.cli.targets import Asked, addresses_of, as_url, nearest_first, normal
from limedb.operator.contexts import Context, Contexts, store_contexts
from limedb.operator.tokens import store
from limedb.tls.target import Target
from tests.support.clusters import RunningCluster, limedb
from tests.support.ports import free_ports


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("db", "db:8484"),
        ("db:1", "db:1"),
        ("db:1/", "db:1"),
        ("db/", "db:8484"),
        ("http://db:1/", "db:1"),
        ("http://db", "db:8484"),
        ("https://db/", "https://db:8484"),
        ("::1", "[::1]:8484"),
        ("[::1]", "[::1]:8484"),
        ("[::1]:7", "[::1]:7"),
        (" a:1 , b/ ,a:1", "a:1,b:8484"),
        ("https://a:1,https://b:2", "https://a:1,b:2"),
    ],
)
def test_an_address_may_be_written_in_many_forms(text: str, address: str) -> None:
    assert normal(text) == address


@pytest.mark.parametrize(
    "text", ["", ",", ":", ":8484", "db:port", "db:99999", "a b", "http://db:1/x", "u@db"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a HOST:PORT"):
        addresses_of(text)


def test_a_node_may_be_named_without_http() -> None:
    assert as_url("node4:8484") == as_url("http://node4:8484") == "http://node4:8484"


@pytest.fixture
def listening() -> Iterator[str]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_the_first_address_at_which_something_listens_is_asked(listening: str) -> None:
    with free_ports(1) as (port,):
        silent = f"127.0.0.1:{port}"
        assert nearest_first([silent, listening]) == [listening, silent]
        assert nearest_first([silent, f"localhost:{port}"])[0] == silent


def test_a_stored_token_never_reaches_an_address_that_it_is_not_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listening: str
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("LIMEDB_TOKEN", raising=False)
    store(listening, "one", os.environ)
    found = Asked(f"127.0.0.1:1,{listening}").target(reads_token=True)
    assert (found.address, found.token) == (listening, "one")


class Told:
    """A command of its own that has --target, and what it was given."""

    def __init__(self) -> None:
        self.target = Target("")

        @click.command()
        @target_option
        def command(target: Target) -> None:
            self.target = target

        self._command = command

    def run(self, *arguments: str, **environ: str) -> tuple[str, Path | None]:
        """The address and the CA."""
        done = CliRunner().invoke(self._command, arguments, env={**EMPTY, **environ}, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return self.target.address, self.target.tls.ca if self.target.tls else None


EMPTY: dict[str, Any] = dict.fromkeys(
    ("LIMEDB_TARGET", "LIMEDB_CONTEXT", "LIMEDB_CA", "LIMEDB_CERT", "LIMEDB_KEY", "LIMEDB_TOKEN_FILE")
)


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Told:
    """A command of somebody with three contexts, of which `used` is in use."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "other.pem").touch()
    contexts = Contexts().having("used", Context("used:1", "/used.pem"))
    store_contexts(contexts.having("named", Context("named:1", "/named.pem")), os.environ)
    return Told()


def test_the_context_in_use_is_asked_by_default(told: Told) -> None:
    assert told.run() == ("used:1", Path("/used.pem"))


def test_a_context_that_is_named_wins_over_the_environment(told: Told) -> None:
    named = ("named:1", Path("/named.pem"))
    assert told.run("--context", "named") == named
    assert told.run("--context", "named", LIMEDB_TARGET="env:1") == named
    assert told.run(LIMEDB_CONTEXT="named") == named
    assert told.run("--context", "named", LIMEDB_CONTEXT="used") == named


def test_a_target_that_is_named_takes_nothing_of_a_context(told: Told, tmp_path: Path) -> None:
    assert told.run("--target", "other:1") == ("other:1", None)
    assert told.run("--target", "other:1", "--context", "named") == ("other:1", None)
    assert told.run(LIMEDB_TARGET="env:1") == ("env:1", None)
    assert told.run(LIMEDB_TARGET="env:1", LIMEDB_CONTEXT="named") == ("env:1", None)


def test_a_file_that_is_typed_wins_over_that_of_the_context(told: Told, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    assert told.run("--ca", str(other)) == ("used:1", other)
    assert told.run(LIMEDB_CA=str(other)) == ("used:1", Path("/used.pem"))


def test_commands_reach_a_cluster_by_any_of_its_addresses(cluster: RunningCluster) -> None:
    with free_ports(1) as (port,):
        several = f"http://127.0.0.1:{port}/,{cluster.envoy_address}/"
        for command in (["health"], ["count"], ["status"], ["admin", "status"], ["gossip"]):
            done = limedb(*command, "--target", several)
            assert done.returncode == 0, done.stderr
        shown = limedb("status", "-o", "json", "--target", several).stdout
        assert json.loads(shown)["totalNodes"] == 3


def test_a_member_is_named_by_its_address_or_its_host(cluster: RunningCluster) -> None:
    where = ("--dry-run", "--target", cluster.envoy_address)
    done = limedb("admin", "decommission", cluster.nodes[0].address, *where)
    assert (done.returncode, done.stdout.startswith(f"{cluster.nodes[0].url} leaves")) == (0, True), (
        done.stderr
    )
    done = limedb("admin", "decommission", "127.0.0.1", *where)
    assert (done.returncode, "is the host of" in done.stderr) == (1, True)
    done = limedb("admin", "decommission", "node9:1", *where)
    assert (done.returncode, "http://node9:1" in done.stderr) == (2, True)
