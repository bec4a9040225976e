"""A bare echo with each of some lines of grpcio, side by side: which one grpc.aio is fastest with.

It owns their wheels, under build/grpcio, and needs PyPI the first time.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.data import key_of
from bench.lines import Line, measure_side_by_side, table_of
from bench.load import free_port, wait_listening
from limedb.aio.grpc_poller import ONE_THREAD

LINES = {
    "1.75.1": ("1.75.1", ""),
    "1.78.2": ("1.78.2", ""),
    "1.82.3": ("1.82.3", ""),
    "1.82.3, one thread polls": ("1.82.3", ONE_THREAD),
    "1.84.2": ("1.84.2", ""),
    "the newest": ("", ""),
}
"""The version (empty: the newest) and GRPC_EXPERIMENTS of each."""
WHEELS = Path("build/grpcio")
METHOD = "bench.Echo/Echo"
ECHO = """
import sys, grpc, uvloop

async def echo(data, context):
    return data

async def serve():
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0), ("grpc.max_concurrent_streams", 1000)))
    handlers = {"Echo": grpc.unary_unary_rpc_method_handler(echo)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Echo", handlers),))
    server.add_insecure_port("127.0.0.1:" + sys.argv[1])
    print(grpc.__version__, flush=True)
    await server.start()
    await server.wait_for_termination()

uvloop.run(serve())
"""
"""The echo without LimeDB's stubs, which older lines can't import."""


def table(rounds: int, seconds: float) -> str:
    """Return the table. SystemExit: a line can't be installed or measured."""
    message = key_of(1).encode()
    with ExitStack() as stack:
        lines = [stack.enter_context(_running(name, *line)) for name, line in LINES.items()]
        measure_side_by_side(lines, rounds, METHOD, message, seconds, len(message))
    return table_of("grpcio", lines)


@contextmanager
def _running(name: str, version: str, switch: str) -> Iterator[Line]:
    """An echo with that line, for the time of the block."""
    port = free_port()
    env = {**os.environ, "PYTHONPATH": str(_installed(version)), "GRPC_EXPERIMENTS": switch}
    command = [sys.executable, "-c", ECHO, str(port)]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            wait_listening(port)
            assert process.stdout is not None
            yield Line(f"{name} ({process.stdout.readline().strip()})", [process.pid], port)
        finally:
            process.terminate()


def _installed(version: str) -> Path:
    """Return the folder of a version; install it there if it isn't. The newest one is looked up each time."""
    folder = (WHEELS / (version or "newest")).resolve()
    if not version or not folder.exists():
        what = f"grpcio=={version}" if version else "grpcio"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-deps", "--upgrade", "--target", str(folder), what], check=True)
    return folder
