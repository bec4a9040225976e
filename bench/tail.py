"""The slowest Sets at fixed rates: LimeDB beside etcd and the bare echo, and what LimeDB's slowest wait for.

Requests come at random moments, without waiting for answers (`clients/pacing.py`). Each round starts every
system in turn, measures all rates, and stops it. Then LimeDB runs once more, with the 99th percentile as its
SLOW_REQUEST, and the stages in its log are added up.

Tested in tests/benchmarks/test_tail.py.
"""

import json
import statistics
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

from bench import names
from bench.clients import etcd_api, limedb_api
from bench.clients.pacing import latencies, percentile
from bench.clients.wires import GrpcWire
from bench.subjects import KEY, VALUE
from bench.systems import System
from bench.systems.echo import Echo
from bench.systems.etcd import Etcd
from bench.systems.limedb import LimeDB

SET = "limedb.v1.KVService/Set", limedb_api.set_request(KEY, VALUE)
PUT = "etcdserverpb.KV/Put", etcd_api.set_request(KEY, VALUE)
ECHO = "bench.Echo/Echo", limedb_api.get_request(KEY)
SIZES: tuple[Literal[1, 3], ...] = (1, 3)
STAGED_RATE = 2000
LEAST_MS = 1
"""The least SLOW_REQUEST."""

Systems = dict[str, tuple[System, tuple[str, bytes]]]
"""Each with the method and the message that it is sent."""
Taken = dict[int, list[tuple[float, float]]]
"""By rate, the 50th and 99th percentile of each round, in µs."""


def table(rounds: int, seconds: float) -> str:
    """Return the latencies of all systems, and the stages of LimeDB's slowest Sets."""
    with tempfile.TemporaryDirectory(dir="build", prefix="bench-") as folder:
        place, parts = Path(folder).resolve(), []
        for nodes in SIZES:
            taken = _measured(_systems(place, nodes), rounds, seconds)
            parts.append(latency_table(nodes, taken))
            slowest = statistics.median(p99 for _, p99 in taken[f"LimeDB, {nodes}"][STAGED_RATE])
            lines = _slow_lines(place / f"staged-{nodes}", nodes, slowest, seconds)
            parts.append(f"{nodes} node(s), the slowest Sets at {STAGED_RATE:,}/s: {stage_table(lines)}")
        return "\n\n".join(parts)


def _systems(place: Path, nodes: Literal[1, 3]) -> Systems:
    found: Systems = {
        f"LimeDB, {nodes}": (LimeDB(place / f"limedb-{nodes}", nodes), SET),
        f"etcd, {nodes}": (Etcd(place / f"etcd-{nodes}", nodes), PUT),
    }
    if nodes == 1:
        found["echo"] = Echo(place / "echo"), ECHO
    return {name: each for name, each in found.items() if not each[0].missing()}


def _measured(systems: Systems, rounds: int, seconds: float) -> dict[str, Taken]:
    found: dict[str, Taken] = {name: {rate: [] for rate in names.RATES} for name in systems}
    for number in range(rounds):
        for name in [*systems][:: -1 if number % 2 else 1]:
            system, call = systems[name]
            with ExitStack() as stack:
                stack.callback(system.stop)
                system.start()
                for rate in names.RATES:
                    taken = latencies(system.address, GrpcWire(*call), rate, seconds)
                    found[name][rate].append((percentile(taken, 0.5), percentile(taken, 0.99)))
    return found


def latency_table(nodes: int, taken: Mapping[str, Taken]) -> str:
    """The medians of the rounds, with the ratio of the 99th percentile to etcd's."""
    lines = ["| nodes | system | rate | p50, µs | p99, µs | p99 to etcd's |", "|---|---|---:|---:|---:|---:|"]
    for name, by_rate in taken.items():
        for rate, rounds in by_rate.items():
            p50, p99 = (statistics.median(column) for column in zip(*rounds, strict=True))
            etcd = taken.get(f"etcd, {nodes}")
            ratio = p99 / statistics.median(each for _, each in etcd[rate]) if etcd else float("nan")
            lines.append(f"| {nodes} | {name} | {rate:,} | {p50:,.0f} | {p99:,.0f} | {ratio:.2f} |")
    return "\n".join(lines)


def _slow_lines(folder: Path, nodes: Literal[1, 3], p99: float, seconds: float) -> list[dict[str, Any]]:
    """What LimeDB logs of the Sets above a percentile (µs) in one run."""
    threshold = f"{max(LEAST_MS, round(p99 / 1000))}ms"
    system = LimeDB(folder, nodes, SLOW_REQUEST=threshold, LOG_FORMAT="json")
    with ExitStack() as stack:
        stack.callback(system.stop)
        system.start()
        latencies(system.address, GrpcWire(*SET), STAGED_RATE, seconds)
    return [*slow_sets((folder / f"node-{system.ports[0]}.log").read_text().splitlines())]


def slow_sets(log: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The facts of slow Sets in a node's log of JSON."""
    for text in log:
        line = json.loads(text) if text.startswith("{") else {}
        if line.get("method") == "KVService/Set" and "stages" in line:
            yield line


def stage_table(lines: list[dict[str, Any]]) -> str:
    """The median and the greatest time of each stage over some slow Sets, in ms."""
    if not lines:
        return "none was logged"
    columns: dict[str, list[float]] = {}
    for line in lines:
        for stage in line["stages"]:
            columns.setdefault(stage["stage"], []).append(stage["ms"])
    whole: dict[str, Callable[[dict[str, Any]], float]] = {
        "the whole request": lambda line: line["ms"],
        "of it the event loop stood still": lambda line: line["stalledMs"],
        "of it the garbage collector ran": lambda line: line["gcMs"],
    }
    for name, value in whole.items():
        columns[name] = [*map(value, lines)]
    rows = [f"{len(lines)} logged", "", "| stage | in | median, ms | longest, ms |", "|---|---:|---:|---:|"]
    rows += [
        f"| {name} | {len(taken)} | {statistics.median(taken):.2f} | {max(taken):.2f} |"
        for name, taken in columns.items()
    ]
    return "\n".join(rows)
