"""Calls before `open`, after `close` and in another event loop: an error that says what to do."""

import asyncio
import copy
import pickle
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

import limedb
from limedb.client import Client, SyncClient
from limedb.errors import ClientStateError, LimeDBError, UnavailableError
from tests.support.keys import new_key
from tests.support.ports import free_port

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


async def test_it_is_opened_once_and_closed_as_often_as_one_likes(node: str) -> None:
    db = limedb.connect(node)
    await db.close()
    await db.open()
    with pytest.raises(ClientStateError, match="open already"):
        await db.open()
    assert await db.get(new_key()) is None
    await db.close()
    await db.close()
    twin = limedb.connect_sync(node)
    twin.close()
    with twin:
        with pytest.raises(ClientStateError, match="open already"):
            twin.open()
        assert await asyncio.to_thread(twin.get, new_key()) is None
        twin.close()
    twin.close()


async def test_one_that_could_not_be_opened_can_be_tried_again() -> None:
    with free_port() as port:
        db = limedb.connect(f"127.0.0.1:{port}")
        twin = limedb.connect_sync(f"127.0.0.1:{port}")
        for _ in range(2):
            with pytest.raises(UnavailableError, match="nothing answers"):
                await db.open()
            with pytest.raises(UnavailableError, match="nothing answers"):
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
