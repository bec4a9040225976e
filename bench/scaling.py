"""How far one node and three get as client processes are added: rates together, and processor time of a call.

Each client is a process of h2load with 32 streams, and calls a node of its own as far as there are enough.
The clients share the cores with the nodes.

Tested in tests/benchmarks/test_scaling.py.
"""

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

import grpc

from bench.data import key_of, value_of
from bench.load import grpc_rate
from bench.processor import micros_of_one, used_seconds
from bench.rounds import note
from bench.systems.limedb import LimeDB
from limedbpb.v1 import kv_pb2, kv_pb2_grpc

CLIENTS = (1, 2, 4, 8)
STREAMS = 32
NODES: tuple[Literal[1, 3], ...] = (1, 3)
KEY = key_of(1)
CALLS = {
    "Get": (kv_pb2.GetRequest(key=KEY).SerializeToString(), len(value_of(KEY))),
    "Set": (kv_pb2.SetRequest(key=KEY, value=value_of(KEY)).SerializeToString(), 0),
}


@dataclass(frozen=True, slots=True)
class Point:
    """One measurement. rate: calls/s of all clients. micros: processor time of all nodes for a call."""

    rate: float
    micros: float

    @property
    def cores(self) -> float:
        """How many cores the nodes kept busy."""
        return self.rate * self.micros / 1e6


def table(rounds: int, seconds: float) -> str:
    """Return the curves, a row for each number of clients."""
    rows = [row for nodes in NODES for row in _rows(nodes, rounds, seconds)]
    cores = f"of {os.cpu_count()} cores"
    head = f"| nodes | call | clients | calls/s together | to one client | µs a call | {cores} |"
    return "\n".join([head, "|---:|---|---:|---:|---:|---:|---:|", *rows])


def _rows(nodes: Literal[1, 3], rounds: int, seconds: float) -> Iterator[str]:
    with tempfile.TemporaryDirectory(dir="build", prefix="bench-") as folder:
        system = LimeDB(Path(folder).resolve() / "nodes", nodes)
        try:
            system.start()
            with grpc.insecure_channel(system.address) as channel:
                kv_pb2_grpc.KVServiceStub(channel).Set(kv_pb2.SetRequest(key=KEY, value=value_of(KEY)))
            for call in CALLS:
                curve = _curve(system, call, rounds, seconds)
                for clients, point in curve.items():
                    yield (
                        f"| {nodes} | {call} | {clients} | {point.rate:,.0f}"
                        f" | {point.rate / curve[1].rate:.2f} | {point.micros:.0f} | {point.cores:.2f} |"
                    )
        finally:
            system.stop()


def _curve(system: LimeDB, call: str, rounds: int, seconds: float) -> dict[int, Point]:
    """Return the medians by the number of clients; each round measures all of them in turn."""
    points: dict[int, list[Point]] = {clients: [] for clients in CLIENTS}
    for number in range(rounds):
        note(f"{call}, {len(system.ports)} nodes, round {number + 1} of {rounds}")
        for clients in CLIENTS:
            points[clients].append(measure(system, call, clients, seconds))
    return {
        clients: Point(median(p.rate for p in each), median(p.micros for p in each))
        for clients, each in points.items()
    }


def measure(system: LimeDB, call: str, clients: int, seconds: float) -> Point:
    """Let that many client processes call at the same time."""
    message, size = CALLS[call]
    ports = [system.ports[client % len(system.ports)] for client in range(clients)]
    before = used_seconds(system.pids)
    with ThreadPoolExecutor(clients) as threads:
        rates = threads.map(
            lambda port: grpc_rate(port, f"limedb.v1.KVService/{call}", message, seconds, STREAMS, size),
            ports,
        )
        rate = sum(rates)
    return Point(rate, micros_of_one(used_seconds(system.pids) - before, rate, seconds))
