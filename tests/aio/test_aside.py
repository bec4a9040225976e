"""Work beside the event loop: the loop continues, one piece runs at a time, and few may wait."""

import asyncio
import threading

import pytest

from limedb.aio.aside import MOST_WAITING, Aside
from limedb.errors import UnavailableError


async def test_the_loop_continues_while_work_runs_and_works_run_one_by_one() -> None:
    aside, may_end = Aside(), threading.Event()
    loop, begun = asyncio.get_running_loop(), asyncio.Event()
    running: list[int] = []

    def work() -> int:
        running.append(1)
        loop.call_soon_threadsafe(begun.set)
        assert may_end.wait(10)  # the loop sets it, so the loop must continue
        return len(running)

    first, second = (asyncio.create_task(aside(work)) for _ in range(2))
    async with asyncio.timeout(10):
        await begun.wait()
        assert not second.done()
        may_end.set()
        assert [await first, await second] == [1, 2]


async def test_more_than_may_wait_is_refused_and_what_is_cancelled_waits_no_more() -> None:
    aside, may_end = Aside(), threading.Event()
    waiting = [asyncio.create_task(aside(may_end.wait)) for _ in range(MOST_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(UnavailableError, match="try again"):
        await aside(lambda: 1)
    for task in waiting[1:]:
        task.cancel()
    await asyncio.gather(*waiting[1:], return_exceptions=True)
    may_end.set()
    assert await aside(lambda: 2) == 2
    assert await waiting[0]
