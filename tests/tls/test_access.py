"""Tokens and certificates together: nodes prove themselves by these, and share no secret.

Tests limedb/node/encryption.py and limedb/node/access.py.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from limedb.access.tokens import new_secret, write_secret
from tests.support.clusters import QUICK, RunningCluster, print_logs, read_cluster
from tests.support.clusters import limedb as command
from tests.support.ports import free_ports

pytestmark = pytest.mark.cluster

NODES = 3


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """A cluster with TLS that asks for tokens. Its nodes have no CLUSTER_SECRET_FILE."""
    parent = tmp_path_factory.mktemp("guarded")
    folder, root = parent / "cluster", parent / "root.token"
    write_secret(root, new_secret())
    given = {**QUICK, "PEER_PORT_OFFSET": str(NODES), "AUTH": "required", "ROOT_TOKEN_FILE": str(root)}
    settings = [part for name, value in given.items() for part in ("-e", f"{name}={value}")]
    with free_ports(2 * NODES + 1) as ports:
        options = ["--nodes", str(NODES), "--port", str(ports[0]), "--base-port", str(ports[1]), *settings]
        try:
            done = command("cluster", "start", "--tls", "--detach", "--data-dir", str(folder), *options)
            assert done.returncode == 0, done.stderr
            yield read_cluster(folder)
        except BaseException:
            print_logs(folder)
            raise
        finally:
            command("cluster", "stop", "--data-dir", str(folder))


def ask(cluster: RunningCluster, *arguments: str, token: Path | None = None, index: int = 0) -> str:
    ca = json.loads((cluster.folder / "cluster.json").read_text())["tls"]["ca"]
    options = ["--target", cluster.nodes[index].address, "--ca", ca]
    options += ["--token-file", str(token)] if token else []
    done = command(*arguments, *options)
    return done.stdout + done.stderr


def test_nodes_need_no_secret_and_clients_need_a_token(guarded: RunningCluster, tmp_path: Path) -> None:
    root = guarded.folder.parent / "root.token"
    assert "needs a token" in ask(guarded, "set", "a", "1")
    for index in range(NODES):
        assert (
            ask(guarded, "set", f"a{index}", "1", "--consistency", "all", token=root, index=index) == "OK\n"
        )
    token = tmp_path / "token"
    token.write_text(ask(guarded, "admin", "user", "add", "alice", "--role", "read:a", token=root))
    assert ask(guarded, "get", "a0", token=token, index=1) == "1\n"
    assert "lacks the role write" in ask(guarded, "set", "a0", "2", token=token, index=2)


def test_a_certificate_of_a_client_stands_for_no_token(guarded: RunningCluster) -> None:
    files = json.loads((guarded.folder / "cluster.json").read_text())["tls"]
    shown = ("--cert", files["cert"], "--key", files["key"])
    assert "needs a token" in ask(guarded, "get", "a0", *shown)
