"""Callers of a client library in a process of its own, whose processor time so stands apart.

    python bench/clients/library_caller.py limedb|redis HOST:PORT get|set CALLERS SECONDS

It prints two lines, for the warm-up and for what counts: operations, seconds, processor seconds. It is run as
a file with the limedb of some checkout, so it uses nothing else of this project. Each answer is checked.

Tested in tests/benchmarks/test_library.py.
"""

import asyncio
import random
import sys
import time
from collections.abc import Awaitable, Callable

import uvloop

KEYS, VALUE_SIZE, SAMPLES = 10_000, 100, 4096

Get = Callable[[str], Awaitable[object]]
Set = Callable[[str, str], Awaitable[object]]


def value_of(key: str) -> str:
    """Return the value of a key."""
    return f"{key}:".ljust(VALUE_SIZE, "v")


async def _run(get: Get, put: Set, what: str, callers: int, seconds: float) -> None:
    keys = [f"key-{number:09}" for number in range(KEYS)]
    for start in range(0, KEYS, 500):
        await asyncio.gather(*(put(key, value_of(key)) for key in keys[start : start + 500]))
    sample = [(key, value_of(key)) for key in random.Random(1).choices(keys, k=SAMPLES)]
    expected = {value: {value, value.encode()} for _, value in sample}
    done, place, end = 0, 0, 0.0

    async def caller() -> None:
        nonlocal done, place
        while time.monotonic() < end:
            key, value = sample[place % SAMPLES]
            place += 1
            if what == "get":
                assert await get(key) in expected[value]
            else:
                assert await put(key, value)
            done += 1

    for length in (min(1.0, seconds / 4), seconds):  # the first one warms up
        done, end = 0, time.monotonic() + length
        began, used = time.monotonic(), time.process_time()
        await asyncio.gather(*(caller() for _ in range(callers)))
        print(done, time.monotonic() - began, time.process_time() - used)


async def _main(library: str, address: str, what: str, callers: int, seconds: float) -> None:
    if library == "limedb":
        from limedb.client import connect

        async with connect(address) as db:
            await _run(db.get, db.set, what, callers, seconds)
        return
    import redis.asyncio

    host, _, port = address.rpartition(":")
    pool = redis.asyncio.BlockingConnectionPool(host=host, port=int(port), max_connections=callers)
    async with redis.asyncio.Redis(connection_pool=pool) as redis_db:
        await _run(redis_db.get, redis_db.set, what, callers, seconds)


if __name__ == "__main__":
    uvloop.run(_main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5])))
