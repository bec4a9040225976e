"""`limedb certs cluster`: the folders of a cluster on several machines.

Tests limedb/launch/cluster_files.py and limedb/cli/certs_cluster.py.
"""

import stat
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from limedb.cli.app import cli
from limedb.config import Config, load
from limedb.core.exposure import exposure_of
from limedb.launch.cluster_files import ClusterFiles
from limedb.node.encryption import Encryption
from limedb.tls.certificates import facts_of
from limedb.tls.folder import CertificateFolder, file_name, read
from tests.support.clusters import QUICK
from tests.support.clusters import limedb as command
from tests.support.own_address import own_address
from tests.support.ports import free_ports
from tests.support.serving import starting_node
from tests.support.waiting import wait_for

URLS = ("http://10.0.0.1:8484", "http://node2:9000")


def certs(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["certs", "cluster", "--dir", str(folder), *arguments])


def settings(folder: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in (folder / "limedb.env").read_text().splitlines())


def config(folder: Path) -> Config:
    return load(settings(folder))


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_node_with_its_folder_may_listen_beyond_loopback(tmp_path: Path) -> None:
    folder = tmp_path / "certs" / "node2-9000"
    done = certs(tmp_path / "certs", *URLS, "--at", str(folder))
    assert done.exit_code == 0, done.output
    assert done.output.split() == [str(tmp_path / "certs" / name) for name in ("10.0.0.1-8484", "node2-9000")]
    own = config(folder)
    assert (own.node_url, own.server_port, own.node_peers) == (URLS[1], 9000, URLS[:1])
    entrances = Encryption(own).entrances
    assert len(entrances) == 2
    assert exposure_of(entrances) is None
    assert own.root_token_file == folder / "root.token"


def test_a_node_finds_its_files_where_its_folder_is_copied_to(tmp_path: Path) -> None:
    assert certs(tmp_path, *URLS).exit_code == 0
    assert settings(tmp_path / "node2-9000")["TLS_CERT"] == "/etc/limedb/node.pem"


def test_no_folder_has_the_key_of_the_ca_or_of_another_node(tmp_path: Path) -> None:
    assert certs(tmp_path, *URLS, "--proxy", "limedb.example.com,10.0.0.9").exit_code == 0
    keys = [path.read_bytes() for path in tmp_path.rglob("*.key")]
    assert len(set(keys)) == len(keys) == 4
    assert {path.name for path in (tmp_path / "envoy").iterdir()} == {"ca.pem", "envoy.pem", "envoy.key"}
    assert {path.name for path in (tmp_path / "node2-9000").iterdir()} == {
        "ca.pem", "node.pem", "node.key", "root.token", "limedb.env",
    }  # fmt: skip
    assert {stat.S_IMODE(path.stat().st_mode) for path in contents(tmp_path)} == {0o600}
    names = facts_of(read(tmp_path / "envoy" / "envoy.pem")[0]).names
    assert {"limedb.example.com", "10.0.0.9", "localhost", "127.0.0.1", "::1"} == {*names}


def test_a_second_run_adds_a_node_and_changes_nothing_of_the_others_but_their_peers(tmp_path: Path) -> None:
    assert certs(tmp_path, *URLS).exit_code == 0
    before = contents(tmp_path)
    assert certs(tmp_path, *URLS).exit_code == 0
    assert contents(tmp_path) == before
    assert certs(tmp_path, *URLS, "http://node3:8484").exit_code == 0
    changed = {path for path, content in before.items() if path.read_bytes() != content}
    assert {path.name for path in changed} == {"limedb.env"}
    assert (tmp_path / "node3-8484" / "root.token").read_bytes() == (tmp_path / "root.token").read_bytes()


def test_what_was_changed_by_hand_stays(tmp_path: Path) -> None:
    assert certs(tmp_path, *URLS).exit_code == 0
    path = tmp_path / "node2-9000" / "limedb.env"
    path.write_text(path.read_text() + "AUDIT_LOG=/var/log/limedb\n")
    before = path.read_text()
    assert certs(tmp_path, "http://node2:9000", "--at", "/elsewhere").exit_code == 0
    assert path.read_text() == before


def test_what_expires_soon_is_renewed(tmp_path: Path) -> None:
    cert = ClusterFiles(tmp_path, "/etc/limedb", 59).node(URLS[1], URLS) / "node.pem"
    assert facts_of(read(cert)[0]).days_left() < 60
    assert certs(tmp_path, *URLS).exit_code == 0
    assert facts_of(read(cert)[0]).days_left() > 300


def test_what_another_ca_has_issued_is_replaced(tmp_path: Path) -> None:
    assert certs(tmp_path, *URLS).exit_code == 0
    CertificateFolder(tmp_path, replaces=True).make_authority("another", 100)
    assert certs(tmp_path, *URLS).exit_code == 0
    for folder in (tmp_path / "10.0.0.1-8484", tmp_path / "node2-9000"):
        assert facts_of(read(folder / "node.pem")[0]).issuer == "another"
        assert (folder / "ca.pem").read_bytes() == (tmp_path / "ca.pem").read_bytes()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("node1:8484",), "NODE_URL=node1:8484: must be a URL like"),
        ((*URLS, "--proxy", "1.a.node.limedb.internal"), "--proxy=1.a.node.limedb.internal: must be other"),
    ],
)
def test_what_can_not_be_named_is_refused(tmp_path: Path, given: tuple[str, ...], words: str) -> None:
    done = certs(tmp_path, *given)
    assert done.exit_code == 2
    assert words in done.output


@pytest.mark.cluster
def test_nodes_on_a_network_form_a_cluster_that_asks_for_tokens(tmp_path: Path) -> None:
    """The steps of README and docs/security.md, on one machine, at its address on the network."""
    with free_ports(6) as ports, ExitStack() as stack:
        urls = [f"http://{own_address()}:{port}" for port in ports[:3]]
        token = ("--ca", str(tmp_path / "ca.pem"), "--token-file", str(tmp_path / "root.token"))
        token = (*token, "--timeout", "30")
        targets = [url.removeprefix("http://") for url in urls]
        for url, port in zip(urls, ports, strict=False):
            folder = ClusterFiles(tmp_path, str(tmp_path / file_name(url)), 365).node(url, urls)
            own = {**QUICK, **settings(folder), "PEER_PORT_OFFSET": "3"}
            stack.enter_context(starting_node(tmp_path / f"data-{port}", port, own))
        for target in targets:
            wait_for(
                "it serves", lambda t=target: command("health", "--target", t, *token).returncode == 0, 120
            )  # type: ignore[misc]
        for target in targets:
            done = command("set", target, "hello", "--consistency", "all", "--target", target, *token)
            assert done.stdout == "OK\n", done.stderr
        assert (
            "needs a token"
            in command("get", targets[0], "--target", targets[1], *token[:2], "--timeout", "30").stderr
        )
