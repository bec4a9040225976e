"""An import, an export and a watch of a node that stands still for a while: none fails, nothing is lost or
there twice.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from limedb.client import connect_sync
from tests.cli.test_transfer import piped, send
from tests.cli.test_watch import Watch, watching
from tests.support.children import child
from tests.support.clusters import RunningCluster, limedb, running_cluster
from tests.support.keys import new_key
from tests.support.pausing import stopped
from tests.support.waiting import wait_for

SECONDS = [0.3, 3, *(pytest.param(seconds, marks=pytest.mark.torture) for seconds in (1, 8, 17))]
COUNT = 20_000
"""Keys that are exported: more than pipes and windows hold, so an export is under way until it is read."""

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """Three nodes with some keys."""
    folder = tmp_path_factory.mktemp("pauses")
    with running_cluster(folder, nodes=3, env={"STORE": "memory"}, envoy=False) as running:
        with connect_sync(running.nodes[0].address, timeout=90, idempotent=True, patient=True) as db:
            db.set_many({f"old/{n:05d}": "v" * 200 for n in range(COUNT)})
        yield running


@contextmanager
def exporting(target: str, prefix: str) -> Iterator["subprocess.Popen[str]"]:
    """An export to a pipe that is under way: its first line is there to be read."""
    command = ["export", "-", "--prefix", prefix, "--target", target]
    pipe = subprocess.PIPE
    with child([sys.executable, "-m", "limedb", *command], stdout=pipe, stderr=pipe) as process:
        yield process


def has_gap(watch: Watch) -> bool:
    """Whether a watch has ended, and said that changes may be missing, and how to go on."""
    if watch.process.poll() is None:
        return False
    assert watch.process.stderr is not None
    told = watch.process.stderr.read()
    assert watch.process.returncode == 1
    assert "--after-version" in told or "`limedb scan`" in told
    return True


@pytest.mark.parametrize("seconds", SECONDS)
def test_a_node_that_pauses_fails_no_import_export_or_watch(three: RunningCluster, seconds: float) -> None:
    asked, prefix = three.nodes[0], new_key()
    before, meanwhile = ([f"{prefix}/{part}/{n}" for n in range(1000)] for part in ("a", "b"))
    with (
        watching(asked.address, "--prefix", f"{prefix}/", "-o", "json") as watch,
        exporting(asked.address, "old/") as export,
        piped(asked.address) as importing,
    ):
        assert export.stdout is not None
        send(importing, *before)
        lines = [export.stdout.readline()]
        watch.wait_for_lines(1)
        with stopped(three.pid(asked.name), seconds):
            send(importing, *meanwhile)
            lines += export.stdout.readlines()
        complaint = importing.communicate(timeout=60)[1]
        assert (importing.returncode, complaint) == (0, "2,000 keys stored, 0 bad lines\n")
        assert export.wait(30) == 0
        assert [json.loads(line)["key"] for line in lines] == [f"old/{n:05d}" for n in range(COUNT)]
        wait_for("all changes or a gap", lambda: len(watch.lines) >= 2000 or has_gap(watch), 60)
    told = [(change["key"], change["version"]) for change in map(json.loads, watch.lines)]
    assert len(told) == len(set(told))
    with connect_sync(three.nodes[1].address, timeout=60) as db:
        assert len(db.get_many([*before, *meanwhile])) == 2000


def test_top_waits_for_a_first_sample_as_long_as_its_caller_says(tmp_path: Path) -> None:
    with running_cluster(tmp_path, nodes=1, env={"STORE": "memory"}, envoy=False) as alone:
        top = ("top", "-n", "1", "--target", alone.nodes[0].address, "--timeout")
        alone.pause("node1")
        done = limedb(*top, "0.3")
        assert (done.returncode, "0.3 s" in done.stderr) == (1, True), done.stderr
        with ThreadPoolExecutor(1) as pool:
            showing = pool.submit(limedb, *top, "50")
            alone.resume("node1")
            assert showing.result(60).returncode == 0


def test_an_import_of_a_cluster_that_stays_away_ends_with_its_place_and_how_often_it_tried(
    tmp_path: Path,
) -> None:
    with running_cluster(tmp_path, nodes=1, env={"STORE": "memory"}, envoy=False) as alone:
        address = alone.nodes[0].address
        with piped(address, "--timeout", "1.5") as importing:
            send(importing, "a", "b")
            with connect_sync(address, timeout=60) as db:
                wait_for("what was sent", lambda: len(db.get_many(["a", "b"])) == 2)
            alone.kill("node1")
            send(importing, "c", "d")
            complaint = importing.communicate(timeout=60)[1]
    assert importing.returncode == 1
    hint, error = complaint.splitlines()
    assert hint == "stopped; 2 keys stored, 0 bad lines: to continue, send the lines after line 2"
    assert re.search(r"tried \d+ times in [1-9]\.\d s", error), error
