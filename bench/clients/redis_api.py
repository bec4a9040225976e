"""Redis from Python: redis-py asyncio with the parser of hiredis; and redis-benchmark, which is in C."""

import subprocess
from collections.abc import Mapping, Sequence
from importlib import util
from typing import Any

from bench.data import VALUE_SIZE

_PROBE = 5_000  # requests by which the length of a measurement is chosen


def missing_library() -> str:
    """Return why redis-py can't be measured; empty: it can."""
    absent = [name for name in ("redis", "hiredis") if not util.find_spec(name)]
    return f"the wheel {absent[0]} is not installed: run `make bench-tools`" if absent else ""


def get_request(key: str) -> bytes:
    return b"*2\r\n$3\r\nGET\r\n" + _bulk(key)


def set_request(key: str, value: str) -> bytes:
    return b"*3\r\n$3\r\nSET\r\n" + _bulk(key) + _bulk(value)


def _bulk(text: str) -> bytes:
    data = text.encode()
    return b"$%d\r\n%s\r\n" % (len(data), data)


class RedisClient:
    """A batch is a pipeline without MULTI; a single operation is a command on a connection of the pool."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401 (it may not be installed)
        self._client = client

    async def get(self, keys: Sequence[str]) -> Sequence[str | bytes | None]:
        if len(keys) == 1:
            return [await self._client.get(keys[0])]
        async with self._client.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.get(key)
            answers: list[bytes | None] = await pipeline.execute()
            return answers

    async def set(self, values: Mapping[str, str]) -> None:
        if len(values) == 1:
            (pair,) = values.items()
            assert await self._client.set(*pair)
            return
        async with self._client.pipeline(transaction=False) as pipeline:
            for key, value in values.items():
                pipeline.set(key, value)
            assert all(await pipeline.execute())

    async def close(self) -> None:
        await self._client.aclose()


async def open_client(address: str, callers: int) -> RedisClient:
    """Open a client with a connection for each caller: none waits for another's."""
    import redis.asyncio

    host, _, port = address.rpartition(":")
    pool = redis.asyncio.ConnectionPool(host=host, port=int(port), max_connections=callers)
    return RedisClient(redis.asyncio.Redis(connection_pool=pool))


def command_rate(address: str, command: Sequence[str], seconds: float, connections: int = 64) -> float:
    """Return answered commands per second, by redis-benchmark: RESP allows one at a time on a connection."""
    probe = _run_benchmark(address, command, _PROBE, connections)
    return _run_benchmark(address, command, max(_PROBE, round(probe * seconds)), connections)


def _run_benchmark(address: str, command: Sequence[str], count: int, connections: int) -> float:
    port = address.rpartition(":")[2]
    options = ["-p", port, "-c", str(connections), "-n", str(count), "-d", str(VALUE_SIZE), "--csv"]
    done = subprocess.run(["redis-benchmark", *options, *command], capture_output=True, text=True, check=True)
    last = done.stdout.strip().splitlines()[-1]
    return float(last.split('","')[1])
