"""The cost of a Get as the store grows: random keys of nodes with few keys and with many.

    python -m bench.growth [1000 1000000] [--rounds 7]

All nodes run at the same time, with STORE=lmdb. Each round reads random keys from each node, one at a time,
over gRPC; then, once the nodes have stopped, from each store alone in the same way, in this process.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import grpc

from bench import names
from bench.data import key_of, value_of
from bench.load import free_port, limedb_command, node_env, server, wait_serving
from bench.results import Results
from limedb.core.record import Record
from limedb.ports import Store
from limedb.storage.opening import open_store
from limedbpb.v1 import kv_pb2, kv_pb2_grpc

BATCH = 2000
GETS = 1000
STORE_GETS = 20_000


def found(folder: Path, port: int) -> None:
    """Start a node and stop it: a node that finds data without a cluster of its own doesn't start."""
    env = node_env(folder, port)
    with (
        server(*limedb_command("serve"), port=port, env=env),
        grpc.insecure_channel(f"127.0.0.1:{port}") as it,
    ):
        wait_serving(it)


async def fill(folder: Path, url: str, count: int) -> None:
    """Store the keys as the node with that URL, which doesn't run, would, in random order."""
    store = open_store("lmdb", folder, url, "none", print)
    order = random.Random(1).sample(range(count), count)
    for start in range(0, count, BATCH):
        keys = [key_of(number) for number in order[start : start + BATCH]]
        await store.apply([Record(key, value_of(key), 1 << 16) for key in keys], 1)
    await store.close()


def grpc_cost(stub: kv_pb2_grpc.KVServiceStub, count: int, rng: random.Random) -> float:
    """Return the microseconds of a Get over gRPC."""
    keys = [key_of(rng.randrange(count)) for _ in range(GETS)]
    requests = [(kv_pb2.GetRequest(key=key), value_of(key)) for key in keys]
    start = time.perf_counter()
    for request, value in requests:
        assert stub.Get(request, timeout=10).value == value
    return (time.perf_counter() - start) / GETS * 1e6


async def store_cost(store: Store, count: int, rng: random.Random) -> float:
    """Return the microseconds of a get of the store alone."""
    keys = [key_of(rng.randrange(count)) for _ in range(STORE_GETS)]
    start = time.perf_counter()
    for each in keys:
        await store.get(each)
    return (time.perf_counter() - start) / STORE_GETS * 1e6


def measure(folder: Path, counts: Sequence[int], rounds: int, results: Results) -> None:
    """Add the costs with each number of keys, in microseconds."""
    ports = {count: free_port() for count in counts}
    for count, port in ports.items():
        found(folder / str(count), port)
        asyncio.run(fill(folder / str(count), f"http://127.0.0.1:{port}", count))
    _measure_nodes(folder, ports, rounds, results)
    asyncio.run(_measure_stores(folder, ports, rounds, results))


def _measure_nodes(folder: Path, ports: Mapping[int, int], rounds: int, results: Results) -> None:
    rng = random.Random(2)
    with ExitStack() as stack:
        channels = {}
        for count, port in ports.items():
            env = node_env(folder / str(count), port)
            stack.enter_context(server(*limedb_command("serve"), port=port, env=env))
            channels[count] = stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{port}"))
        stubs = {count: kv_pb2_grpc.KVServiceStub(channel) for count, channel in channels.items()}
        for channel in channels.values():
            wait_serving(channel)
        for _ in range(rounds):
            for count, stub in stubs.items():
                system = names.with_keys(names.LIMEDB, count)
                results.add(names.GRPC_GET, system, "µs", grpc_cost(stub, count, rng))


async def _measure_stores(folder: Path, ports: Mapping[int, int], rounds: int, results: Results) -> None:
    rng, stores = random.Random(2), {}
    for count, port in ports.items():
        url = f"http://127.0.0.1:{port}"
        stores[count] = open_store("lmdb", folder / str(count), url, "none", print)
    for _ in range(rounds):
        for count, store in stores.items():
            system = names.with_keys(names.LIMEDB, count)
            results.add(names.STORE_GET, system, "µs", await store_cost(store, count, rng))
    for store in stores.values():
        await store.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("counts", type=int, nargs="*", default=[1000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    results = Results()
    with tempfile.TemporaryDirectory(dir=".") as folder:
        measure(Path(folder), options.counts, options.rounds, results)
    for what, figures in results.groups():
        for figure in figures:
            ratio = figure.median / figures[0].median
            print(f"{what}: {figure.system}: {figure.median:.1f} µs, {ratio:.2f} times")


if __name__ == "__main__":
    main()
