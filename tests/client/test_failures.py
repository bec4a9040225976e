"""The client while nodes fail: real nodes, killed and stopped in mid-use.

Tests limedb/client/node_connection.py.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

import limedb
from limedb.client import Client
from limedb.errors import LevelUnreachableError, OutcomeUnknownError, UnavailableError
from tests.support.clusters import RunningCluster, running_cluster
from tests.support.keys import new_key

CALLERS = 16


@asynccontextmanager
async def load(db: Client, keys: list[str]) -> AsyncIterator[list[BaseException]]:
    """Callers that read and write for the time of the block; what any of them got that it should not have."""
    problems: list[BaseException] = []
    over = asyncio.Event()

    async def call(keys: list[str]) -> None:
        number = 0
        while not over.is_set():
            key, number = keys[number % len(keys)], number + 1
            try:
                await db.set(key, f"{number}")
                seen = await db.get(key)
                if seen != f"{number}":
                    problems.append(AssertionError(f"{key}: wrote {number}, read {seen!r}"))
            except OutcomeUnknownError:
                continue  # true, where nodes take no idempotency keys
            except Exception as error:
                problems.append(error)

    async with asyncio.TaskGroup() as group:
        for i in range(CALLERS):
            group.create_task(call(keys[i::CALLERS]))
        yield problems
        over.set()


async def many_answers(db: Client, count: int = 50) -> None:
    """Some rounds of calls for all parts of the ring."""
    for _ in range(count):
        await db.get_many([new_key() for _ in range(20)])


async def test_a_node_killed_in_mid_use_is_seen_by_no_caller(broken: RunningCluster) -> None:
    addresses = ",".join(node.address for node in broken.nodes)
    async with (
        limedb.connect(addresses, idempotent=True) as db,
        load(db, [new_key() for _ in range(64)]) as problems,
    ):
        await many_answers(db)
        await asyncio.to_thread(broken.kill, broken.nodes[1].name)
        await many_answers(db)
        await asyncio.to_thread(broken.restart, broken.nodes[1].name)
        await many_answers(db)
    assert problems == []


async def test_a_node_that_stands_still_is_left_out(broken: RunningCluster) -> None:
    async with (
        limedb.connect(broken.nodes[0].address, idempotent=True) as db,
        load(db, [new_key() for _ in range(64)]) as problems,
    ):
        await many_answers(db)
        await asyncio.to_thread(broken.pause, broken.nodes[2].name)
        await many_answers(db)
        await asyncio.to_thread(broken.resume, broken.nodes[2].name)
        await many_answers(db)
    assert problems == []


async def test_the_only_address_may_go_once_the_ring_is_known(broken: RunningCluster) -> None:
    key = new_key()
    async with limedb.connect(broken.nodes[0].address, follow_ring=True, idempotent=True) as db:
        await db.set(key, "v")
        await asyncio.to_thread(broken.kill, broken.nodes[0].name)
        assert await db.get(key) == "v"
        assert len(await db.set_many({new_key(): "v" for _ in range(50)})) == 50


async def test_a_cluster_that_is_away_is_waited_for(tmp_path: Path) -> None:
    key = new_key()
    with running_cluster(tmp_path, nodes=1, envoy=False) as running:
        (node,) = running.nodes
        async with limedb.connect(node.address, timeout=60, idempotent=True) as db:
            await db.set(key, "v")
            await asyncio.to_thread(running.kill, node.name)
            waiting = [asyncio.create_task(db.get(key)), asyncio.create_task(db.set(new_key(), "v"))]
            await asyncio.to_thread(running.restart, node.name)
            assert await waiting[0] == "v"
            assert (await waiting[1]).acked == 1


async def test_what_too_few_replicas_live_for_is_said_at_once(broken: RunningCluster) -> None:
    key = new_key()
    async with limedb.connect(broken.nodes[0].address, timeout=60, idempotent=True) as db:
        await db.set(key, "v")
        for node in broken.nodes[1:]:
            await asyncio.to_thread(broken.kill, node.name)
        with suppress(UnavailableError):  # one that finds out by itself may leave its outcome unknown
            await db.set(key, "v")
        with pytest.raises(LevelUnreachableError) as caught:
            await db.set(key, "v")
        assert (caught.value.needed, caught.value.replicas) == (2, 3)
        assert {*caught.value.missing} == {node.url for node in broken.nodes[1:]}
        assert await db.get(key, consistency="one") == "v"


async def test_through_envoy_alone_a_killed_node_is_seen_by_no_caller(broken: RunningCluster) -> None:
    async with (
        limedb.connect(broken.envoy_address, follow_ring=False, idempotent=True) as db,
        load(db, [new_key() for _ in range(64)]) as problems,
    ):
        await many_answers(db)
        await asyncio.to_thread(broken.kill, broken.nodes[0].name)
        await many_answers(db)
    assert problems == []
