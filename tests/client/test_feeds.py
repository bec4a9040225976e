"""Scans and watches as objects: a wait that ends early loses nothing, and all of them can be closed.

Of limedb/client/sync_feeds.py.
"""

import asyncio
import gc
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import limedb
from limedb.errors import InvalidRequestError, RequestTimeoutError, UnavailableError
from tests.support.keys import new_key
from tests.support.ports import free_port
from tests.support.serving import running_node


async def test_a_wait_of_which_time_runs_out_loses_nothing(node: str) -> None:
    key = new_key()
    async with limedb.connect(node) as db, db.watch(key) as changes:
        for number in range(5):
            with pytest.raises(RequestTimeoutError, match="the watch"):
                await changes.next(timeout=0.01)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(changes), 0.01)
            await db.set(key, f"{number}")
            change = await changes.next(timeout=30)
            assert change is not None
            assert change.value == f"{number}"


async def test_waits_that_are_cancelled_at_any_instant_lose_nothing(node: str) -> None:
    key = new_key()
    async with limedb.connect(node) as db, db.watch(key) as changes:
        seen: list[object] = []

        async def write() -> None:
            for number in range(200):
                await db.set(key, f"{number}")

        writing = asyncio.create_task(write())
        while len(seen) < 200:
            waiting = asyncio.create_task(changes.next())
            for _ in range(len(seen) % 7):
                await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait((waiting,))
            if not waiting.cancelled() and (change := waiting.result()) is not None:
                seen.append(change.value)
            elif writing.done():
                change = await changes.next(timeout=30)
                assert change is not None
                seen.append(change.value)
        await writing
        assert seen == [f"{number}" for number in range(200)]


async def test_a_scan_has_an_end_and_waits_in_between(node: str) -> None:
    prefix = new_key()
    async with limedb.connect(node) as db:
        await db.set_many({f"{prefix}/{n}": f"{n}" for n in range(3)})
        async with db.scan(prefix) as entries:
            found = [entry.value for _ in range(3) if (entry := await entries.next(timeout=30)) is not None]
            assert found == ["0", "1", "2"]
            assert await entries.next() is None
            assert await anext(entries, "no more") == "no more"


async def test_tasks_share_one_and_each_item_comes_to_one_of_them(node: str) -> None:
    prefix = new_key()
    async with limedb.connect(node) as db:
        keys = [f"{prefix}/{n:03}" for n in range(350)]
        await db.set_many(dict.fromkeys(keys, "v"))
        entries = db.scan(prefix)

        async def take() -> list[str]:
            return [entry.key async for entry in entries]

        parts = await asyncio.gather(*(take() for _ in range(4)))
        assert sorted(key for part in parts for key in part) == keys


async def test_closing_ends_the_waits_and_the_stream(node: str) -> None:
    key = new_key()
    async with limedb.connect(node) as db:
        changes = db.watch(key)
        waiting = asyncio.create_task(changes.next())
        one_more = asyncio.create_task(anext(changes, "no more"))
        await db.set(key, "v")
        await changes.close()
        await asyncio.wait((waiting, one_more), timeout=30)
        ends = [await waiting or "no more", await one_more]
        assert "no more" in ends  # one of the two may have had the change before
        assert await changes.next() is None
        await changes.close()
        entries = db.scan()
        await entries.close()  # before it began
        assert [entry async for entry in entries] == []


async def test_the_streams_of_a_client_end_with_it(node: str) -> None:
    """Closing a channel alone leaves them to run, and their readers to wait for the next beat."""
    db = limedb.connect(node)
    await db.open()
    changes = await db.watch(new_key()).begin()
    waiting = asyncio.create_task(changes.next())
    connections = db._opened().routing.connections()
    calls = [call for connection in connections for call in connection.followed]
    assert [call.done() for call in calls] == [False]
    await db.close()
    assert [call.done() for call in calls] == [True]
    with pytest.raises(limedb.errors.UnavailableError):
        await waiting


async def test_a_watch_has_begun_within_its_block(node: str) -> None:
    """Nothing is missed that is written after that, although nobody waited yet."""
    async with limedb.connect(node) as db:
        for _ in range(20):
            key = new_key()
            async with db.watch(prefix=key) as changes:
                await db.set(key, "v")
                assert (await anext(changes)).key == key


async def test_one_that_is_dropped_leaves_no_task_behind(node: str) -> None:
    async with limedb.connect(node) as db:
        before = asyncio.all_tasks()
        changes = db.watch(new_key())
        with pytest.raises(RequestTimeoutError):
            await changes.next(timeout=0.01)
        mine = asyncio.all_tasks() - before
        assert mine
        del changes
        gc.collect()
        await asyncio.wait(mine, timeout=30)
        assert all(task.done() for task in mine)


async def test_a_timeout_that_makes_no_sense_is_refused(node: str) -> None:
    async with limedb.connect(node) as db:
        with pytest.raises(InvalidRequestError, match="timeout"):
            await db.watch(new_key()).next(timeout=0)


def test_the_synchronous_twin_waits_and_loses_nothing(node: str) -> None:
    key = new_key()
    with limedb.connect_sync(node) as db, db.watch(key) as changes:
        with pytest.raises(RequestTimeoutError):
            changes.next(timeout=0.05)
        db.set(key, "v")
        change = changes.next(timeout=30)
        assert change is not None
        assert change.value == "v"
        changes.close()
        assert changes.next() is None
        assert list(changes) == []
        with db.scan(key) as entries:
            assert [entry.value for entry in entries] == ["v"]
            assert entries.next(timeout=1) is None


def test_a_thread_that_waits_for_a_change_ends_with_the_client(node: str) -> None:
    db = limedb.connect_sync(node)
    db.open()
    changes = db.watch(new_key())
    changes.__enter__()
    errors: list[Exception] = []

    def wait() -> None:
        try:
            changes.next()
        except limedb.errors.UnavailableError as error:
            errors.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    db.close()
    thread.join(30)
    assert not thread.is_alive()
    changes.close()
    assert len(errors) == 1


@pytest.mark.cluster
async def test_an_error_that_ended_a_watch_is_raised_by_each_further_wait(tmp_path: Path) -> None:
    """And never taken for the end, which a watch doesn't have."""
    with free_port() as port:
        with running_node(tmp_path / "node", port, {}) as address:
            db = limedb.connect(address)
            await db.open()
            watch = await db.watch("k", timeout=0.5).begin()
            pages = db.watch_pages("k", timeout=0.5)
            assert await pages.next() == []
        for wait in (watch.next, pages.next, watch.begin, watch.__anext__, watch.next):
            for _ in range(2):
                with pytest.raises(UnavailableError) as caught:
                    await wait()
                assert not isinstance(caught.value, RequestTimeoutError)
        await watch.close()
        assert await watch.next() is None
        await db.close()


@pytest.mark.cluster
def test_the_synchronous_twin_raises_it_again_too(tmp_path: Path) -> None:
    with free_port() as port:
        with running_node(tmp_path / "node", port, {}) as address:
            db = limedb.connect_sync(address)
            db.open()
            watch = db.watch("k", timeout=0.5).begin()
        for _ in range(3):
            with pytest.raises(UnavailableError):
                watch.next()
        watch.close()
        assert watch.next() is None
        db.close()


@pytest.mark.parametrize("timeout", ["1", 0, -1, float("nan"), True, timedelta(0)])
async def test_a_wait_without_a_length_is_refused(node: str, timeout: Any) -> None:
    async with limedb.connect(node) as db:
        with pytest.raises(InvalidRequestError, match="must be more than 0 s"):
            await db.watch("k").next(timeout=timeout)
