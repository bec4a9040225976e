"""Processor time of nodes for a key of a BatchSet of 100, measured for several checkouts in turns.

    python -m bench.compare --nodes 3 before=/path/of/a/checkout after=.

It owns the turns: on a busy machine only runs that alternate can be compared. All checkouts run with this
Python and its packages. It must never compare rates.
"""

import argparse
import asyncio
import os
import random
import statistics
import tempfile
import time
from pathlib import Path

import grpc

from bench.load import limedb_command, node_env
from bench.processor import used_seconds
from bench.systems.limedb import wait_member
from bench.systems.processes import LOOPBACK, Processes, steady_port
from limedbpb.v1 import kv_pb2

KEYS, BATCH, UNDER_WAY, VALUE_SIZE = 10_000, 100, 8, 100


class Checkout:
    """A cluster of nodes that run the code of a folder."""

    def __init__(self, root: Path, folder: Path, nodes: int) -> None:
        self._root, self._folder = root, folder
        self._ports = [steady_port() for _ in range(nodes)]
        self._processes = Processes(folder)

    def start(self) -> None:
        """Start the nodes, and return once all are members."""
        for port in self._ports:
            peers = ",".join(f"http://{LOOPBACK}:{other}" for other in self._ports if other != port)
            env = node_env(self._folder / str(port), port, NODE_PEERS=peers)
            env |= {"PYTHONPATH": f"{self._root}{os.pathsep}{self._root / 'gen'}", "PYTHONSAFEPATH": "1"}
            self._processes.start(f"node-{port}", limedb_command("serve"), env)
            self._processes.wait_listening(port)
        for port in self._ports:
            wait_member(port, len(self._ports), limit=120)

    def stop(self) -> None:
        """End the nodes."""
        self._processes.stop()

    def measure(self, requests: list[bytes], seconds: float) -> float:
        """Microseconds of processor time that all nodes take for a key."""
        before = used_seconds(self._processes.pids)
        keys = asyncio.run(_load(f"{LOOPBACK}:{self._ports[0]}", requests, seconds))
        return 1e6 * (used_seconds(self._processes.pids) - before) / keys


async def _load(address: str, requests: list[bytes], seconds: float) -> int:
    """Send batches for some seconds; the keys that were stored."""
    done, end = 0, time.monotonic() + seconds
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.unary_unary("/limedb.v1.KVService/BatchSet")

        async def send(rng: random.Random) -> None:
            nonlocal done
            while time.monotonic() < end:
                answer = kv_pb2.BatchSetResponse.FromString(await call(rng.choice(requests)))
                assert all(result.HasField("receipt") for result in answer.results)
                done += len(answer.results)

        await asyncio.gather(*(send(random.Random(seed)) for seed in range(UNDER_WAY)))
    return done


def _requests() -> list[bytes]:
    rng = random.Random(1)
    keys = [f"key-{n:09}" for n in range(KEYS)]
    return [
        kv_pb2.BatchSetRequest(
            writes=[
                kv_pb2.BatchWrite(key=key, value="".join(rng.choices("abcdefghijklmnop", k=VALUE_SIZE)))
                for key in rng.sample(keys, BATCH)
            ]
        ).SerializeToString()
        for _ in range(300)
    ]


def main() -> None:
    """Print the figures of each checkout."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("checkouts", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--nodes", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=3.0)
    asked = parser.parse_args()
    requests = _requests()
    named = dict(each.split("=", 1) for each in asked.checkouts)
    figures: dict[str, list[float]] = {name: [] for name in named}
    with tempfile.TemporaryDirectory() as folder:
        checkouts = {
            name: Checkout(Path(root).resolve(), Path(folder, name), asked.nodes)
            for name, root in named.items()
        }
        try:
            for checkout in checkouts.values():
                checkout.start()
                checkout.measure(requests, 1.0)
            for turn in range(asked.rounds):
                for name in [*checkouts][:: -1 if turn % 2 else 1]:
                    figures[name].append(checkouts[name].measure(requests, asked.seconds))
        finally:
            for checkout in checkouts.values():
                checkout.stop()
    for name, all_figures in figures.items():
        spread = f"{min(all_figures):.2f} to {max(all_figures):.2f}"
        print(f"{name:12} {statistics.median(all_figures):7.2f} µs a key ({spread})")


if __name__ == "__main__":
    main()
