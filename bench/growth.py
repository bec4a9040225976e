"""What a Get costs when the store grows: random keys of a node with few keys and of one with many.

    python -m bench.growth [--few 1000] [--many 1000000] [--rounds 7]

Both nodes are up at once, with STORE=lmdb. Each round asks each node for random keys, one at a time, over
gRPC; and the store alone is asked in the same way, in this process.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import grpc

from bench.load import free_port, limedb_command, node_env, server, wait_serving
from limedb.core.record import Record
from limedb.storage.lmdb_store import LmdbStore
from limedb.storage.opening import open_store
from limedbpb.v1 import kv_pb2, kv_pb2_grpc

BATCH = 2000
GETS = 2000
STORE_GETS = 50_000
VALUE = "v" * 100


def key(i: int) -> str:
    return f"key-{i:09}"


async def fill(folder: Path, url: str, count: int) -> None:
    """Store the keys as a node with that URL would."""
    store = open_store("lmdb", folder, url, "none", print)
    order = random.Random(1).sample(range(count), count)
    for start in range(0, count, BATCH):
        records = [Record(key(i), VALUE, 1 << 16) for i in order[start : start + BATCH]]
        await store.apply(records, 1)
    await store.close()


def grpc_cost(stub: kv_pb2_grpc.KVServiceStub, count: int, rng: random.Random) -> float:
    """Microseconds a Get over gRPC."""
    requests = [kv_pb2.GetRequest(key=key(rng.randrange(count))) for _ in range(GETS)]
    start = time.perf_counter()
    for request in requests:
        assert stub.Get(request, timeout=10).value == VALUE
    return (time.perf_counter() - start) / GETS * 1e6


async def store_cost(store: LmdbStore, count: int, rng: random.Random) -> float:
    """Microseconds a get of the store alone."""
    keys = [key(rng.randrange(count)) for _ in range(STORE_GETS)]
    start = time.perf_counter()
    for each in keys:
        await store.get(each)
    return (time.perf_counter() - start) / STORE_GETS * 1e6


def sizes() -> Iterator[int]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--few", type=int, default=1000)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    yield from (options.few, options.many, options.rounds)


def main() -> None:
    few, many, rounds = sizes()
    rng = random.Random(2)
    with ExitStack() as stack:
        stubs, folders = {}, {}
        for count in (few, many):
            folders[count] = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=".")))
            port = free_port()
            start = time.perf_counter()
            asyncio.run(fill(folders[count], f"http://127.0.0.1:{port}", count))
            print(f"filled {count} keys in {time.perf_counter() - start:.1f} s")
            stack.enter_context(
                server(*limedb_command("serve"), port=port, env=node_env(folders[count], port))
            )
            channel = stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{port}"))
            wait_serving(channel)
            stubs[count] = kv_pb2_grpc.KVServiceStub(channel)
        over_grpc = {count: [] for count in stubs}
        for _ in range(rounds):
            for count, stub in stubs.items():
                over_grpc[count].append(grpc_cost(stub, count, rng))
    report("Get over gRPC", over_grpc, few, many)
    report("store alone", asyncio.run(store_rounds(few, many, rounds, rng)), few, many)


async def store_rounds(few: int, many: int, rounds: int, rng: random.Random) -> dict[int, list[float]]:
    costs: dict[int, list[float]] = {few: [], many: []}
    with tempfile.TemporaryDirectory(dir=".") as folder:
        stores = {}
        for count in costs:
            url = f"http://node{count}:1"
            await fill(Path(folder), url, count)
            stores[count] = open_store("lmdb", Path(folder), url, "none", print)
        for _ in range(rounds):
            for count, store in stores.items():
                costs[count].append(await store_cost(store, count, rng))
        for store in stores.values():
            await store.close()
    return costs


def report(what: str, costs: dict[int, list[float]], few: int, many: int) -> None:
    low, high = median(costs[few]), median(costs[many])
    print(f"{what}: {low:.1f} us at {few} keys, {high:.1f} us at {many}: {high / low:.2f} times")


if __name__ == "__main__":
    main()
