"""Unary Get and durable Set of one node beside a bare grpc.aio echo, in turn, round by round.

    python -m bench.unary [--rounds 5] [--seconds 4]

All servers are up at once; h2load has 64 streams on one connection. Each round measures all rows; the
ratios are those of the medians.
"""

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import grpc

from bench.load import free_port, grpc_rate, limedb_command, node_env, server, wait_serving
from limedbpb.v1 import kv_pb2, kv_pb2_grpc

GOALS = {"get": 0.7, "set": 0.5}
VALUE = "v" * 100


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=".")))
        echo_port, node_port = free_port(), free_port()
        stack.enter_context(server(sys.executable, "-m", "bench.echo", str(echo_port), port=echo_port))
        env = node_env(folder, node_port)
        stack.enter_context(server(*limedb_command("serve"), port=node_port, env=env))
        prepare(node_port)
        get = kv_pb2.GetRequest(key="key").SerializeToString()
        rows = {
            "echo": (echo_port, "bench.Echo/Echo", get),
            "get": (node_port, "limedb.v1.KVService/Get", get),
            "set": (
                node_port,
                "limedb.v1.KVService/Set",
                kv_pb2.SetRequest(key="key", value=VALUE).SerializeToString(),
            ),
        }
        rates: dict[str, list[float]] = {name: [] for name in rows}
        for _ in range(options.rounds):
            for name, (port, method, message) in rows.items():
                rates[name].append(grpc_rate(port, method, message, options.seconds))
    echo = median(rates["echo"])
    print(f"{'row':8}{'median/s':>10}{'min':>8}{'max':>8}{'to echo':>9}{'goal':>6}")
    for name, seen in rates.items():
        goal = f"{GOALS[name]:6.2f}" if name in GOALS else ""
        print(f"{name:8}{median(seen):10.0f}{min(seen):8.0f}{max(seen):8.0f}{median(seen) / echo:9.2f}{goal}")


def prepare(port: int) -> None:
    """Store the key, and see that a Get really answers its value: h2load counts any answer."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = kv_pb2_grpc.KVServiceStub(channel)
        wait_serving(channel)
        stub.Set(kv_pb2.SetRequest(key="key", value=VALUE), timeout=10)
        assert stub.Get(kv_pb2.GetRequest(key="key"), timeout=10).value == VALUE


if __name__ == "__main__":
    main()
