"""Servers and load for the benchmarks: processes on loopback, and h2load, which speaks gRPC from C."""

import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bench.processor import warm_up_seconds


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server(*command: str, port: int, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; it is ready once its port answers."""
    process = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
    try:
        wait_listening(port)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def wait_listening(port: int, limit: float = 20.0) -> None:
    end = time.monotonic() + limit
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"nothing listens on port {port} after {limit} s")


def wait_serving(channel: grpc.Channel, limit: float = 20.0) -> None:
    """Wait until the node takes requests: a lone one looks for others for two gossip intervals first."""
    watch = health_pb2_grpc.HealthStub(channel).Watch(
        health_pb2.HealthCheckRequest(), timeout=limit, wait_for_ready=True
    )
    for answer in watch:
        if answer.status == health_pb2.HealthCheckResponse.SERVING:
            watch.cancel()
            return


def grpc_rate(
    port: int,
    method: str,
    message: bytes,
    seconds: float,
    streams: int = 64,
    answer: int = 0,
    scheme: str = "http",
    token: str | None = None,
) -> float:
    """Return answered calls per second of one unary method, with all streams on one connection.

    answer: how many bytes the message of a good answer has. A call that fails is HTTP 200 too, but has no
    message: SystemExit where the answers together are more than a tenth too short. 0: not looked at.
    """
    with tempfile.NamedTemporaryFile() as body:
        body.write(b"\0" + len(message).to_bytes(4, "big") + message)
        body.flush()
        headers = ["-H", "content-type: application/grpc", "-H", "te: trailers"]
        headers += ["-H", f"authorization: Bearer {token}"] if token else []
        url = f"{scheme}://127.0.0.1:{port}/{method}"
        return _rate(url, seconds, streams, ["-d", body.name, *headers], answer and answer + 5)


def rest_rate(url: str, seconds: float, streams: int = 64) -> float:
    """Return answered GETs per second, HTTP/1.1 over as many connections as streams."""
    return _rate(url, seconds, streams, ["--h1", "-c", str(streams), "-m", "1"])


def _rate(url: str, seconds: float, streams: int, options: list[str], size: int = 0) -> float:
    """size: roughly the least bytes of data of an answer."""
    clients = [] if "-c" in options else ["-c", "1", "-m", str(streams)]
    command = [
        "h2load",
        "-D",
        f"{round(1000 * seconds)}ms",
        "--warm-up-time",
        f"{round(1000 * warm_up_seconds(seconds))}ms",
        *clients,
        *options,
        url,
    ]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    done = re.search(r"requests: (\d+) total, .* (\d+) succeeded, (\d+) failed, (\d+) errored", out)
    rate = re.search(r"finished in [^,]+, ([0-9.]+) req/s", out)
    if not done or not rate or int(done[2]) == 0 or int(done[3]) or int(done[4]):
        raise SystemExit(f"{' '.join(command)} failed:\n{out}")
    data = re.search(r"\((\d+)\) data", out)
    if not data or int(data[1]) < 0.9 * size * int(done[2]):
        raise SystemExit(f"{url}: answers are too short, so calls failed:\n{out}")
    return float(rate[1])


def limedb_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "limedb", *arguments]


def node_env(folder: Path, port: int, **settings: str) -> dict[str, str]:
    import os

    return {
        **os.environ,
        "SERVER_PORT": str(port),
        "NODE_URL": f"http://127.0.0.1:{port}",
        "DATA_DIR": str(folder),
        "OTEL_ENDPOINT": "",
        "LOG_LEVEL": "warning",
        **settings,
    }
