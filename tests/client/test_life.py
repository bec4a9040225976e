"""Calls before `open`, after `close` and in another event loop: an error that says what to do.

Also: limedb/client/opening.py.
"""

import asyncio
import copy
import itertools
import math
import pickle
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import limedb
from limedb.client import Client, SyncClient
from limedb.errors import ClientStateError, InvalidRequestError, LimeDBError, UnavailableError
from tests.support.keys import new_key
from tests.support.ports import free_port
from tests.support.serving import running_node

CALLS: dict[str, Callable[[Client, str], Awaitable[object]]] = {
    "get": lambda db, key: db.get(key),
    "set": lambda db, key: db.set(key, "v"),
    "delete": lambda db, key: db.delete(key),
    "get_many": lambda db, key: db.get_many([key]),
    "set_many": lambda db, key: db.set_many({key: "v"}),
    "delete_many": lambda db, key: db.delete_many([key]),
    "scan": lambda db, _key: anext(db.scan()),
    "scan_pages": lambda db, _key: anext(db.scan_pages()),
    "watch": lambda db, key: anext(db.watch(key)),
    "watch_pages": lambda db, key: anext(db.watch_pages(key)),
}
SYNC_CALLS: dict[str, Callable[[SyncClient, str], object]] = {
    "get": lambda db, key: db.get(key),
    "set": lambda db, key: db.set(key, "v"),
    "delete": lambda db, key: db.delete(key),
    "get_many": lambda db, key: db.get_many([key]),
    "set_many": lambda db, key: db.set_many({key: "v"}),
    "delete_many": lambda db, key: db.delete_many([key]),
    "scan": lambda db, _key: next(db.scan()),
    "watch": lambda db, key: next(db.watch(key)),
}


async def refused(call: Callable[[Client, str], Awaitable[object]], db: Client, key: str, text: str) -> None:
    with pytest.raises(ClientStateError, match=text) as caught:
        await call(db, key)
    assert caught.value.nothing_written
    assert not caught.value.may_pass


@pytest.mark.parametrize("name", CALLS)
async def test_a_client_that_is_not_open_sends_nothing(node: str, name: str) -> None:
    key, db = new_key(), limedb.connect(node)
    await refused(CALLS[name], db, key, "is not open yet: use it with `async with`")
    async with db:
        assert await db.get(key) is None
    await refused(CALLS[name], db, key, "is closed: use it with `async with`")
    async with db:  # it may be opened once more
        assert await db.get(key) is None


@pytest.mark.parametrize("name", SYNC_CALLS)
def test_the_synchronous_twin_sends_nothing_either(node: str, name: str) -> None:
    key, db = new_key(), limedb.connect_sync(node)
    with pytest.raises(ClientStateError, match="is not open yet: use it with `with`"):
        SYNC_CALLS[name](db, key)
    with db:
        assert db.get(key) is None
    with pytest.raises(ClientStateError, match="is closed: use it with `with`"):
        SYNC_CALLS[name](db, key)
    with db:
        assert db.get(key) is None


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_in_another_loop_is_not_carried_out(node: str, name: str) -> None:
    key = new_key()
    async with limedb.connect(node) as db:
        elsewhere = refused(CALLS[name], db, key, "another event loop")
        await asyncio.to_thread(asyncio.run, elsewhere)
        assert await db.get(key) is None  # and it still works here


async def test_a_scan_of_another_loop_is_refused_and_continues_in_its_own(node: str) -> None:
    prefix = new_key()

    async def take_one() -> None:
        with pytest.raises(ClientStateError, match="another event loop"):
            await entries.next()
        await entries.close()

    async with limedb.connect(node) as db:
        await db.set_many({f"{prefix}/{n}": "v" for n in range(3)})
        entries = db.scan_pages(prefix, page_size=1)
        assert len(await anext(entries)) == 1
        await asyncio.to_thread(asyncio.run, take_one())


def test_a_client_whose_loop_is_gone_is_refused_closed_and_opened_in_the_next_one(node: str) -> None:
    key, db = new_key(), limedb.connect(node)
    asyncio.run(db.open())
    asyncio.run(refused(CALLS["set"], db, key, "another event loop"))
    asyncio.run(db.close())

    async def again() -> object:
        async with db:
            return await db.get(key)

    assert asyncio.run(again()) is None


async def test_it_is_opened_and_closed_as_often_as_one_likes(node: str) -> None:
    db = limedb.connect(node)
    await db.close()
    await db.open()
    await db.open()
    assert await db.get(new_key()) is None
    await db.close()
    await db.close()
    twin = limedb.connect_sync(node)
    twin.close()
    with twin:
        twin.open()
        assert await asyncio.to_thread(twin.get, new_key()) is None
        twin.close()
    twin.close()


async def test_it_says_whether_it_is_open(node: str) -> None:
    db, twin = limedb.connect(node), limedb.connect_sync(node)
    for _ in range(2):
        assert (db.is_open, twin.is_open) == (False, False)
        await db.open()
        twin.open()
        assert db.is_open
        assert twin.is_open
        assert await asyncio.to_thread(lambda: (db.is_open, twin.is_open)) == (False, True)  # no loop there
        await db.close()
        twin.close()
    assert (db.is_open, twin.is_open) == (False, False)


async def test_tasks_that_open_it_together_open_it_once(node: str) -> None:
    db, key = limedb.connect(node), new_key()

    async def write(n: int) -> str | bytes | None:
        await db.open()
        await db.set(f"{key}/{n}", "v")
        return await db.get(f"{key}/{n}")

    assert await asyncio.gather(*map(write, range(20))) == ["v"] * 20
    await db.close()


async def test_one_that_is_cancelled_while_it_opens_leaves_that_to_the_next(node: str) -> None:
    db = limedb.connect(node)
    first, second = asyncio.create_task(db.open()), asyncio.create_task(db.open())
    await asyncio.sleep(0)
    assert not db.is_open
    first.cancel()
    await second
    assert db.is_open
    assert await db.get(new_key()) is None
    await db.close()


def test_threads_that_open_it_together_open_it_once(node: str) -> None:
    db, key = limedb.connect_sync(node), new_key()

    def write(n: int) -> str | bytes | None:
        db.open()
        db.set(f"{key}/{n}", "v")
        return db.get(f"{key}/{n}")

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(write, range(20))) == ["v"] * 20
    db.close()


async def test_no_block_closes_a_client_that_others_use(node: str) -> None:
    async with limedb.connect(node) as db:
        with pytest.raises(ClientStateError, match="the end of this block would close it"):
            await db.__aenter__()
        assert await db.get(new_key()) is None
    with limedb.connect_sync(node) as twin:
        with pytest.raises(ClientStateError, match="the end of this block would close it"):
            twin.__enter__()
        assert await asyncio.to_thread(twin.get, new_key()) is None


@pytest.mark.cluster
async def test_it_waits_for_a_cluster_that_starts_later(tmp_path: Path) -> None:
    with free_port() as port:
        db, twin = limedb.connect(f"127.0.0.1:{port}"), limedb.connect_sync(f"127.0.0.1:{port}")
        async with refusing(port) as refused:
            waits = [
                asyncio.create_task(db.open(wait=120)),
                asyncio.create_task(asyncio.to_thread(twin.open, 120)),
            ]
            async with asyncio.timeout(60):
                while await refused.get() < 4:
                    pass
            assert not any(task.done() for task in waits)
        with running_node(tmp_path / "node", port, {}):
            await asyncio.gather(*waits)
            await db.set("k", "v")
            assert await asyncio.to_thread(twin.get, "k") == "v"
            await db.close()
            await asyncio.to_thread(twin.close)


async def test_it_waits_no_longer_than_it_should() -> None:
    with free_port() as port:
        db, twin = limedb.connect(f"127.0.0.1:{port}"), limedb.connect_sync(f"127.0.0.1:{port}")
        for wait in (0.3, timedelta(milliseconds=300)):
            begun = asyncio.get_running_loop().time()
            with pytest.raises(UnavailableError, match="no node answers"):
                await db.open(wait)
            with pytest.raises(UnavailableError, match="no node answers"):
                await asyncio.to_thread(twin.open, wait)
            assert asyncio.get_running_loop().time() - begun >= 0.6
        assert (db.is_open, twin.is_open) == (False, False)


@pytest.mark.parametrize("wait", [0, -1, math.nan, math.inf, 1e300, 2**66, True, "5", timedelta(days=2)])
async def test_a_wait_is_a_time_of_a_day_at_most(wait: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^wait=.*: must be more than 0 s") as caught:
        await limedb.connect("127.0.0.1:1").open(wait)
    assert "\n" not in str(caught.value)
    with pytest.raises(InvalidRequestError, match=r"^wait=.*: must be more than 0 s"):
        limedb.connect_sync("127.0.0.1:1").open(wait)


@asynccontextmanager
async def refusing(port: int) -> "AsyncIterator[asyncio.Queue[int]]":
    """Close each connection to a port at once, for the time of the block, and count them."""
    counts: asyncio.Queue[int] = asyncio.Queue()
    numbers = itertools.count(1)

    def refuse(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        counts.put_nowait(next(numbers))

    async with await asyncio.start_server(refuse, "127.0.0.1", port):
        yield counts


async def test_one_that_could_not_be_opened_can_be_tried_again() -> None:
    with free_port() as port:
        db = limedb.connect(f"127.0.0.1:{port}")
        twin = limedb.connect_sync(f"127.0.0.1:{port}")
        for _ in range(2):
            with pytest.raises(UnavailableError, match="no node answers"):
                await db.open()
            with pytest.raises(UnavailableError, match="no node answers"):
                await asyncio.to_thread(twin.open)


def test_threads_that_call_while_it_closes_have_limedb_errors(node: str) -> None:
    """Whichever instant a call meets: none hangs, and none raises anything else."""
    for _ in range(20):
        db = limedb.connect_sync(node)
        db.open()
        begun = threading.Barrier(5)

        def call(db: SyncClient = db, begun: threading.Barrier = begun) -> bool:
            begun.wait(30)
            try:
                while True:
                    db.get(new_key())
                    next(db.scan())
            except StopIteration:
                return False
            except LimeDBError:
                return True

        db.set(new_key(), "v")
        with ThreadPoolExecutor(4) as pool:
            calls = [pool.submit(call) for _ in range(4)]
            begun.wait(30)
            db.close()
            assert all(call.result(30) for call in calls)


def test_a_client_that_is_sent_to_another_process_says_what_to_do() -> None:
    for client in (limedb.connect("127.0.0.1:1"), limedb.connect_sync("127.0.0.1:1")):
        for send in (pickle.dumps, copy.deepcopy):
            with pytest.raises(ClientStateError, match="open it in each process"):
                send(client)
