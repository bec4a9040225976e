"""`limedb cluster` on real nodes, as a user runs it.

Tests limedb/cli/cluster.py, limedb/launch/foreground.py and limedb/operator/remote_cluster.py.
"""

import fcntl
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.clusters import RunningCluster, limedb, read_cluster, running_cluster
from tests.support.pipes import closed_pipe, full_pipe
from tests.support.ports import free_ports

pytestmark = pytest.mark.cluster

SETTINGS = {"DURABILITY": "none", "GOSSIP_INTERVAL": "100ms", "ZONE": "attic", "OTEL_ENDPOINT": ""}
LIMIT_SECONDS = 30.0


def wait_until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def states(cluster: RunningCluster) -> tuple[int, dict[str, str]]:
    """The exit code of `status`, and the state of each process."""
    done = limedb("cluster", "status", "--data-dir", str(cluster.folder))
    return done.returncode, {line.split()[0]: line.split()[1] for line in done.stdout.splitlines()}


def pinned(cluster: RunningCluster, name: str, path: str = "health") -> httpx.Response:
    url = next(node.url for node in cluster.nodes if node.name == name)
    return httpx.get(f"{cluster.envoy_url}/api/v1/{path}", params={"node": url}, timeout=10)


def sees_all(cluster: RunningCluster, name: str) -> bool:
    """Whether a node takes all nodes for active."""
    state = pinned(cluster, name, "cluster/state").json()
    return bool(state["activeNodes"] == len(cluster.nodes))


def test_a_cluster_starts_reports_and_stops(tmp_path: Path) -> None:
    with running_cluster(tmp_path, nodes=3, env=SETTINGS) as cluster:
        content = json.loads((cluster.folder / "cluster.json").read_text())
        assert list(content) == ["nodes", "envoy", "tls"]
        assert list(content["envoy"]) == ["url", "pid"]
        assert [list(node) for node in content["nodes"]] == [
            ["name", "url", "grpc_address", "pid", "log"]
        ] * 3
        assert [node["name"] for node in content["nodes"]] == ["node1", "node2", "node3"]
        pids = [part["pid"] for part in (*content["nodes"], content["envoy"])]
        assert all(is_running(pid) for pid in pids)
        assert states(cluster) == (0, dict.fromkeys(["node1", "node2", "node3", "envoy"], "running"))
        for node in cluster.nodes:
            wait_until(lambda node=node: sees_all(cluster, node.name), f"{node.name} to see all")
            state = pinned(cluster, node.name, "cluster/state").json()
            assert (state["nodeUrl"], state["totalNodes"], state["zone"]) == (node.url, 3, "attic")
        stopped = limedb("cluster", "stop", "--data-dir", str(cluster.folder))
        assert (stopped.returncode, stopped.stderr) == (0, "")
        assert not any(is_running(pid) for pid in pids)
        assert not (cluster.folder / "cluster.json").exists()
        assert limedb("cluster", "status", "--data-dir", str(cluster.folder)).returncode == 1


def test_envoy_can_be_left_out(tmp_path: Path) -> None:
    with running_cluster(tmp_path, nodes=1, env=SETTINGS, envoy=False) as cluster:
        assert json.loads((cluster.folder / "cluster.json").read_text())["envoy"] is None
        assert states(cluster) == (0, {"node1": "running"})


def test_a_node_is_killed_and_restarted_with_its_settings(tmp_path: Path) -> None:
    with running_cluster(tmp_path, nodes=2, env=SETTINGS) as cluster:
        before = cluster.pid("node2")
        cluster.kill("node2")
        assert not is_running(before)
        assert states(cluster) == (1, {"node1": "running", "node2": "dead", "envoy": "running"})
        again = limedb("cluster", "kill", "node2", "--data-dir", str(cluster.folder))
        assert (again.returncode, "node2 does not run" in again.stderr) == (1, True)
        cluster.restart("node2")
        assert cluster.pid("node2") != before
        assert pinned(cluster, "node2", "cluster/state").json()["zone"] == "attic"
        assert states(cluster)[0] == 0


def test_a_node_that_runs_is_restarted_too(tmp_path: Path) -> None:
    with running_cluster(tmp_path, nodes=2, env=SETTINGS) as cluster:
        before = cluster.pid("node1")
        cluster.restart("node1")
        assert not is_running(before)
        assert pinned(cluster, "node1").status_code == 200


def test_a_node_that_was_added_is_reached_through_envoy_and_no_stream_breaks(tmp_path: Path) -> None:
    with (
        running_cluster(tmp_path, nodes=2, env=SETTINGS) as cluster,
        httpx.stream("GET", f"{cluster.envoy_url}/api/v1/cluster/watch?intervalMs=100", timeout=30) as watch,
    ):
        lines = watch.iter_lines()
        next(lines)
        cluster.add()
        cluster = read_cluster(cluster.folder)
        wait_until(lambda: pinned(cluster, "node3").status_code == 200, "Envoy to reach the third")
        assert pinned(cluster, "node3").json()["nodeUrl"] == cluster.nodes[2].url
        asked = {httpx.get(f"{cluster.envoy_url}/api/v1/health").json()["nodeUrl"] for _ in range(60)}
        assert asked == {node.url for node in cluster.nodes}
        wait_until(lambda: len(json.loads(next(lines))["nodes"]) == 3, "the watch to see the third")
        unknown = httpx.get(f"{cluster.envoy_url}/api/v1/health?node=x").json()["message"]
        assert unknown.endswith(", ".join(sorted(node.url for node in cluster.nodes)))


def test_a_node_that_was_added_is_restarted(tmp_path: Path) -> None:
    with running_cluster(tmp_path, nodes=2, env=SETTINGS) as cluster:
        cluster.add()
        wait_until(lambda: pinned(cluster, "node1", "cluster/state").json()["activeNodes"] == 3, "the third")
        cluster.restart("node3")
        assert states(cluster)[1]["node3"] == "running"


def test_a_node_is_paused_and_resumed(tmp_path: Path) -> None:
    with running_cluster(tmp_path, nodes=2, env=SETTINGS) as cluster:
        cluster.pause("node1")
        assert psutil.Process(cluster.pid("node1")).status() == psutil.STATUS_STOPPED
        assert states(cluster) == (1, {"node1": "paused", "node2": "running", "envoy": "running"})
        started = time.monotonic()
        assert pinned(cluster, "node1").status_code == 503
        assert time.monotonic() - started < 8, "Envoy should not wait for a node that is paused"
        assert pinned(cluster, "node2").status_code == 200
        cluster.resume("node1")
        wait_until(lambda: pinned(cluster, "node1").status_code == 200, "node1 to be reached again")
        assert states(cluster)[0] == 0


def test_a_paused_node_can_be_stopped(tmp_path: Path) -> None:
    with running_cluster(tmp_path, nodes=2, env=SETTINGS, envoy=False) as cluster:
        pids = [cluster.pid(node.name) for node in cluster.nodes]
        cluster.pause("node2")
        assert limedb("cluster", "stop", "--data-dir", str(cluster.folder)).returncode == 0
        assert not any(is_running(pid) for pid in pids)


def test_a_second_cluster_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    with running_cluster(tmp_path, nodes=1, env=SETTINGS, envoy=False) as cluster, free_ports(1) as (port,):
        second = start(cluster.folder, port)
        assert second.returncode == 1
        assert "a cluster runs in" in second.stderr
        assert states(cluster)[0] == 0


def start(folder: Path, port: int, *options: str) -> "subprocess.CompletedProcess[str]":
    """Try to start one node without Envoy."""
    common = ("cluster", "start", "--detach", "--no-envoy", "--nodes", "1", "-e", "STORE=memory")
    return limedb(*common, "--base-port", str(port), "--data-dir", str(folder), *options)


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with free_ports(1) as (port,), socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        done = start(tmp_path, port)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert not (tmp_path / "cluster.json").exists()


def test_a_node_that_dies_at_start_ends_the_start_and_shows_its_log(tmp_path: Path) -> None:
    (tmp_path / "node1").write_text("a file where the node wants a folder")
    with free_ports(1) as (port,):
        done = start(tmp_path, port, "-e", "STORE=lmdb")
    assert done.returncode == 1
    assert "node1 ended while it started" in done.stderr
    assert str(tmp_path / "node1") in done.stderr
    assert not (tmp_path / "launch.json").exists()


def test_a_start_that_takes_longer_than_its_caller_allows_says_why_of_each_node(tmp_path: Path) -> None:
    options = ["--nodes", "2", "--no-envoy", "--detach", "-e", "GOSSIP_INTERVAL=10s", "--timeout", "0.2"]
    with free_ports(2) as ports:
        done = limedb("cluster", "start", "--base-port", str(ports[0]), "--data-dir", str(tmp_path), *options)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: node1, node2 not ready within 0.2 s\nnode1: ")
    assert "\nnode2: " in done.stderr
    assert not (tmp_path / "launch.json").exists()


def test_a_restart_that_takes_longer_than_its_caller_allows_says_why_and_leaves_the_node_running(
    tmp_path: Path,
) -> None:
    with running_cluster(tmp_path, nodes=2, env=SETTINGS, envoy=False) as cluster:
        cluster.kill("node2")
        where = ("--data-dir", str(cluster.folder))
        done = limedb("cluster", "restart", "node2", "--timeout", "0.05", *where)
        assert done.returncode == 1
        assert "node2 not ready within 0.05 s\n" in done.stderr
        assert "\nnode2: " in done.stderr
        assert states(cluster)[0] == 0


def test_a_member_that_refuses_to_start_is_named_and_the_others_are_left_running(tmp_path: Path) -> None:
    with running_cluster(tmp_path, nodes=3, env=SETTINGS, envoy=False) as cluster:
        where = ("--data-dir", str(cluster.folder))
        assert limedb("cluster", "stop", *where).returncode == 0
        for name in ("node.json", "node.json.copy"):
            (file,) = cluster.folder.glob(f"node3/*.lmdb/{name}")
            file.write_text("{}")
        settings = [part for pair in SETTINGS.items() for part in ("-e", "=".join(pair))]
        base = cluster.nodes[0].address.rpartition(":")[2]
        options = ["--nodes", "3", "--no-envoy", "--detach", "--base-port", base, *settings, *where]
        done = limedb("cluster", "start", *options)
        assert done.returncode == 1
        assert "node3 ended while it started" in done.stderr
        assert "node3: it ended; the end of" in done.stderr
        assert "node.json" in done.stderr
        assert "node1, node2 serve, so they keep running" in done.stderr
        assert states(cluster) == (1, {"node1": "running", "node2": "running", "node3": "dead"})
        for folder in cluster.folder.glob("node3/*.lmdb"):
            folder.rename(tmp_path / "damaged")
        again = limedb("cluster", "restart", "node3", *where)
        assert (again.returncode, again.stdout.splitlines()[0]) == (0, "node3 is ready again"), again.stderr


@pytest.mark.parametrize("damaged", [("node2", "node3"), ("node1", "node2", "node3")])
def test_a_start_names_the_nodes_that_it_leaves_running_or_stops_again(
    tmp_path: Path, damaged: tuple[str, ...]
) -> None:
    with running_cluster(tmp_path, nodes=3, env=SETTINGS, envoy=False) as cluster:
        where = ("--data-dir", str(cluster.folder))
        assert limedb("cluster", "stop", *where).returncode == 0
        for name in damaged:
            (file,) = cluster.folder.glob(f"{name}/*.lmdb/data.mdb")
            file.unlink()
        settings = [part for pair in SETTINGS.items() for part in ("-e", "=".join(pair))]
        base = cluster.nodes[0].address.rpartition(":")[2]
        options = ["--nodes", "3", "--no-envoy", "--detach", "--base-port", base, "--timeout", "20"]
        done = limedb("cluster", "start", *options, *settings, *where)
        assert done.returncode == 1
        assert f"{', '.join(damaged)} not ready within 20 s" in done.stderr
        if len(damaged) < 3:
            assert (
                "node1 serves, so it keeps running (node2, node3 too, which wait for the rest)" in done.stderr
            )
            assert states(cluster)[1] == dict.fromkeys(("node1", "node2", "node3"), "running")
        else:
            assert "those that ran were stopped again (node1, node2, node3): nothing runs now" in done.stderr
            assert "docs/damage.md" in done.stderr
            assert not (cluster.folder / "cluster.json").exists()


def test_a_sound_node_is_left_running_though_most_others_refuse_to_start(tmp_path: Path) -> None:
    """It first compares its clock with a peer's, so it serves some seconds after the others have ended."""
    with running_cluster(tmp_path, nodes=3, env=SETTINGS, envoy=False) as cluster:
        where = ("--data-dir", str(cluster.folder))
        assert limedb("cluster", "stop", *where).returncode == 0
        for node in "node2", "node3":
            for name in ("node.json", "node.json.copy"):
                (file,) = cluster.folder.glob(f"{node}/*.lmdb/{name}")
                file.write_text("{}")
        settings = [part for pair in SETTINGS.items() for part in ("-e", "=".join(pair))]
        base = cluster.nodes[0].address.rpartition(":")[2]
        options = ["--nodes", "3", "--no-envoy", "--detach", "--base-port", base]
        done = limedb("cluster", "start", *options, *settings, *where)
        assert done.returncode == 1
        assert "node2, node3 ended while they started" in done.stderr
        assert "node1 serves, so it keeps running" in done.stderr
        assert states(cluster)[1] == {"node1": "running", "node2": "dead", "node3": "dead"}


@pytest.mark.parametrize("command", ["status", "stop"])
def test_where_no_cluster_is_there_is_none_to_ask(tmp_path: Path, command: str) -> None:
    done = limedb("cluster", command, "--data-dir", str(tmp_path))
    assert (done.returncode, done.stderr) == (1, f"Error: no cluster runs in {tmp_path}\n")


@contextmanager
def in_foreground(folder: Path, nodes: int, output: int | None = None) -> Iterator["subprocess.Popen[str]"]:
    """`limedb cluster start` in the foreground; it is ended with the block. output: where it prints, the file
    screen if None.
    """
    with free_ports(nodes) as ports, (folder / "screen").open("w") as screen:
        command = ["cluster", "start", "--no-envoy", "--nodes", str(nodes), "--data-dir", str(folder)]
        command += ["--base-port", str(ports[0]), "-e", "GOSSIP_INTERVAL=100ms"]
        process = subprocess.Popen(
            [sys.executable, "-m", "limedb", *command],
            stdout=screen if output is None else output,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(LIMIT_SECONDS)


def children_of(process: "subprocess.Popen[str]") -> list[int]:
    return [child.pid for child in psutil.Process(process.pid).children()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_in_the_foreground_it_stays_until_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    screen = tmp_path / "screen"
    with in_foreground(tmp_path, 2) as process:
        wait_until(lambda: "Ctrl-C stops the cluster" in screen.read_text(), "the cluster to be ready")
        assert "grpcurl -plaintext" in screen.read_text()
        nodes = children_of(process)
        assert limedb("cluster", "kill", "node2", "--data-dir", str(tmp_path)).returncode == 0
        wait_until(lambda: f"see {tmp_path / 'node2.log'}" in screen.read_text(), "the news of it")
        assert limedb("cluster", "restart", "node2", "--data-dir", str(tmp_path)).returncode == 0
        nodes += [json.loads((tmp_path / "cluster.json").read_text())["nodes"][1]["pid"]]
        process.send_signal(number)
        assert process.wait(LIMIT_SECONDS) == 0
    assert not any(is_running(pid) for pid in nodes)


@pytest.mark.parametrize("pipe", [full_pipe, closed_pipe])
def test_in_the_foreground_nobody_has_to_read_what_it_prints(
    tmp_path: Path, pipe: Callable[[], AbstractContextManager[int]]
) -> None:
    with pipe() as output, in_foreground(tmp_path, 1, output) as process:
        wait_until(lambda: states_in(tmp_path) == ["running"], "the cluster to run")
        wait_until(lambda: is_free(tmp_path / ".start.lock"), "the cluster to be ready")
        nodes = children_of(process)
        assert limedb("cluster", "kill", "node1", "--data-dir", str(tmp_path)).returncode == 0
        assert limedb("cluster", "restart", "node1", "--data-dir", str(tmp_path)).returncode == 0
        nodes += [json.loads((tmp_path / "cluster.json").read_text())["nodes"][0]["pid"]]
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT_SECONDS) == 0
    assert not any(is_running(pid) for pid in nodes)


def states_in(folder: Path) -> list[str]:
    done = limedb("cluster", "status", "--data-dir", str(folder))
    return [line.split()[1] for line in done.stdout.splitlines()]


def is_free(lock: Path) -> bool:
    """Whether no command holds a lock."""
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def test_it_leaves_the_foreground_when_it_is_stopped_from_elsewhere(tmp_path: Path) -> None:
    with in_foreground(tmp_path, 1) as process:
        wait_until(lambda: "Ctrl-C" in (tmp_path / "screen").read_text(), "the cluster to be ready")
        assert limedb("cluster", "stop", "--data-dir", str(tmp_path)).returncode == 0
        assert process.wait(LIMIT_SECONDS) == 0


def test_a_start_that_is_interrupted_leaves_nothing(tmp_path: Path) -> None:
    with in_foreground(tmp_path, 2) as process:
        wait_until(
            lambda: (tmp_path / "launch.json").exists() or process.poll() is not None, "the first node"
        )
        nodes = children_of(process)
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT_SECONDS) in (0, 130)
    assert not any(is_running(pid) for pid in nodes)
    assert not (tmp_path / "launch.json").exists()
