"""`keys` and `scan` against a real cluster: order, ranges, pages, one node or all."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.clusters import RunningCluster, limedb

NAMES = [f"browse/{n:03d}" for n in range(250)]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def run(cluster: RunningCluster) -> Run:
    lines = "".join(json.dumps({"key": name, "value": f"value of {name}"}) + "\n" for name in NAMES)
    source = cluster.folder.parent / "browse.jsonl"
    source.write_text(lines)
    assert limedb("import", str(source), "--target", cluster.envoy_address).returncode == 0
    return lambda *arguments: limedb(*arguments, "--target", cluster.envoy_address)


def test_keys_are_listed_in_order_a_line_each(run: Run) -> None:
    done = run("keys", "browse/", "--limit", "0")
    assert (done.stdout.splitlines(), done.stderr) == (NAMES, "")


def test_a_page_shows_how_to_get_the_next(run: Run) -> None:
    first = run("keys", "browse/")
    assert first.stdout.splitlines() == NAMES[:100]
    assert "--after" in first.stderr
    cursor = first.stderr.split("--after ")[1].strip().strip("'")
    rest = run("keys", "browse/", "--after", cursor, "--limit", "200")
    assert (rest.stdout.splitlines(), rest.stderr) == (NAMES[100:], "")


def test_a_range_has_its_start_and_not_its_end(run: Run) -> None:
    done = run("keys", "--start", NAMES[3], "--end", NAMES[6])
    assert done.stdout.splitlines() == NAMES[3:6]


def test_values_are_shown_in_each_shape(run: Run) -> None:
    raw = run("scan", "browse/", "--limit", "2", "-o", "raw").stdout
    assert raw == "value of browse/000\nvalue of browse/001\n"
    entries = [json.loads(line) for line in run("scan", "browse/00", "-o", "json").stdout.splitlines()]
    assert [(entry["key"], entry["value"]) for entry in entries] == [(n, f"value of {n}") for n in NAMES[:10]]
    assert all(int(entry["version"]) > 0 and entry["size"] == 19 for entry in entries)
    table = run("scan", "browse/00").stdout.splitlines()
    assert table[0].split() == ["KEY", "SIZE", "VERSION", "EXPIRES", "AT", "MS", "VALUE"]
    assert [line.split()[0] for line in table[1:]] == NAMES[:10]


def test_nothing_there_is_no_error(run: Run) -> None:
    assert (run("keys", "browse/none").stdout, run("keys", "browse/none").returncode) == ("", 0)


def test_a_node_lists_its_own_keys(run: Run, cluster: RunningCluster) -> None:
    held = [
        limedb("keys", "browse/", "--local", "--limit", "0", "--target", node.address).stdout.splitlines()
        for node in cluster.nodes
    ]
    assert all(names == sorted(names) for names in held)
    assert set().union(*held) == set(NAMES)


def test_a_pipe_that_closes_early_ends_it_quietly(run: Run, cluster: RunningCluster) -> None:
    command = f"limedb keys browse/ --limit 0 --target {cluster.envoy_address} | head -n 1"
    shell = ["bash", "-c", command]
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(shell, capture_output=True, text=True, timeout=60, check=True, env=env)
    assert (done.stdout, done.stderr) == (f"{NAMES[0]}\n", "")
