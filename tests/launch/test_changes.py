"""A local cluster that starts again as it was, and changes: nodes come and leave, and Envoy starts anew.

Tests limedb/launch/removal.py, limedb/cli/cluster_nodes.py and limedb/cli/cluster_screen.py.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from limedb.cli.cluster_screen import tool
from limedb.client import connect_sync
from tests.cli.terminal import on_terminal
from tests.support.clusters import QUICK, RunningCluster, limedb, read_cluster, running_cluster
from tests.support.waiting import wait_for

SETTINGS = {"DURABILITY": "none", "OTEL_ENDPOINT": "", "ZONE": "attic"}
cluster_mark = pytest.mark.cluster


def command(cluster: RunningCluster, *arguments: str) -> tuple[int, str, str]:
    done = limedb("cluster", *arguments, "--data-dir", str(cluster.folder))
    return done.returncode, done.stdout, done.stderr


def objects(cluster: RunningCluster, *arguments: str) -> list[dict[str, Any]]:
    """What a command prints as JSON; it must succeed."""
    code, out, err = command(cluster, *arguments, "-o", "json")
    assert code == 0, err
    return [json.loads(line) for line in out.splitlines()]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """Three nodes and Envoy. A test leaves as many running."""
    folder = tmp_path_factory.mktemp("changes")
    with running_cluster(folder, nodes=3, env={**SETTINGS, **QUICK}) as running:
        yield running


@cluster_mark
def test_a_start_without_options_starts_what_was_with_its_data(cluster: RunningCluster) -> None:
    before = read_cluster(cluster.folder)
    assert limedb("set", "kept", "yes", "--target", cluster.nodes[0].address).returncode == 0
    code, out, _ = command(cluster, "stop")
    assert (code, out.startswith("3 nodes and Envoy are stopped; the same cluster starts again by: ")) == (
        0,
        True,
    )
    again = out.strip().partition("by: ")[2].split()
    assert again[1:3] == ["cluster", "start"]
    done = limedb(*again[1:], "--detach")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3 nodes and Envoy are ready; ")
    assert f"  export LIMEDB_TARGET={cluster.envoy_address}\n" in done.stdout
    assert read_cluster(cluster.folder) == before
    assert limedb("get", "kept", "--target", cluster.envoy_address).stdout == "yes\n"
    state = limedb("status", "-o", "json", "--target", cluster.nodes[2].address).stdout
    assert json.loads(state)["zone"] == "attic"


@cluster_mark
@pytest.mark.parametrize("option", [("--nodes", "5"), ("--base-port", "7001")])
def test_another_count_or_port_over_data_is_refused_before_anything_starts(
    cluster: RunningCluster, option: tuple[str, str]
) -> None:
    assert command(cluster, "stop")[0] == 0
    try:
        code, _, err = command(cluster, "start", "--detach", *option)
        assert code == 2
        assert len(err.splitlines()) == 1
        assert err.startswith(f"Error: {'='.join(option)}: must be ")
        assert not (cluster.folder / "cluster.json").exists()
        assert not (cluster.folder / "node4").exists()
    finally:
        assert command(cluster, "start", "--detach")[0] == 0


@cluster_mark
def test_several_are_killed_and_restarted_at_once_and_envoy_with_them(cluster: RunningCluster) -> None:
    address = cluster.nodes[2].address
    killed = objects(cluster, "kill", "node2", address, "envoy")
    assert [(each["did"], each["name"], each["state"]) for each in killed] == [
        ("killed", "node2", "dead"),
        ("killed", "node3", "dead"),
        ("killed", "envoy", "dead"),
    ]
    code, out, err = command(cluster, "kill", "node1", "node2")
    assert (code, out, "node2 does not run" in err) == (1, "", True)
    assert {each["name"]: each["state"] for each in json_states(cluster)}["node1"] == "running"
    code, out, err = command(cluster, "restart", "envoy", "node2", "node3")
    assert (code, re.findall(r"^(\w+) is ready again$", out, re.MULTILINE)) == (
        0,
        ["envoy", "node2", "node3"],
    ), err
    assert limedb("health", "--target", cluster.envoy_address).returncode == 0


def json_states(cluster: RunningCluster) -> list[dict[str, Any]]:
    return [json.loads(line) for line in command(cluster, "status", "-o", "json")[1].splitlines()]


@cluster_mark
@pytest.mark.parametrize("name", ["kill", "pause", "resume", "restart", "remove"])
def test_a_name_that_no_node_has_is_refused_with_those_there_are(cluster: RunningCluster, name: str) -> None:
    code, out, err = command(cluster, name, "node77")
    assert (code, out) == (1, "")
    assert "there is no node77 in this cluster, which has node1, node2, node3" in err


@cluster_mark
def test_a_node_that_was_added_is_there_after_the_next_start_and_one_that_was_removed_is_not(
    tmp_path: Path,
) -> None:
    with running_cluster(tmp_path, nodes=3, env={**SETTINGS, "REPLICATION_FACTOR": "2"}) as cluster:
        with connect_sync(cluster.nodes[0].address) as db:
            db.set_many({f"key/{number}": "x" for number in range(200)})
        (added,) = objects(cluster, "add")
        assert (added["did"], added["name"], added["state"]) == ("added", "node4", "running")
        wait_for("the fourth is a member", lambda: active(cluster) == 4)
        code, out, err = command(cluster, "remove", "node2", "--dry-run")
        assert (code, "(nothing was changed)" in out) == (0, True), err
        assert active(cluster) == 4
        code, out, err = command(cluster, "remove", "node2")
        assert code == 0, err
        assert "node2 is removed; its data is in " in out
        assert (cluster.folder / "node2.removed").is_dir()
        assert [each["name"] for each in json_states(cluster)] == ["node1", "node3", "node4", "envoy"]
        assert command(cluster, "stop")[0] == 0
        code, _, err = command(cluster, "start", "--detach")
        assert code == 0, err
        with connect_sync(cluster.envoy_address) as db:
            assert sum(1 for _ in db.scan(prefix="key/", keys_only=True)) == 200
        assert objects(cluster, "add")[0]["name"] == "node5", "a name is never given twice"


def active(cluster: RunningCluster) -> int:
    shown = limedb("status", "-o", "json", "--target", cluster.nodes[0].address).stdout
    state = json.loads(shown)
    return int(state["activeNodes"]) if state["phase"] == "steady" else 0


@cluster_mark
def test_a_dead_node_is_removed_even_if_it_has_just_been_killed(tmp_path: Path) -> None:
    settings = {**SETTINGS, "REPLICATION_FACTOR": "3", "GOSSIP_INTERVAL": "200ms"}
    with running_cluster(tmp_path, nodes=4, env=settings, envoy=False) as cluster:
        cluster.kill("node3")
        code, _, err = command(cluster, "remove", "node3")
        assert code == 0, err
        assert [each["name"] for each in json_states(cluster)] == ["node1", "node2", "node4"]


@cluster_mark
def test_a_terminal_is_asked_before_a_node_leaves(cluster: RunningCluster) -> None:
    where = ("--data-dir", str(cluster.folder))
    code, shown = on_terminal("cluster", "remove", "node3", *where, interrupt_at="Remove node3?")
    assert "(nothing was changed)" in shown
    assert code == 130
    assert json_states(cluster)[2]["name"] == "node3"


@pytest.mark.process
def test_where_no_cluster_runs_nothing_can_leave(tmp_path: Path) -> None:
    done = limedb("cluster", "remove", "node1", "--data-dir", str(tmp_path))
    assert (done.returncode, done.stderr) == (1, f"Error: no cluster runs in {tmp_path}\n")


@cluster_mark
@pytest.mark.parametrize(
    ("name", "message"), [("envoy", "Envoy isn't a member"), ("node1", "no other node runs")]
)
def test_what_has_nobody_to_leave_to_is_refused(tmp_path: Path, name: str, message: str) -> None:
    with running_cluster(tmp_path, nodes=1, env=SETTINGS) as cluster:
        code, _, err = command(cluster, "remove", name)
        assert (code, message in err) == (1, True)


def test_a_tool_that_the_shell_does_not_find_is_shown_with_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(sys.executable).parent
    monkeypatch.setenv("PATH", str(folder))
    assert tool() == "limedb"
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.chdir(folder.parent)
    assert tool() == f"{folder.name}/limedb"
    monkeypatch.chdir("/")
    assert Path(tool()).exists()
