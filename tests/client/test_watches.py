"""Watches through the client.

Tests limedb/client/feed_calls.py.
"""

import asyncio

import pytest

import limedb
from limedb.client import Change, Client
from limedb.errors import InvalidRequestError, WatchGapError
from tests.support.clusters import RunningCluster
from tests.support.keys import new_key


async def gather_changes(db: Client, prefix: str, found: list[Change], news: asyncio.Event) -> None:
    """Keep what a watch tells, until the task is cancelled."""
    async for page in db.watch_pages(prefix=prefix):
        found += page
        news.set()


async def test_a_watch_reports_what_changes(cluster: RunningCluster) -> None:
    key = new_key()
    async with limedb.connect(cluster.nodes[0].address, consistency="linearizable") as db:
        first = await db.set(key, "1")
        watch = db.watch(key, after_version=first.version)
        second = await db.set(key, b"\xff")
        seen = [await anext(watch)]
        while seen[-1].version < second.version:
            seen.append(await anext(watch))
        await watch.aclose()
        assert (seen[-1].key, seen[-1].value, seen[-1].is_delete) == (key, b"\xff", False)
        again = db.watch(key, after_version=seen[-1].resume_version)
        await db.delete(key)
        while not (change := await anext(again)).is_delete:
            assert change.key == key
        await again.aclose()


async def test_what_makes_no_sense_is_refused(cluster: RunningCluster) -> None:
    async with limedb.connect(cluster.nodes[0].address) as db:
        for request in ({"key": "k", "prefix": "p"}, {"after_version": -1}, {"consistency": "linearizable"}):
            with pytest.raises(InvalidRequestError):
                await anext(db.watch(**request))
        with pytest.raises(InvalidRequestError):
            await anext(db.watch(""))


async def test_a_watch_outlives_the_nodes_that_serve_it(broken: RunningCluster) -> None:
    addresses = ",".join(node.address for node in broken.nodes)
    async with limedb.connect(addresses, timeout=20, idempotent=True) as db:
        found: list[Change] = []
        news = asyncio.Event()
        task = asyncio.create_task(gather_changes(db, "k", found, news))
        await asyncio.wait_for(news.wait(), 15)
        versions: set[tuple[str, int]] = set()
        for number, node in enumerate(broken.nodes[:2]):
            await asyncio.to_thread(broken.kill, node.name)
            for n in range(40):
                key = f"k{number}/{n}"
                versions.add((key, (await db.set(key, "v")).version))
            async with asyncio.timeout(20):
                while not versions <= {(change.key, change.version) for change in found}:
                    news.clear()
                    await news.wait()
            await asyncio.to_thread(broken.restart, node.name)
        told = [(change.key, change.version) for change in found]
        assert len(told) == len(set(told))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        old = min(change.version for change in found)
        for node in broken.nodes:
            await asyncio.to_thread(broken.kill, node.name)
            await asyncio.to_thread(broken.restart, node.name)
        with pytest.raises(WatchGapError) as caught:
            await anext(db.watch(prefix="k", after_version=old))
        assert caught.value.oldest > old


def test_the_synchronous_twin_watches_too(node: str) -> None:
    key = new_key()
    with limedb.connect_sync(node) as db:
        receipt = db.set(key, "v")
        change = next(db.watch(key, after_version=receipt.version))
        assert (change.value, change.version) == ("v", receipt.version)
