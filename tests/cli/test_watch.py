"""`watch` against a real cluster: changes are shown as they happen, and once, though nodes go away."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.children import child, join
from tests.support.clusters import RunningCluster, limedb, running_cluster
from tests.support.waiting import wait_for


class Watch:
    """A watch that runs. lines: what it has shown so far."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process, self.lines = process, list[str]()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def wait_for_lines(self, count: int, limit: float = 30.0) -> list[str]:
        wait_for(f"{count} lines of the watch", lambda: len(self.lines) >= count, limit)
        return self.lines

    def end(self) -> None:
        self.process.kill()
        join(self._reader)


def changed(*arguments: str) -> None:
    """Change something; it must succeed."""
    done = limedb(*arguments)
    assert done.returncode == 0, done.stderr


@contextmanager
def watching(target: str, *arguments: str) -> Iterator[Watch]:
    """A watch that stands, for the time of the block."""
    command = [sys.executable, "-m", "limedb", "watch", *arguments, "--target", target]
    with child(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        watch = Watch(process)
        try:
            assert process.stderr is not None
            assert process.stderr.readline() == "watching\n"
            yield watch
        finally:
            watch.end()


def test_changes_of_a_key_are_shown_as_they_happen(cluster: RunningCluster) -> None:
    target = ("--target", cluster.nodes[1].address)
    with watching(cluster.nodes[0].address, "watched/a") as watch:
        changed("set", "watched/a", "one", *target)
        changed("set", "watched/other", "no", *target)
        changed("del", "watched/a", *target)
        first, second = watch.wait_for_lines(2)
    assert first.split()[1:] == ["set", "watched/a", "one"]
    assert second.split()[1:] == ["del", "watched/a"]
    assert int(first.split()[0]) < int(second.split()[0])


def test_a_prefix_is_watched_and_it_ends_after_so_many_changes(cluster: RunningCluster) -> None:
    with watching(cluster.envoy_address, "--prefix", "many/", "-o", "json", "-n", "3") as watch:
        for number in range(3):
            changed("set", f"many/{number}", str(number), "--target", cluster.envoy_address)
        told = [json.loads(line) for line in watch.wait_for_lines(3)]
        assert watch.process.wait(30) == 0
    assert {(change["key"], change["value"]) for change in told} == {(f"many/{n}", str(n)) for n in range(3)}


def test_a_watch_is_resumed_from_a_version(cluster: RunningCluster) -> None:
    target = ("--target", cluster.envoy_address)
    changed("set", "since/a", "1", *target)
    second = json.loads(limedb("set", "since/b", "2", "-o", "json", *target).stdout)
    changed("set", "since/c", "3", *target)
    with watching(cluster.envoy_address, "--prefix", "since/", "--after-version", second["version"]) as watch:
        wait_for("what came since then", lambda: "since/c" in " ".join(watch.lines))
    assert all(len(line.split()) == 4 for line in watch.lines)


@pytest.mark.cluster
def test_a_gap_is_reported_with_what_to_do(tmp_path: Path) -> None:
    with running_cluster(tmp_path, nodes=1, envoy=False) as alone:
        target = ("--target", alone.nodes[0].address)
        version = json.loads(limedb("set", "gap/a", "1", "-o", "json", *target).stdout)["version"]
        alone.kill("node1")  # what it knows of changes is in memory
        alone.restart("node1")
        done = limedb("watch", "gap/a", "--after-version", version, *target)
    assert (done.returncode, "once that watch has begun, scan the keys; `limedb scan`" in done.stderr) == (
        1,
        True,
    ), done.stderr


@pytest.mark.cluster
def test_a_watch_continues_when_the_node_that_it_asks_is_killed(tmp_path: Path) -> None:
    with running_cluster(tmp_path, nodes=3, envoy=False) as cluster:
        asked, other = cluster.nodes[0].address, ("--target", cluster.nodes[1].address)
        with watching(asked, "--prefix", "on/", "-o", "raw") as watch:
            changed("set", "on/a", "before", *other)
            watch.wait_for_lines(1)
            cluster.kill("node1")
            assert limedb("set", "on/b", "while it is away", *other, timeout=30).returncode == 0
            cluster.restart("node1")
            changed("set", "on/c", "after", *other)
            wait_for("all changes", lambda: len(watch.lines) >= 3, 40)
        assert sorted(watch.lines) == ["after", "before", "while it is away"]
