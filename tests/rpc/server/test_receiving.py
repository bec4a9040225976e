"""Messages on their way: small ones come at once, and of slow ones each client has its part."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from limedb.errors import OverloadedError, RequestTimeoutError
from limedb.rpc.server import receiving
from limedb.rpc.server.receiving import FEW, GROWN_BYTES, NoGauge, Receiving
from tests.rpc.peers import SystemClock

PATIENCE = 10
HANDOVERS = 3
"""Turns of the loop between the arrival of a message and its task, as from gRPC's thread."""


class Gauge:
    used, short = 0, False

    def is_short(self) -> bool:
        return self.short


class Caller:
    """A call whose message comes on demand."""

    def __init__(self, peer: str) -> None:
        self._peer = peer
        self.came, self.is_read = asyncio.Event(), False

    def peer(self) -> str:
        return self._peer

    def invocation_metadata(self) -> object:
        return ()

    async def read(self) -> object:
        await self.came.wait()
        self.is_read = True
        return self._peer.encode()


@asynccontextmanager
async def arriving(
    received: Receiving, *peers: str
) -> AsyncIterator[tuple[list[Caller], "list[asyncio.Task[object]]"]]:
    """Calls of peers whose messages are on their way."""
    callers = [Caller(peer) for peer in peers]
    tasks = [asyncio.create_task(received.message(caller)) for caller in callers]
    try:
        yield callers, tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 (there is no event for it)
            await asyncio.sleep(0.005)


def refused(tasks: "list[asyncio.Task[object]]") -> list[int]:
    """Which were given up."""
    return [n for n, task in enumerate(tasks) if task.done() and task.exception() is not None]


async def test_a_message_that_is_there_is_passed_on() -> None:
    caller = Caller("a")
    caller.came.set()
    received = Receiving(NoGauge(), SystemClock(), lambda: 0)
    assert await received.message(caller) == b"a"
    assert (received.slow, received.refused) == (0, 0)


async def test_a_long_turn_of_the_loop_makes_no_message_slow_that_has_arrived() -> None:
    """Otherwise the long turns of a flood's large messages would have small ones of others refused."""
    gauge = Gauge()
    received = Receiving(gauge, SystemClock(), lambda: 0)
    async with arriving(received, *(f"flood {n}" for n in range(FEW))):
        await until(lambda: received.slow == FEW)
        gauge.short = True
        for number in range(20):
            caller = Caller(f"polite {number}")
            polite = asyncio.create_task(received.message(caller))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            asyncio.get_running_loop().call_soon(_soon, HANDOVERS, caller.came.set)
            time.sleep(2 * receiving.SLOW_SECONDS)  # noqa: ASYNC251 (the long turn)
            async with asyncio.timeout(PATIENCE):
                assert await polite == f"polite {number}".encode()
        assert (received.slow, received.refused) == (FEW, 0)


def _soon(turns: int, act: Callable[[], None]) -> None:
    """Act so many turns of the loop later."""
    if turns:
        asyncio.get_running_loop().call_soon(_soon, turns - 1, act)
    else:
        act()


async def test_slow_ones_are_counted_until_they_came_or_their_client_is_gone() -> None:
    received = Receiving(NoGauge(), SystemClock(), lambda: 0)
    async with arriving(received, "a", "a", "b") as (callers, tasks):
        await until(lambda: received.slow == 3)
        callers[0].came.set()
        tasks[1].cancel()
        assert await tasks[0] == b"a"
        await asyncio.gather(tasks[1], return_exceptions=True)
        assert tasks[1].cancelled()
        assert received.slow == 1
    assert (received.slow, received.refused) == (0, 0)


async def test_a_client_with_many_slow_ones_is_refused_and_others_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(receiving, "MOST_SLOW", 10)
    received = Receiving(NoGauge(), SystemClock(), lambda: 0)
    async with arriving(received, *["hog"] * 50) as (_, tasks):
        await until(lambda: received.slow + len(refused(tasks)) == 50)
        assert received.slow == 5
        assert isinstance(tasks[refused(tasks)[0]].exception(), OverloadedError)
        async with arriving(received, "other") as (_, others):
            await until(lambda: received.slow == 6)
            assert not refused(others)


@pytest.mark.parametrize("kind", ["short", "grown"])
async def test_while_memory_is_short_a_few_are_left_of_those_who_have_fewest(kind: str) -> None:
    gauge = Gauge()
    received = Receiving(gauge, SystemClock(), lambda: 0)
    async with arriving(received, *["a"] * 20, "b", "c") as (callers, tasks):
        await until(lambda: received.slow == 22)
        if kind == "short":
            gauge.short = True
        else:
            gauge.used = GROWN_BYTES + 1
        await until(lambda: len(refused(tasks)) == 22 - FEW)
        assert received.slow == FEW
        assert not {0, 1, 20, 21}.intersection(refused(tasks))  # the first ones of each
        assert "large requests on their way" in str(tasks[19].exception())
        for caller in callers:
            caller.came.set()
        assert [await task for task in (tasks[0], tasks[20], tasks[21])] == [b"a", b"b", b"c"]
        gauge.used, gauge.short = 0, False
        later = Caller("later")
        later.came.set()
        assert await received.message(later) == b"later"  # in its turn


@pytest.mark.parametrize("why", ["given up", "cancelled"])
async def test_a_message_that_nobody_waits_for_is_read_all_the_same(why: str) -> None:
    """gRPC never frees one whose read was cancelled when it had come."""
    gauge = Gauge()
    received = Receiving(gauge, SystemClock(), lambda: 0)
    async with arriving(received, *["a"] * (FEW + 1)) as (callers, tasks):
        await until(lambda: received.slow == FEW + 1)
        if why == "given up":
            gauge.short = True
        else:
            tasks[FEW].cancel()
        await until(tasks[FEW].done)
        callers[FEW].came.set()
        await until(lambda: callers[FEW].is_read)


async def test_large_ones_that_are_worked_on_count_among_the_few() -> None:
    gauge = Gauge()
    received = Receiving(gauge, SystemClock(), lambda: FEW)
    async with arriving(received, *["a"] * 5) as (_, tasks):
        await until(lambda: received.slow == 5)
        gauge.short = True
        await until(lambda: len(refused(tasks)) == 4)


async def test_a_message_that_never_comes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "RECEIVE_SECONDS", 0.1)
    received = Receiving(NoGauge(), SystemClock(), lambda: 0)
    async with arriving(received, "a") as (_, tasks):
        with pytest.raises(RequestTimeoutError, match="did not come whole"):
            await asyncio.wait_for(tasks[0], PATIENCE)
    assert received.slow == 0
