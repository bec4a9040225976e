"""Locks and leaders, on real nodes, with holders that die, stand still and lose their nodes.

Tests limedb/client/holding.py, limedb/client/lock_calls.py, limedb/client/locks.py,
limedb/client/sync_locks.py and limedb/errors/locks.py.
"""

import asyncio
import contextlib
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from threading import Event

import pytest

import limedb
from limedb.client import Lock
from limedb.errors import (
    InvalidRequestError,
    LockLostError,
    LockTakenError,
    RequestTimeoutError,
    UnavailableError,
)
from tests.support.children import child
from tests.support.clusters import RunningCluster
from tests.support.keys import new_key

HOLDER = """
import asyncio, sys
import limedb
from limedb.errors import LockLostError

async def main():
    async with limedb.connect(sys.argv[1]) as db:
        try:
            async with db.lock(sys.argv[2], ttl=1, holder="child") as lock:
                print("token", lock.token, flush=True)
                await asyncio.sleep(600)
        except LockLostError as error:
            print("lost:", error, flush=True)

asyncio.run(main())
"""


@contextlib.contextmanager
def holder(address: str, name: str) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """A process that holds a lock, and the token that it has."""
    with child([sys.executable, "-c", HOLDER, address, name], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process, int(process.stdout.readline().split()[1])


async def test_one_of_many_holds_it_and_tokens_grow(cluster: RunningCluster) -> None:
    name, tokens, inside = new_key(), list[int](), 0

    async def work(address: str) -> None:
        nonlocal inside
        async with limedb.connect(address) as db, db.lock(name) as lock:
            inside += 1
            assert inside == 1
            tokens.append(lock.token)
            await asyncio.sleep(0.01)
            lock.check()
            inside -= 1

    await asyncio.gather(*(work(node.address) for node in cluster.nodes * 3))
    assert tokens == sorted(set(tokens))
    assert len(tokens) == 9
    async with limedb.connect(cluster.nodes[0].address) as db:
        assert await db.get(name) is None


async def test_a_lock_that_is_taken_is_not_waited_for_longer_than_asked(node: str) -> None:
    async with limedb.connect(node) as db, limedb.connect(node) as other:
        name = new_key()
        async with db.lock(name, holder="worker 1"):
            for wait in (0, 0.2, timedelta(milliseconds=50)):
                with pytest.raises(LockTakenError, match="taken by 'worker 1'") as caught:
                    await other.lock(name, wait=wait).acquire()
                assert (caught.value.key, caught.value.holder) == (name, "worker 1")
            with pytest.raises(TimeoutError):  # waits for as long as it takes
                await asyncio.wait_for(other.lock(name).acquire(), 0.3)
        assert await other.lock(name, wait=0).acquire()


async def test_who_waits_looks_a_last_time_when_the_time_is_over(node: str) -> None:
    async with limedb.connect(node) as db, limedb.connect(node) as other:
        name, loop = new_key(), asyncio.get_running_loop()
        async with db.lock(name):
            for wait in (0.3, 1.0):
                began = loop.time()
                with pytest.raises(LockTakenError):
                    await other.lock(name, wait=wait).acquire()
                assert loop.time() - began >= wait


@pytest.mark.parametrize("value", ["hello", b"bytes", "", "a b"])
async def test_a_key_with_another_value_is_no_lock(node: str, value: str | bytes) -> None:
    async with limedb.connect(node) as db:
        name = new_key()
        await db.set(name, value)
        for wait in (0, None):
            with pytest.raises(InvalidRequestError, match="isn't a lock's: give the lock another name"):
                await db.lock(name, wait=wait).acquire()
        assert await db.get(name) == value
        taken = db.lock(f"{name}/2", ttl=600)
        await taken.acquire()
        await db.append(f"{name}/2", "more")
        with pytest.raises(LockLostError, match="somebody has overwritten its key"):
            await taken.release()


async def test_too_few_nodes_are_no_holder(broken: RunningCluster) -> None:
    one, two, three = broken.nodes
    async with limedb.connect(one.address, timeout=2) as db:
        await db.set(new_key(), "v")
        for node in (two, three):
            await asyncio.to_thread(broken.pause, node.name)
        for wait in (0, 1, 3):
            with pytest.raises((UnavailableError, RequestTimeoutError)):
                await db.lock(new_key(), wait=wait).acquire()
        patient = asyncio.create_task(db.lock(new_key()).acquire())
        await asyncio.sleep(3)
        for node in (two, three):
            await asyncio.to_thread(broken.resume, node.name)
        assert await patient


async def test_it_is_renewed_for_as_long_as_the_block_runs(node: str) -> None:
    async with limedb.connect(node) as db, limedb.connect(node) as other:
        name = new_key()
        async with db.lock(name, ttl=4) as lock:
            with pytest.raises(LockTakenError):
                await other.lock(name, wait=4.5).acquire()
            lock.check()


async def test_who_dies_leaves_it_to_the_next(node: str) -> None:
    name = new_key()
    with holder(node, name) as (process, token):
        process.kill()
        async with limedb.connect(node) as db, db.lock(name, wait=60) as lock:
            assert lock.token > token


async def test_who_stood_still_learns_that_it_lost_the_lock(node: str) -> None:
    name = new_key()
    with holder(node, name) as (process, token):
        process.send_signal(signal.SIGSTOP)
        async with limedb.connect(node) as db, db.lock(name, wait=60) as lock:
            assert lock.token > token
            process.send_signal(signal.SIGCONT)
            assert process.stdout is not None
            said = await asyncio.to_thread(process.stdout.readline)
            assert said.startswith("lost: lock ")
            lock.check()


async def test_a_block_whose_lock_is_lost_is_cancelled(node: str) -> None:
    async with limedb.connect(node) as db:
        name, lost = new_key(), list[bool]()
        lock = db.lock(name, ttl=1, on_lost=lambda: lost.append(True))

        async def work() -> None:
            async with lock:
                await db.delete(name)
                await asyncio.sleep(60)

        with pytest.raises(LockLostError, match="it expired, or was deleted"):
            await work()
        assert (lost, lock.is_held, lock.token) == ([True], False, 0)
        with pytest.raises(LockLostError, match="expired, or was deleted"):
            lock.check()
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        async with lock:  # it may be taken again
            assert lock.is_held


async def test_a_lock_that_somebody_else_has_is_lost_at_the_end_too(node: str) -> None:
    async with limedb.connect(node) as db:
        name = new_key()

        async def work() -> None:
            async with db.lock(name):
                await db.delete(name)
                await db.lock(name, holder="the other").acquire()

        with pytest.raises(LockLostError, match="'the other' has it"):
            await work()
        assert str(await db.get(name)).startswith("the other ")


async def test_the_errors_of_a_block_stay_its_own(node: str) -> None:
    async with limedb.connect(node) as db:
        name = new_key()

        async def fail(deletes: bool) -> None:
            async with db.lock(name):
                if deletes:
                    await db.delete(name)  # so it is lost, besides
                raise ZeroDivisionError

        for deletes in (False, True):
            with pytest.raises(ZeroDivisionError):
                await fail(deletes)
        inside = asyncio.Event()

        async def hold() -> None:
            async with db.lock(name):
                inside.set()
                await asyncio.sleep(60)

        task = asyncio.create_task(hold())
        await inside.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await db.get(name) is None


async def test_who_gives_up_waiting_leaves_nothing_behind(node: str) -> None:
    async with limedb.connect(node) as db:
        name = new_key()
        for _ in range(20):
            task = asyncio.create_task(db.lock(name, ttl=600).acquire())
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert await db.lock(name, wait=60).acquire()


async def test_it_survives_one_node_and_no_more(broken: RunningCluster) -> None:
    one, two, three = broken.nodes

    async def work() -> None:
        async with limedb.connect(one.address) as db, db.lock(new_key(), ttl=5) as lock:
            await asyncio.to_thread(broken.kill, three.name)
            await asyncio.sleep(5)  # its life: without renewals it would be lost by then
            lock.check()
            held.append(lock)
            await asyncio.to_thread(broken.pause, two.name)
            await asyncio.sleep(120)

    held: list[Lock] = []
    with pytest.raises(LockLostError, match=r"could not be renewed|was not renewed"):
        await work()
    assert held


async def test_an_object_has_it_once(node: str) -> None:
    async with limedb.connect(node) as db:
        async with db.lock(new_key()) as lock:
            with pytest.raises(InvalidRequestError, match="held by this object already"):
                await lock.acquire()
        with pytest.raises(LockLostError, match="it is not held"):
            await lock.release()


@pytest.mark.parametrize("ttl", [0.5, 0, -1, float("nan"), float("inf"), True, "10"])
async def test_a_life_that_makes_no_sense_is_refused(node: str, ttl: float) -> None:
    async with limedb.connect(node) as db:
        with pytest.raises(InvalidRequestError, match="ttl="):
            db.lock("name", ttl=ttl)
        with pytest.raises(InvalidRequestError, match="ttl="):
            db.leader("name", ttl=ttl)


@pytest.mark.parametrize("wait", [-1, float("nan"), float("inf"), True, "10"])
async def test_a_wait_that_makes_no_sense_is_refused(node: str, wait: float) -> None:
    async with limedb.connect(node) as db:
        with pytest.raises(InvalidRequestError, match="wait="):
            db.lock("name", wait=wait)


@pytest.mark.parametrize("on_lost", [5, "print"])
async def test_what_cannot_be_called_is_refused(node: str, on_lost: Callable[[], object]) -> None:
    async def late() -> None:
        raise AssertionError

    async with limedb.connect(node) as db:
        for wrong in (on_lost, late):
            with pytest.raises(InvalidRequestError, match="on_lost="):
                db.lock("name", on_lost=wrong)


async def test_an_error_of_on_lost_is_logged_and_of_the_block_noted(
    node: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    async with limedb.connect(node) as db:
        name = new_key()

        async def work() -> None:
            async with db.lock(name, ttl=1, on_lost=fail):
                await db.delete(name)
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    raise ValueError("its own") from None

        with pytest.raises(ValueError, match="its own") as caught:
            await work()
        assert "expired, or was deleted" in caught.value.__notes__[0]
    assert "on_lost of a lock failed" in caplog.text


@pytest.mark.parametrize("holder", ["", "a\nb", "x" * 201, 7])
async def test_a_holder_that_nobody_can_read_is_refused(node: str, holder: str) -> None:
    async with limedb.connect(node) as db:
        with pytest.raises(InvalidRequestError, match="holder="):
            db.lock("name", holder=holder)


def test_the_synchronous_twin_does_the_same(node: str) -> None:
    with limedb.connect_sync(node) as db, limedb.connect_sync(node) as other:
        name, lost = new_key(), Event()
        with db.lock(name, holder="worker 1") as lock:
            assert lock.is_held
            lock.check()
            with pytest.raises(LockTakenError, match="taken by 'worker 1'"):
                other.lock(name, wait=0).acquire()
        assert other.lock(name, wait=0).acquire() > 0
        name = new_key()
        with db.lock(name, ttl=1, on_lost=lost.set) as lock:
            other.delete(name)
            assert lost.wait(60)
            with pytest.raises(LockLostError):
                lock.check()
            with pytest.raises(LockLostError):
                lock.release()
            lock.acquire()
        with pytest.raises(LockLostError), db.lock(name):
            other.delete(name)  # its end finds out
        with pytest.raises(InvalidRequestError, match="ttl="):
            db.lock(name, ttl=0.1)
