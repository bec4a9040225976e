"""Large work: little at a time, rests in proportion, and results, errors and cancellations as without it."""

import asyncio
from collections.abc import Sequence
from functools import partial

import pytest

from limedb.aio.low_priority import AT_ONCE, REST, LowPriority
from tests.cluster.virtual import VirtualLoop, run_virtual

MANY = 20
STEP_SECONDS = 0.01


class _Work:
    """Work of two steps, between which it waits for a peer. running: how much ran at once, at most."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self.loop, self.now, self.most, self.order = loop, 0, 0, list[int]()

    async def do(self, number: int, wait: float = 1.0) -> int:
        self.order.append(number)
        self.now += 1
        self.most = max(self.most, self.now)
        self.loop.work(STEP_SECONDS)
        await asyncio.sleep(wait)
        self.loop.work(STEP_SECONDS)
        self.now -= 1
        return number


def test_all_is_done_in_its_order_and_little_at_once() -> None:
    async def run() -> tuple[list[int], list[int], int]:
        work, low = _Work(), LowPriority(asyncio.get_running_loop().time)
        results = await asyncio.gather(*(low.run(partial(work.do, n)) for n in range(MANY)))
        return results, work.order, work.most

    assert run_virtual(run()) == ([*range(MANY)], [*range(MANY)], AT_ONCE)


def test_the_loop_rests_in_proportion_to_the_steps_and_not_to_the_waits() -> None:
    async def run(wait: float) -> float:
        work, low = _Work(), LowPriority(asyncio.get_running_loop().time)
        await asyncio.gather(*(low.run(partial(work.do, n, wait)) for n in range(MANY)))
        return asyncio.get_running_loop().time()

    steps = 2 * MANY * STEP_SECONDS
    # What else runs has at least as much: a step of one may fall into the rest after another.
    assert run_virtual(run(0.0)) >= 2 * steps
    long_waits = MANY / AT_ONCE * 10.0
    assert run_virtual(run(10.0)) <= long_waits + (1 + REST) * steps + 1e-9


def test_work_that_comes_when_none_waits_has_no_rest() -> None:
    async def run() -> float:
        work, low = _Work(), LowPriority(asyncio.get_running_loop().time)
        for number in range(MANY):
            await low.run(partial(work.do, number, 0.0))
        return asyncio.get_running_loop().time()

    assert run_virtual(run()) == pytest.approx(2 * MANY * STEP_SECONDS)


async def test_errors_pass_and_give_their_turn_to_the_next() -> None:
    low = LowPriority(asyncio.get_running_loop().time)

    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    async def succeed() -> str:
        return "yes"

    tasks = [asyncio.create_task(low.run(fail)) for _ in range(3 * AT_ONCE)]
    last = asyncio.create_task(low.run(succeed))
    async with asyncio.timeout(10):
        assert await last == "yes"
        for task in tasks:
            with pytest.raises(ValueError, match="no"):
                await task


async def _until_all(tasks: Sequence[asyncio.Task[object]]) -> list[object]:
    async with asyncio.timeout(10):
        return [*await asyncio.gather(*tasks, return_exceptions=True)]


async def test_cancelled_work_gives_its_turn_to_the_next() -> None:
    low, begun = LowPriority(asyncio.get_running_loop().time), asyncio.Semaphore(0)

    async def hang() -> None:
        begun.release()
        await asyncio.Event().wait()

    tasks = [asyncio.create_task(low.run(hang)) for _ in range(3 * AT_ONCE)]
    for task in tasks:
        async with asyncio.timeout(10):
            await begun.acquire()
        task.cancel()
    assert all(isinstance(end, asyncio.CancelledError) for end in await _until_all(tasks))


@pytest.mark.parametrize("turns", range(8))
async def test_who_is_cancelled_before_its_turn_or_as_it_comes_takes_none_from_others(turns: int) -> None:
    low, gate = LowPriority(asyncio.get_running_loop().time), asyncio.Event()
    running = [asyncio.create_task(low.run(gate.wait)) for _ in range(AT_ONCE)]
    waiting = [asyncio.create_task(low.run(gate.wait)) for _ in range(AT_ONCE)]
    last = asyncio.create_task(low.run(gate.wait))
    await asyncio.sleep(0)
    gate.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    *_, end = await _until_all([*running, *waiting, last])
    assert end is True
