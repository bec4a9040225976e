"""The load tester against a real cluster.

Tests limedb/cli/bench_screen.py and limedb/load/target.py.
"""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.children import child
from tests.support.clusters import RunningCluster, limedb, running_cluster
from tests.support.ports import free_port
from tests.support.serving import advertised_pair

SMALL = ("--keys", "50", "--concurrency", "8", "--requests", "300")


def bench(target: str, *arguments: str) -> tuple["subprocess.CompletedProcess[str]", Any]:
    """A load, and its result as JSON."""
    done = limedb("bench", *arguments, "-o", "json", "--target", target)
    return done, json.loads(done.stdout) if done.stdout else None


@pytest.mark.parametrize("wire", [[], ["--rest"]], ids=["grpc", "rest"])
@pytest.mark.parametrize("mode", ["write", "read", "mixed", "verify", "count"])
def test_each_mode_does_its_requests_without_an_error(
    cluster: RunningCluster, mode: str, wire: list[str]
) -> None:
    prefix = f"bench-{mode}{''.join(wire)}/"
    done, told = bench(cluster.envoy_address, mode, *wire, *SMALL, "--prefix", prefix)
    assert done.returncode == 0, done.stderr
    assert (told["requests"], told["errors"], told["mismatches"]) == (300, {}, 0)
    assert (told["reads"] > 0) == (mode not in ("write", "count"))
    assert (told["writes"] > 0) == (mode != "read")
    assert (told["compared"] > 0) == (mode in ("verify", "count"))
    if mode == "count":
        assert 0 < told["fewestOfAWorker"] <= told["mostOfAWorker"] < 300
    latency = told["latencyMs"]
    assert 0 < latency["p50"] <= latency["p95"] <= latency["p99"] <= latency["max"]
    assert told["requestsPerSecond"] > 0


@pytest.mark.parametrize("wire", [[], ["--rest"]], ids=["grpc", "rest"])
def test_a_load_has_a_rate_a_warm_up_and_leaves_nothing(
    cluster: RunningCluster, tmp_path: Path, wire: list[str]
) -> None:
    prefix, file = f"bench-rate{''.join(wire)}/", tmp_path / "latency.hgrm"
    options = ["--rate", "200", "--warmup", "0.3", "--cleanup", "--hdr", str(file), "--prefix", prefix]
    done, told = bench(cluster.envoy_address, "mixed", *wire, *SMALL, *options)
    assert done.returncode == 0, done.stderr
    assert (told["requests"], told["rate"]) == (300, 200)
    assert told["requestsPerSecond"] < 220
    for kind in ("latencyMs", "readLatencyMs", "writeLatencyMs"):
        assert 0 < told[kind]["p99"] <= told[kind]["p99.9"] <= told[kind]["max"]
    assert f"Total count    = {300:12d}]" in file.read_text()
    assert limedb("count", "--prefix", prefix, "--target", cluster.envoy_address).stdout == "0\n"


def test_a_load_may_last_a_time_and_shows_a_line_a_second(cluster: RunningCluster) -> None:
    done = limedb("bench", "--duration", "3.5", "--keys", "50", "--target", cluster.nodes[0].address)
    lines = [line for line in done.stdout.splitlines() if "/s  p50" in line]
    assert (done.returncode, 2 <= len(lines) <= 3) == (0, True)
    assert "throughput" in done.stdout
    assert "\x1b" not in done.stdout


def test_a_load_spreads_over_all_nodes_and_a_pinned_one_asks_only_its_own(cluster: RunningCluster) -> None:
    def totals() -> list[int]:
        nodes = [limedb("health", "-o", "json", "--target", node.address) for node in cluster.nodes]
        return [int(json.loads(done.stdout)["total_requests"]) for done in nodes]

    first = totals()
    bench(cluster.nodes[0].address, "read", *SMALL, "--prefix", "spread/")
    second = totals()
    assert all(after - before >= 5 for before, after in zip(first, second, strict=True))
    for wire in ([], ["--rest"]):
        before = totals()
        pin = ["--pin", cluster.nodes[1].url, "--prefix", "pinned/"]
        done, _ = bench(cluster.envoy_address, "read", *SMALL, *wire, *pin)
        grown = [after - was for was, after in zip(before, totals(), strict=True)]
        assert done.returncode == 0, done.stderr
        assert grown[1] >= 10 * max(grown[0], grown[2], 1), grown


def test_rest_at_what_is_no_envoy_says_so(cluster: RunningCluster) -> None:
    done, _ = bench(cluster.nodes[0].address, "read", "--rest", *SMALL)
    assert (done.returncode, done.stderr.splitlines()[-1].endswith("--rest asks Envoy")) == (1, True), done


@pytest.mark.cluster
def test_a_pinned_node_is_asked_at_the_address_that_it_advertises(tmp_path: Path) -> None:
    with advertised_pair(tmp_path) as pair:
        done, told = bench(pair.first, "write", *SMALL, "--pin", pair.url)
        assert (done.returncode, told["requests"]) == (0, 300), done.stderr
        health = limedb("health", "-o", "json", "--target", pair.address)
        assert int(json.loads(health.stdout)["total_requests"]) >= 10


def test_a_value_that_is_overwritten_from_outside_is_exit_code_5_and_is_shown(
    cluster: RunningCluster,
) -> None:
    arguments = ["--keys", "1", "-c", "1", "--duration", "4", "--prefix", "spoilt/", "--read-share", "0.9"]
    command = ["bench", "verify", *arguments, "-o", "json", "--target", cluster.envoy_address]
    pipe = subprocess.PIPE
    with child([sys.executable, "-m", "limedb", *command], stdout=pipe, stderr=pipe) as load:
        while load.poll() is None:
            limedb("set", "spoilt/00000000", "from outside", "--target", cluster.envoy_address)
        stdout, stderr = load.communicate()
    told = json.loads(stdout)
    assert (load.returncode, told["mismatches"] > 0) == (5, True)
    assert "MISMATCH key 'spoilt/00000000'" in stderr
    assert told["shownMismatches"][0]["found"] == "'from outside'"


def test_ctrl_c_ends_the_load_and_shows_what_came_of_it(cluster: RunningCluster) -> None:
    command = [
        sys.executable,
        "-m",
        "limedb",
        "bench",
        "write",
        "-d",
        "600",
        "--target",
        cluster.envoy_address,
    ]
    with child(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as load:
        assert load.stdout is not None
        assert "/s  p50" in load.stdout.readline()
        load.send_signal(signal.SIGINT)
        shown, _ = load.communicate(timeout=30)
    assert (load.returncode, "throughput" in shown) == (130, True)


@pytest.mark.cluster
def test_no_value_is_wrong_though_a_node_is_killed_meanwhile(tmp_path: Path) -> None:
    with running_cluster(tmp_path, nodes=3) as cluster:
        arguments = ["--duration", "8", "--keys", "200", "-c", "16", "-o", "json"]
        command = ["bench", "verify", *arguments, "--target", cluster.envoy_address]
        pipe = subprocess.PIPE
        with child([sys.executable, "-m", "limedb", *command], stdout=pipe, stderr=pipe) as load:
            assert load.stderr is not None
            assert "/s  p50" in load.stderr.readline()
            cluster.kill("node2")
            cluster.restart("node2")
            stdout, stderr = load.communicate(timeout=60)
    told = json.loads(stdout)
    assert (told["mismatches"], load.returncode in (0, 4)) == (0, True), stderr
    assert told["compared"] > 200


@pytest.mark.process
def test_nobody_there_is_exit_code_1() -> None:
    with free_port() as port:
        for wire in ([], ["--rest"]):
            done, _ = bench(f"127.0.0.1:{port}", "write", *SMALL, "--requests", "24", "--timeout", "1", *wire)
            assert (done.returncode, f"127.0.0.1:{port}" in done.stderr + done.stdout) == (1, True)
