"""A node that is asked to stop under load, as its clients and Envoy's see it.

Tests limedb/node/node.py, limedb/node/process.py and limedb/rpc/server/rest_streams.py.
"""

import asyncio
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import grpc
import httpx
import pytest

from limedb.wire.status import remote_error
from limedbpb.v1 import kv_pb2, kv_pb2_grpc
from tests.support.clusters import RunningCluster, running_cluster

pytestmark = pytest.mark.cluster

WRITERS = 16
LARGE, LARGE_KEYS = 400_000, 150
"""Bytes of a value and a number of keys that no buffer on the way holds all of."""
SLOW_LINES, SLOW_SECONDS = 80, 0.05
"""Of a client that reads slowly for longer than a node waits for Envoy."""
BEFORE = 100
"""Writes of each kind that are acknowledged before the stop."""


async def test_no_call_is_lost_without_a_word(tmp_path: Path) -> None:
    """Envoy's clients notice nothing. A client of the node is refused in words, or finds it gone."""
    with running_cluster(tmp_path, nodes=3) as cluster:
        outcomes = await asyncio.wait_for(_outcomes(cluster), 120)
    assert outcomes["rest: 200 OK"] >= BEFORE
    assert outcomes["grpc: OK"] >= BEFORE
    allowed = {"rest: 200 OK", "grpc: OK", "grpc: nothing was written", "grpc: nobody listens"}
    assert outcomes.keys() <= allowed, outcomes


@pytest.mark.parametrize("path", ["scan", "watch?prefix=stream/", "cluster/watch"])
def test_a_stream_over_rest_that_breaks_off_never_looks_whole(tmp_path: Path, path: str) -> None:
    with (
        running_cluster(tmp_path, nodes=1) as cluster,
        httpx.Client(base_url=cluster.envoy_url, timeout=60) as client,
    ):
        for n in range(0, LARGE_KEYS, 10):
            writes = [{"key": f"stream/{n + i}", "value": "v" * LARGE} for i in range(10)]
            client.post("/api/v1/batch/set", json={"writes": writes}).raise_for_status()
        with client.stream("GET", f"/api/v1/{path}") as answer:
            lines = answer.iter_lines()
            assert "error" not in json.loads(next(lines))
            os.kill(cluster.pid(cluster.nodes[0].name), signal.SIGTERM)
            read: list[str] = []
            with pytest.raises(httpx.RemoteProtocolError):
                read.extend(_slowly(lines))
        error = json.loads(read[-1])["error"]
        assert (error["code"], error["message"]) == (14, "the node is stopping; ask another one")
        assert error["details"][0]["reason"] == "UNAVAILABLE"


def _slowly(lines: Iterator[str]) -> Iterator[str]:
    """Lines as they come, but not faster than a node stops: it serves until Envoy knows of the stop."""
    for number, line in enumerate(lines):
        yield line
        if number < SLOW_LINES:
            time.sleep(SLOW_SECONDS)


async def _outcomes(cluster: RunningCluster) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    node, pid = cluster.nodes[0], cluster.pid(cluster.nodes[0].name)
    async with (
        httpx.AsyncClient(base_url=cluster.envoy_url, timeout=60) as rest,
        grpc.aio.insecure_channel(node.address) as channel,
    ):
        stub = kv_pb2_grpc.KVServiceStub(channel)
        ways = (partial(_by_rest, rest), partial(_by_grpc, stub))
        writers = [
            asyncio.create_task(_write(outcomes, number, pid, way))
            for number in range(WRITERS)
            for way in ways
        ]
        while min(outcomes["rest: 200 OK"], outcomes["grpc: OK"]) < BEFORE:  # noqa: ASYNC110 (of the writers)
            await asyncio.sleep(0.05)
        os.kill(pid, signal.SIGTERM)
        await asyncio.gather(*writers)
    return outcomes


async def _write(outcomes: Counter[str], number: int, pid: int, way: Callable[[str], Awaitable[str]]) -> None:
    """Write one key after the other until the node is gone, and once more."""
    n, is_last = 0, False
    while not is_last:
        is_last = _is_gone(pid)
        outcomes[await way(f"stop/{number}/{n}")] += 1
        n += 1
        await asyncio.sleep(0.01)


async def _by_rest(client: httpx.AsyncClient, key: str) -> str:
    answer = await client.post("/api/v1/set", json={"key": key, "value": "v"})
    return f"rest: {answer.status_code} {answer.text}"


async def _by_grpc(stub: "kv_pb2_grpc.KVServiceAsyncStub", key: str) -> str:
    try:
        await stub.Set(kv_pb2.SetRequest(key=key, value="v"), timeout=60)
    except grpc.aio.AioRpcError as error:
        answered = remote_error("", error)
        if answered is not None and answered.nothing_written:
            return "grpc: nothing was written"
        if "failed to connect" in (error.details() or "") or "refused" in (error.details() or ""):
            return "grpc: nobody listens"
        return f"grpc: {error.code().name} {error.details()}"
    return "grpc: OK"


def _is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
