"""Three times the load that a node carries, in an open loop: what it answers, and what that costs it.

First a closed loop measures what the first node carries; then three times as many calls come to it in each
second, whether it answers or not. Each call has a deadline. Meanwhile the memory of all nodes is looked at,
and the other nodes are asked whether they take the first one for dead.

The load generator shares the processors with the nodes, and needs about a tenth of what a node takes for a
call.

Tested in tests/benchmarks/test_overload.py.
"""

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import grpc
import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bench.data import key_of, value_of
from bench.open_loop import STREAMS, Load, Tally, send
from bench.rounds import note
from bench.systems.limedb import LimeDB
from limedbpb.v1 import cluster_pb2, cluster_pb2_grpc, kv_pb2, kv_pb2_grpc

TIMES = 3
TIMEOUT_SECONDS = 1.0
NODES: tuple[Literal[1, 3], ...] = (1, 3)
LOOK_SECONDS = 0.25
KEY = key_of(1)
KEYS = [key_of(n) for n in range(100)]
CALLS = {
    "Get": kv_pb2.GetRequest(key=KEY),
    "Set": kv_pb2.SetRequest(key=KEY, value=value_of(KEY)),
    "BatchGet": kv_pb2.BatchGetRequest(keys=KEYS),
}
"""A BatchGet is of a hundred keys."""


@dataclass
class Seen:
    """What was seen of nodes. mebibytes: the most that one held, resident. suspected: how often another node
    didn't take the first one for active, of `looks`. unhealthy: how often the first said that it doesn't
    serve, or didn't answer within a second.
    """

    mebibytes: float = 0.0
    looks: int = 0
    suspected: int = 0
    unhealthy: int = 0


@dataclass
class Outcome:
    """One overload. carried: calls a second in the closed loop."""

    nodes: int
    call: str
    carried: float
    tally: Tally
    seconds: float
    seen: Seen = field(default_factory=Seen)

    @property
    def goodput(self) -> float:
        """Calls a second that were answered within their deadline."""
        return self.tally.answered / self.seconds

    def row(self) -> str:
        """The line of the table."""
        tally, seen = self.tally, self.seen
        parts = (tally.refused, tally.late, tally.unsent)
        shares = (f"{100 * part / max(1, tally.due):.0f}%" for part in parts)
        cells = (
            self.nodes,
            self.call,
            f"{self.carried:,.0f}",
            f"{tally.due / self.seconds:,.0f}",
            f"{self.goodput:,.0f}",
            f"{self.goodput / self.carried:.2f}",
            *shares,
            tally.lost,
            f"{tally.percentile(0.5):.0f}",
            f"{tally.percentile(0.99):.0f}",
            f"{seen.mebibytes:.0f}",
            f"{seen.suspected}/{seen.looks}",
            seen.unhealthy,
        )
        return "| " + " | ".join(map(str, cells)) + " |"


HEAD = (
    "| nodes | call | carries/s | due/s | answered/s | of carried | refused | late | unsent | lost"
    " | p50 ms | p99 ms | MiB | suspected | unhealthy |\n|" + "---|" * 15
)


def table(rounds: int, seconds: float) -> str:
    """Return a table with a row for each number of nodes and each call. rounds: not used, for the overload is
    one long measurement.
    """
    rows = [HEAD]
    for nodes in NODES:
        with tempfile.TemporaryDirectory(dir="build", prefix="bench-") as folder:
            rows += [outcome.row() for outcome in outcomes(Path(folder).resolve(), nodes, seconds)]
    return "\n".join(rows)


def outcomes(
    folder: Path, nodes: Literal[1, 3], seconds: float, calls: tuple[str, ...] = tuple(CALLS)
) -> Iterator[Outcome]:
    """Overload new nodes with each call. MAX_WAITING_CALLS: what they carry in a quarter of the deadline."""
    for call in calls:
        note(f"{call}, {nodes} nodes")
        with running(folder / call, nodes) as system:
            carried = carries(system, call, seconds)
        waiting = max(10, int(carried * TIMEOUT_SECONDS / 4))
        with running(folder / f"{call}-bound", nodes, MAX_WAITING_CALLS=str(waiting)) as system:
            yield overload(system, call, carries(system, call, seconds), seconds)


@contextmanager
def running(folder: Path, nodes: Literal[1, 3], **settings: str) -> Iterator[LimeDB]:
    """New nodes with what is asked for."""
    system = LimeDB(folder, nodes, **settings)
    try:
        system.start()
        fill(system)
        yield system
    finally:
        system.stop()


def fill(system: LimeDB) -> None:
    """Store what is asked for."""
    with grpc.insecure_channel(system.address) as channel:
        for key in KEYS:
            kv_pb2_grpc.KVServiceStub(channel).Set(kv_pb2.SetRequest(key=key, value=value_of(key)))


def carries(system: LimeDB, call: str, seconds: float) -> float:
    """Return the calls a second that the first node answers in a closed loop."""
    rate = send(_load(system, call, 0, seconds, timeout=10.0)).answered / seconds
    if not rate:
        raise SystemExit(f"{call}: nothing was answered in the closed loop")
    return rate


def overload(system: LimeDB, call: str, carried: float, seconds: float) -> Outcome:
    """Send the first node three times what it carries."""
    with watched(system) as seen:
        tally = send(_load(system, call, TIMES * carried, seconds, TIMEOUT_SECONDS))
    return Outcome(len(system.ports), call, carried, tally, seconds, seen)


def _load(system: LimeDB, call: str, rate: float, seconds: float, timeout: float) -> Load:
    """A load for the first node, over as many connections as its calls need."""
    method, message = f"limedb.v1.KVService/{call}", CALLS[call].SerializeToString().hex()
    connections = max(16, int(rate * timeout / STREAMS * 2))
    return Load([system.address], method, message, rate, seconds, timeout, connections)


@contextmanager
def watched(system: LimeDB) -> Iterator[Seen]:
    """Look at the nodes for the time of the block."""
    seen, stopping = Seen(), threading.Event()
    own = f"http://{system.address}"
    with grpc.insecure_channel(system.address) as first:
        others = [grpc.insecure_channel(f"127.0.0.1:{port}") for port in system.ports[1:]]

        def look() -> None:
            while not stopping.wait(LOOK_SECONDS):
                seen.looks += 1
                sizes = (psutil.Process(pid).memory_info().rss for pid in system.pids)
                seen.mebibytes = max(seen.mebibytes, *(size / (1 << 20) for size in sizes))
                seen.suspected += any(_suspects(channel, own) for channel in others)
                seen.unhealthy += not _serves(first)

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield seen
        finally:
            stopping.set()
            thread.join()
            for channel in others:
                channel.close()


def _suspects(channel: grpc.Channel, url: str) -> bool:
    """Whether a node doesn't take another one for active."""
    report = cluster_pb2_grpc.ClusterServiceStub(channel).GetGossip(
        cluster_pb2.GetGossipRequest(), timeout=10
    )
    return any(peer.url == url and peer.status != "active" for peer in report.peer_details)


def _serves(channel: grpc.Channel) -> bool:
    """Whether a node answers probes, as Envoy's, that it serves."""
    try:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=1)
    except grpc.RpcError:
        return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
