"""`limedb certs`, as users run it."""

import json
import re
import ssl
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from limedb.cli.app import cli


def certs(*arguments: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(cli, ["certs", *arguments], env=env)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "certs"
    assert certs("init", "--dir", str(path)).exit_code == 0
    return path


def shown(path: Path) -> dict[str, object]:
    done = certs("show", str(path), "-o", "json")
    assert done.exit_code == 0, done.output
    found: dict[str, object] = json.loads(done.output)
    return found


def test_three_commands_make_what_a_cluster_needs(folder: Path) -> None:
    done = certs(
        "node", "http://node1:8484", "--advertise", "10.0.0.7:9", "--host", "lime", "--dir", str(folder)
    )
    assert done.exit_code == 0, done.output
    settings = dict(line.split("=") for line in done.output.splitlines())
    assert settings.keys() == {"TLS_CA", "TLS_CERT", "TLS_KEY"}
    assert all(Path(path).is_absolute() and Path(path).exists() for path in settings.values())
    names = {"node1", "10.0.0.7", "lime", "8484.node1.node.limedb.internal", "localhost", "127.0.0.1", "::1"}
    node = shown(folder / "node1-8484.pem")
    assert (node["role"], set(node["names"])) == ("node", names)  # type: ignore[call-overload]
    done = certs("client", "alice", "--dir", str(folder))
    assert {line.partition("=")[0] for line in done.output.splitlines()} == {
        "LIMEDB_CA", "LIMEDB_CERT", "LIMEDB_KEY",
    }  # fmt: skip
    assert shown(folder / "alice.pem")["role"] == "client"
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_a_node_takes_its_names_from_the_settings(folder: Path) -> None:
    env = {"NODE_URL": "http://node2:8484", "ADVERTISE_ADDRESS": "far:1"}
    assert certs("node", "--dir", str(folder), env=env).exit_code == 0
    assert "far" in shown(folder / "node2-8484.pem")["names"]  # type: ignore[operator]


def test_python_accepts_the_files(folder: Path) -> None:
    assert certs("server", "envoy", "--host", "localhost", "--dir", str(folder)).exit_code == 0
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    context.load_cert_chain(folder / "envoy.pem", folder / "envoy.key")


def test_a_request_is_for_another_ca(tmp_path: Path) -> None:
    done = certs("node", "http://node1:8484", "--csr", "--dir", str(tmp_path))
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["node1-8484.csr", "node1-8484.key"]
    assert "server and client authentication" in done.output


def test_renewed_ones_are_valid_for_longer(folder: Path) -> None:
    certs("client", "alice", "--days", "2", "--dir", str(folder))
    path = folder / "alice.pem"
    assert shown(path)["daysLeft"] == pytest.approx(2, abs=0.1)
    assert certs("renew", str(path), "--days", "9", "--dir", str(folder)).exit_code == 0
    assert shown(path)["daysLeft"] == pytest.approx(9, abs=0.1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["init"], "--force"),
        (["node", "node1:8484"], "a URL like http://node1:8484"),
        (["node", f"http://{'n' * 240}:1"], "too long for a certificate"),
        (["server", "x", "--host", "\u00fcber"], "ASCII|A-label"),
        (["renew", "nothing.pem"], "certs init"),
        (["show", "nothing.pem"], "certs init"),
    ],
)
def test_what_can_not_be_done_is_one_line(folder: Path, arguments: list[str], words: str) -> None:
    where = ["--dir", str(folder)] if arguments[0] != "show" else []
    done = certs(*arguments, *where)
    assert done.exit_code == 2, done.output
    assert len(done.output.splitlines()) == 1
    assert re.search(words, done.output), done.output


def test_force_replaces(folder: Path) -> None:
    before = (folder / "ca.pem").read_bytes()
    assert certs("init", "--force", "--dir", str(folder)).exit_code == 0
    assert (folder / "ca.pem").read_bytes() != before


def test_what_expires_soon_is_an_exit_code_for_cron(folder: Path) -> None:
    certs("client", "alice", "--days", "9", "--dir", str(folder))
    files = [str(folder / name) for name in ("ca.pem", "alice.pem")]
    for days, code in (("8", 0), ("10", 1)):
        done = certs("show", *files, "--expires-within", days)
        assert (done.exit_code, "alice" in done.output) == (code, True)
    assert certs("show", files[0], "--expires-within", "10").exit_code == 0
