"""Nodes without telemetry, with the default sampling, and with a span for each call, side by side.

The collector is a process that takes everything and keeps nothing.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

import grpc

from bench.data import key_of, value_of
from bench.lines import Line, measure_side_by_side, table_of
from bench.load import free_port, wait_listening
from bench.systems.limedb import LimeDB
from limedbpb.v1 import kv_pb2, kv_pb2_grpc

KEY = key_of(1)
NODES: tuple[Literal[1, 3], ...] = (1, 3)
CALLS = {
    "Get": kv_pb2.GetRequest(key=KEY).SerializeToString(),
    "Set": kv_pb2.SetRequest(key=KEY, value=value_of(KEY)).SerializeToString(),
}
COLLECTOR = """
import sys, grpc
from concurrent.futures import ThreadPoolExecutor

class Everything(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(lambda data, context: b"")

server = grpc.server(ThreadPoolExecutor(2), [Everything()], options=[("grpc.so_reuseport", 0)])
server.add_insecure_port("127.0.0.1:" + sys.argv[1])
server.start()
server.wait_for_termination()
"""


def table(rounds: int, seconds: float) -> str:
    """Return the tables of Get and Set, for one node and for three."""
    with tempfile.TemporaryDirectory(dir="build", prefix="bench-") as folder, _collector() as endpoint:
        place = Path(folder).resolve()
        tables = [each for nodes in NODES for each in _tables(place, nodes, endpoint, rounds, seconds)]
        return "\n\n".join(tables)


def _tables(folder: Path, nodes: Literal[1, 3], endpoint: str, rounds: int, seconds: float) -> Iterator[str]:
    kinds = {
        "off": {"OTEL_ENDPOINT": ""},
        "on, as by default": {"OTEL_ENDPOINT": endpoint},
        "on, a span for each call": {"OTEL_ENDPOINT": endpoint, "OTEL_TRACES_SAMPLER": "always_on"},
    }
    for method, message in CALLS.items():
        with ExitStack() as stack:
            lines = [
                stack.enter_context(_running(folder / f"{method}{nodes}{i}", name, nodes, settings))
                for i, (name, settings) in enumerate(kinds.items())
            ]
            size = len(value_of(KEY)) if method == "Get" else 0
            measure_side_by_side(lines, rounds, f"limedb.v1.KVService/{method}", message, seconds, size)
            yield table_of(f"{method}, {nodes} node{'s' if nodes > 1 else ''}, telemetry", lines)


@contextmanager
def _running(folder: Path, name: str, nodes: Literal[1, 3], settings: dict[str, str]) -> Iterator[Line]:
    system = LimeDB(folder, nodes, **settings)
    system.start()
    try:
        with grpc.insecure_channel(system.address) as channel:
            kv_pb2_grpc.KVServiceStub(channel).Set(kv_pb2.SetRequest(key=KEY, value=value_of(KEY)))
        yield Line(name, system.pids, system.ports[0])
    finally:
        system.stop()


@contextmanager
def _collector() -> Iterator[str]:
    port = free_port()
    with subprocess.Popen([sys.executable, "-c", COLLECTOR, str(port)]) as process:
        try:
            wait_listening(port)
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
