"""`watch` against a real cluster: changes are shown as they happen, and once, though nodes go away."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import limedb as limedb_client
from tests.support.clusters import RunningCluster, limedb, running_cluster
from tests.support.waiting import wait_for


class Watch:
    """A watch that runs. lines: what it has shown so far."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process, self.lines = process, list[str]()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def wait_for_lines(self, count: int, limit: float = 10.0) -> list[str]:
        wait_for(f"{count} lines of the watch", lambda: len(self.lines) >= count, limit)
        return self.lines

    def end(self) -> None:
        self.process.kill()
        self._reader.join()


@contextmanager
def watching(target: str, *arguments: str) -> Iterator[Watch]:
    """A watch that stands, for the time of the block."""
    command = [sys.executable, "-m", "limedb", "watch", *arguments, "--target", target]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    ) as process:
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
        limedb("set", "watched/a", "one", *target)
        limedb("set", "watched/other", "no", *target)
        limedb("del", "watched/a", *target)
        first, second = watch.wait_for_lines(2)
    assert first.split()[1:] == ["set", "watched/a", "one"]
    assert second.split()[1:] == ["del", "watched/a"]
    assert int(first.split()[0]) < int(second.split()[0])


def test_a_prefix_is_watched_and_it_ends_after_so_many_changes(cluster: RunningCluster) -> None:
    with watching(cluster.envoy_address, "--prefix", "many/", "-o", "json", "-n", "3") as watch:
        for number in range(3):
            limedb("set", f"many/{number}", str(number), "--target", cluster.envoy_address)
        told = [json.loads(line) for line in watch.wait_for_lines(3)]
        assert watch.process.wait(10) == 0
    assert {(change["key"], change["value"]) for change in told} == {(f"many/{n}", str(n)) for n in range(3)}


def test_a_watch_is_resumed_from_a_version(cluster: RunningCluster) -> None:
    target = ("--target", cluster.envoy_address)
    first = json.loads(limedb("set", "since/a", "1", "-o", "json", *target).stdout)
    limedb("set", "since/a", "2", *target)
    arguments = ("--prefix", "since/", "-o", "raw", "-n", "1", "--after-version", first["version"])
    done = limedb("watch", *arguments, *target)
    assert (done.returncode, done.stdout) == (0, "2\n")


def test_a_gap_is_told_with_what_to_do(cluster: RunningCluster) -> None:
    arguments = ("--prefix", "", "--after-version", "1")
    done = limedb("watch", *arguments, "--target", cluster.nodes[0].address)
    assert (done.returncode, "read the keys again" in done.stderr) == (1, True)


@pytest.mark.cluster
def test_a_watch_goes_on_when_the_node_that_it_asks_is_killed(tmp_path: Path) -> None:
    with (
        running_cluster(tmp_path, nodes=3) as cluster,
        watching(cluster.envoy_address, "--prefix", "on/", "-o", "raw") as watch,
        limedb_client.connect_sync(cluster.envoy_address, timeout=30) as db,
    ):
        for node in cluster.nodes:  # one of them is asked
            last = {f"on/{key}": f"{node.name} {key}" for key in range(50)}
            db.set_many(last)
            cluster.kill(node.name)
            db.set("on/while it is away", node.name)
            cluster.restart(node.name)
        wanted = {*last.values(), *(node.name for node in cluster.nodes)}
        wait_for("the last changes", lambda: wanted <= set(watch.lines), 40)
    assert len(watch.lines) == len(set(watch.lines))
