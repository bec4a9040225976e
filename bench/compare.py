"""Processor time of nodes for an operation, measured for several checkouts in turns.

    python -m bench.compare --nodes 3 before=/path/of/a/checkout after=.
    python -m bench.compare --what gets before=/path/of/a/checkout after=.

What: a key of a BatchSet of 100 (sets) or a BatchGet of 100 (gets), both 8 at a time; a Get of a random key,
64 at a time on one connection (get) or one after another (get-alone); a Get or a Set of one key, 64 at a time
by h2load, as the suite has them (h2load-get, h2load-set). All go to one node.

It owns the turns: on a busy machine only runs that alternate can be compared. All checkouts run with this
Python and its packages. Ratios are the medians of those of each turn: where others keep the machine busy,
many short rounds are better than a few long ones. Rates stand beside the processor time, and are rougher.
"""

import argparse
import asyncio
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

import grpc

from bench.load import grpc_rate, limedb_command, node_env
from bench.processor import used_seconds, warm_up_seconds
from bench.systems.limedb import wait_member
from bench.systems.processes import LOOPBACK, Processes, steady_port
from limedbpb.v1 import kv_pb2

KEYS, BATCH, UNDER_WAY, STREAMS, VALUE_SIZE = 10_000, 100, 8, 64, 100


class Checkout:
    """A cluster of nodes that run the code of a folder."""

    def __init__(self, root: Path, folder: Path, nodes: int) -> None:
        self._root, self._folder = root, folder
        self._ports = [steady_port() for _ in range(nodes)]
        self._processes = Processes(folder)

    @property
    def address(self) -> str:
        """Where clients call: the first node."""
        return f"{LOOPBACK}:{self._ports[0]}"

    @property
    def pids(self) -> list[int]:
        """The nodes' processes."""
        return self._processes.pids

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

    def fill(self, load: "Calls") -> None:
        """Store all keys."""
        asyncio.run(_fill(self.address, load))

    def measure(self, load: "Load", seconds: float) -> tuple[float, float]:
        """Microseconds of processor time that all nodes take for a key, and keys a second."""
        before, began = used_seconds(self._processes.pids), time.monotonic()
        keys = asyncio.run(load.run(self.address, seconds))
        used = used_seconds(self._processes.pids) - before
        return 1e6 * used / keys, keys / (time.monotonic() - began)


Check = Callable[[bytes], int]
"""Looks at an answer; the keys that it is about."""


class Load(Protocol):
    """What is sent over and over."""

    async def run(self, address: str, seconds: float) -> int:
        """Send requests for some seconds; the keys that they were about."""


class H2load(NamedTuple):
    """One request over and over, by h2load. size: the bytes of a good answer."""

    method: str
    request: bytes
    size: int

    async def run(self, address: str, seconds: float) -> int:
        """See Load."""
        port, method = int(address.rpartition(":")[2]), f"limedb.v1.KVService/{self.method}"
        rate = await asyncio.to_thread(grpc_rate, port, method, self.request, seconds, STREAMS, self.size)
        return round(rate * (seconds + warm_up_seconds(seconds)))


class Calls(NamedTuple):
    """Requests by the generated client's own loop. under_way: at a time."""

    method: str
    requests: list[bytes]
    check: Check
    under_way: int

    async def run(self, address: str, seconds: float) -> int:
        """See Load."""
        done, end = 0, time.monotonic() + seconds
        async with grpc.aio.insecure_channel(address) as channel:
            call = channel.unary_unary(f"/limedb.v1.KVService/{self.method}")

            async def send(rng: random.Random) -> None:
                nonlocal done
                while time.monotonic() < end:
                    answer = await call(rng.choice(self.requests))  # `done` is loaded after it
                    done += self.check(answer)

            await asyncio.gather(*(send(random.Random(seed)) for seed in range(self.under_way)))
        return done


def _stored(answer: bytes) -> int:
    results = kv_pb2.BatchSetResponse.FromString(answer).results
    assert all(result.HasField("receipt") for result in results)
    return len(results)


def _found(answer: bytes) -> int:
    results = kv_pb2.BatchGetResponse.FromString(answer).results
    assert all(len(result.value) == VALUE_SIZE for result in results)
    return len(results)


def _got(answer: bytes) -> int:
    assert len(kv_pb2.GetResponse.FromString(answer).value) == VALUE_SIZE
    return 1


def _sets(rng: random.Random, keys: list[str]) -> list[bytes]:
    return [
        kv_pb2.BatchSetRequest(
            writes=[
                kv_pb2.BatchWrite(key=key, value="".join(rng.choices("abcdefghijklmnop", k=VALUE_SIZE)))
                for key in keys[start : start + BATCH]
            ]
        ).SerializeToString()
        for start in range(0, len(keys), BATCH)
    ]


def _loads() -> tuple[Calls, dict[str, Load]]:
    """What stores each key once, and the loads by name."""
    rng = random.Random(1)
    keys = [f"key-{n:09}" for n in range(KEYS)]
    sampled = [key for _ in range(300) for key in rng.sample(keys, BATCH)]
    batches = [
        kv_pb2.BatchGetRequest(keys=sampled[start : start + BATCH]).SerializeToString()
        for start in range(0, len(sampled), BATCH)
    ]
    gets = [kv_pb2.GetRequest(key=key).SerializeToString() for key in keys]
    value = "v" * VALUE_SIZE
    one_set = kv_pb2.SetRequest(key=keys[1], value=value).SerializeToString()
    return Calls("BatchSet", _sets(rng, keys), _stored, 1), {
        "sets": Calls("BatchSet", _sets(rng, sampled), _stored, UNDER_WAY),
        "gets": Calls("BatchGet", batches, _found, UNDER_WAY),
        "get": Calls("Get", gets, _got, STREAMS),
        "get-alone": Calls("Get", gets, _got, 1),
        "h2load-get": H2load("Get", gets[1], VALUE_SIZE),
        "h2load-set": H2load("Set", one_set, 16),
    }


async def _fill(address: str, load: Calls) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.unary_unary(f"/limedb.v1.KVService/{load.method}")
        for request in load.requests:
            load.check(await call(request))


def main() -> None:
    """Print the figures of each checkout."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("checkouts", nargs="+", metavar="NAME=FOLDER")
    fill, loads = _loads()
    parser.add_argument("--what", default="sets", choices=[*loads])
    parser.add_argument("--nodes", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=3.0)
    asked = parser.parse_args()
    load = loads[asked.what]
    named = dict(each.split("=", 1) for each in asked.checkouts)
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in named}
    with tempfile.TemporaryDirectory() as folder:
        checkouts = {
            name: Checkout(Path(root).resolve(), Path(folder, name), asked.nodes)
            for name, root in named.items()
        }
        try:
            for checkout in checkouts.values():
                checkout.start()
                checkout.fill(fill)
                checkout.measure(load, 1.0)
            for turn in range(asked.rounds):
                for name in [*checkouts][:: -1 if turn % 2 else 1]:
                    figures[name].append(checkouts[name].measure(load, asked.seconds))
        finally:
            for checkout in checkouts.values():
                checkout.stop()
    first = next(iter(figures.values()))
    for name, rounds in figures.items():
        used, rates = zip(*rounds, strict=True)
        spread = f"{min(used):.2f} to {max(used):.2f}"
        ratio = statistics.median(one / other for (one, _), (other, _) in zip(rounds, first, strict=True))
        rate = f"{statistics.median(rates):,.0f} keys/s"
        print(f"{name:12} {statistics.median(used):7.2f} µs a key ({spread}), ratio {ratio:.3f}, {rate}")


if __name__ == "__main__":
    main()
