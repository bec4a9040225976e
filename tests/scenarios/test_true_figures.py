"""What the command line claims of nodes that send nothing: one stands still, one was killed.

Tests limedb/operator/silence.py.
"""

import json
import re
from collections.abc import Iterator

import pytest

from tests.support.clusters import USUAL, RunningCluster, limedb, running_cluster
from tests.support.waiting import wait_for

pytestmark = pytest.mark.cluster

NO_DATA = re.compile(r"no data since \d\d:\d\d:\d\d")


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """Three nodes with a key: the second stands still, the third was killed."""
    with running_cluster(tmp_path_factory.mktemp("silent"), nodes=3, env=USUAL) as cluster:
        first, second, third = cluster.nodes
        assert limedb("set", "k", "v", "--target", first.address, "--consistency", "all").returncode == 0
        cluster.pause(second.name)
        cluster.kill(third.name)
        wait_for("both gone", lambda: {"unreachable", "dead"} >= set(conditions(cluster)[1:]))
        yield cluster
        cluster.mend()


def conditions(cluster: RunningCluster) -> list[str]:
    """The status of each node, as the first reports it."""
    shown = limedb("status", "-o", "raw", "--target", cluster.nodes[0].address).stdout
    return [line.split("\t")[3] for line in shown.splitlines()]


def rows(shown: str, cluster: RunningCluster) -> list[list[str]]:
    """The cells of each node's line, its URL left out."""
    lines = [line.split() for line in shown.splitlines()]
    return [next(line[1:] for line in lines if line[:1] == [node.url]) for node in cluster.nodes]


def test_status_has_no_figures_of_silent_nodes_and_says_since_when(damaged: RunningCluster) -> None:
    shown = limedb("status", "--target", damaged.nodes[0].address).stdout
    assert "1 of 3 nodes active" in shown
    live, *silent = rows(shown, damaged)
    assert live[2:4] == ["active", "1"]
    for cells in silent:
        assert cells[2] in ("unreachable", "dead")
        assert (cells[3], cells[-1]) == ("-", "-")
    for node in damaged.nodes[1:]:
        assert re.search(rf"^! {node.url}: {NO_DATA.pattern}$", shown, re.MULTILINE), shown


def test_top_sums_up_and_shows_only_what_is_known(damaged: RunningCluster) -> None:
    target = ("--target", damaged.nodes[0].address)
    shown = limedb("top", "-n", "1", *target).stdout
    assert "1 of 3 nodes active" in shown
    for cells in rows(shown, damaged)[1:]:
        assert cells[0] in ("unreachable", "dead")
        assert cells[1] == "-"
        assert set(cells[3:]) == {"-"}
    assert len(NO_DATA.findall(shown)) == 2
    sample = json.loads(limedb("top", "-n", "1", "-o", "json", *target).stdout)
    live = next(node for node in sample["nodes"] if node["url"] == damaged.nodes[0].url)
    total = float(re.findall(r"([\d,]+) requests/s", shown)[0].replace(",", ""))
    assert total == pytest.approx(live["load"]["requestsPerSecond"], abs=2)


def test_admin_status_says_since_when_nothing_is_known(damaged: RunningCluster) -> None:
    shown = limedb("admin", "status", "--target", damaged.nodes[0].address).stdout
    for node in damaged.nodes[1:]:
        (line,) = (line for line in shown.splitlines() if line.startswith(f"{node.url} "))
        assert NO_DATA.search(line), line
        assert " keys" not in line


def test_owns_means_the_same_everywhere_and_the_ring_shows_first_owners(damaged: RunningCluster) -> None:
    target = ("--target", damaged.nodes[0].address)
    assert [cells[4] for cells in rows(limedb("status", *target).stdout, damaged)] == ["100.0%"] * 3
    assert [cells[2] for cells in rows(limedb("top", "-n", "1", *target).stdout, damaged)] == ["100.0%"] * 3
    ring = limedb("ring", *target).stdout
    assert "FIRST OWNER" in ring
    assert "OWNS" not in ring
