"""A local cluster with TLS and tokens whose nodes come and leave, and a demo that continues in its folder.

Tests limedb/launch/removal.py, limedb/launch/certificates.py and limedb/cli/demo.py.
"""

import json
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from limedb.client import connect_sync
from limedb.tls.folder import replace_file
from tests.cli.test_demo import LIMIT_SECONDS, running_demo, shows
from tests.support.clusters import QUICK, READY, limedb, print_logs
from tests.support.ports import free_ports
from tests.support.waiting import wait_for

pytestmark = pytest.mark.cluster

NODES, MORE = 3, 5
KEYS = 200


@contextmanager
def closed_cluster(folder: Path) -> Iterator[Path]:
    """A cluster with TLS and tokens, and room for further nodes; its folder."""
    with free_ports(1 + 2 * MORE) as ports:
        given = {**QUICK, "PEER_PORT_OFFSET": str(MORE), "REPLICATION_FACTOR": "2", "DURABILITY": "none"}
        settings = [part for name, value in given.items() for part in ("-e", f"{name}={value}")]
        options = ["--nodes", str(NODES), "--port", str(ports[0]), "--base-port", str(ports[1]), *settings]
        try:
            started = cluster(folder, "start", "--tls", "--auth", "--detach", *READY, *options)
            assert "ready" in started
            yield folder
        except BaseException:
            print_logs(folder)
            raise
        finally:
            limedb("cluster", "stop", "--data-dir", str(folder))


def cluster(folder: Path, *arguments: str) -> str:
    done = limedb("cluster", *arguments, "--data-dir", str(folder))
    assert done.returncode == 0, done.stderr
    return done.stdout


def running(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "cluster.json").read_text())
    return content


def shown(folder: Path) -> dict[str, str]:
    """What a client needs to be let in."""
    ca, root = folder / "certs" / "ca.pem", folder / "root.token"
    return {"tls_ca": str(ca), "token": root.read_text().strip()}


def names(folder: Path) -> list[str]:
    """The active members, if no change is under way."""
    node = running(folder)["nodes"][0]["grpc_address"]
    files = ("--ca", str(folder / "certs" / "ca.pem"), "--token-file", str(folder / "root.token"))
    state = json.loads(limedb("status", "-o", "json", "--target", node, *files).stdout)
    urls = {each["url"] for each in state["members"] if each["status"] == "active"}
    found = [each["name"] for each in running(folder)["nodes"] if each["url"] in urls]
    return found if state["phase"] == "steady" and len(urls) == len(found) else []


def test_nodes_come_and_leave_and_no_key_is_lost(tmp_path: Path) -> None:
    with closed_cluster(tmp_path / "cluster") as folder:
        with connect_sync(running(folder)["nodes"][0]["grpc_address"], **shown(folder)) as db:
            db.set_many({f"key/{number}": "x" for number in range(KEYS)})
        cluster(folder, "add")
        assert (folder / "certs" / "node4.pem").exists()
        wait_for("the fourth is a member", lambda: names(folder) == ["node1", "node2", "node3", "node4"], 60)
        assert "(nothing was changed)" in cluster(folder, "remove", "node2", "--dry-run")
        assert "node2 is removed" in cluster(folder, "remove", "node2")
        cluster(folder, "kill", "node3")
        assert "node3 is removed" in cluster(folder, "remove", "node3")
        assert names(folder) == ["node1", "node4"]
        cluster(folder, "stop")
        cluster(folder, "start", "--detach", *READY)
        envoy = running(folder)["envoy"]["url"]
        assert envoy.startswith("https://")
        with connect_sync(envoy.removeprefix("https://"), **shown(folder)) as db:
            assert sum(1 for _ in db.scan(prefix="key/", keys_only=True)) == KEYS


def test_a_demo_continues_where_a_closed_cluster_was(tmp_path: Path) -> None:
    with closed_cluster(tmp_path / "demo") as folder:
        cluster(folder, "stop")
    with running_demo(tmp_path, continues=True) as process:
        wait_for("the demo runs", lambda: shows(tmp_path, "Ctrl-C stops the demo."), LIMIT_SECONDS)
        content = running(folder)
        assert content["envoy"]["url"].startswith("https://")
        wait_for("the dashboard is opened", (tmp_path / "opened").exists)
        assert (tmp_path / "opened").read_text().strip() == f"{content['envoy']['url']}/"
        with connect_sync(content["nodes"][2]["grpc_address"], **shown(folder)) as db:
            assert db.get("greeting") == "hello"
        token = shown(folder)["token"]
        assert not shows(tmp_path, token)
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT_SECONDS) == 0, (tmp_path / "screen").read_text()


def test_the_ca_is_changed_as_the_docs_say_and_no_call_fails(tmp_path: Path) -> None:
    """First both CAs everywhere, then other certificates, and at last the new CA alone."""
    with closed_cluster(tmp_path / "cluster") as folder:
        certs, new = folder / "certs", tmp_path / "new"
        old = tmp_path / "old.pem"
        shutil.copy(certs / "ca.pem", old)
        made_for = [*sorted(certs.glob("node?.pem")), certs / "envoy.pem", certs / "client.pem"]
        node, envoy = running(folder)["nodes"][0]["grpc_address"], running(folder)["envoy"]["url"]
        with (
            connect_sync(node, **shown(folder)) as at_node,
            connect_sync(envoy.removeprefix("https://"), **shown(folder)) as at_envoy,
        ):
            assert limedb("certs", "init", "--name", "new", "--dir", str(new)).returncode == 0
            alone = (new / "ca.pem").read_bytes()
            (new / "ca.pem").write_bytes(alone + old.read_bytes())
            replace_file(certs / "ca.pem", (new / "ca.pem").read_bytes())
            wait_for("all nodes know both", lambda: noticed(folder) == 1)
            done = limedb("certs", "renew", *map(str, made_for), "--dir", str(new))
            assert done.returncode == 0, done.stderr
            wait_for("all nodes have others", lambda: noticed(folder) == 2)
            replace_file(certs / "ca.pem", alone)
            wait_for("all nodes know the new one alone", lambda: noticed(folder) == 3)
            for number, client in enumerate((at_node, at_envoy)):
                client.set(f"changed/{number}", "x", consistency="all")
        token = ("--token-file", str(folder / "root.token"))
        for address in (node, envoy.removeprefix("https://")):
            asked = ("get", "changed/1", "--target", address, *token)
            assert limedb(*asked, "--ca", str(certs / "ca.pem")).stdout == "x\n"
            assert "can't be trusted" in limedb(*asked, "--ca", str(old)).stderr


def noticed(folder: Path) -> int:
    """How many changes of its files each node has noticed: the least of all."""
    logs = [Path(each["log"]).read_text() for each in running(folder)["nodes"]]
    return min(log.count("has changed: new connections use it") for log in logs)
