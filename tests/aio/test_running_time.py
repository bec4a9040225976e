"""Time in which this process ran."""

import asyncio
from types import SimpleNamespace

import pytest

from limedb.aio.running_time import STEP_SECONDS, RunningTime, timeout
from tests.support.hand_clock import HandClock


class HandTime:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_before_it_starts_all_time_counts() -> None:
    clock = HandTime()
    running = RunningTime(clock)
    clock.now += 50
    assert running.now() == 150.0


async def test_what_the_process_stands_still_for_counts_as_one_step() -> None:
    clock, stands = HandTime(), asyncio.Queue[float]()
    running = RunningTime(clock, stands.put_nowait)
    running.start()
    try:
        clock.now += 17
        assert running.now() == pytest.approx(100 + STEP_SECONDS)  # even if a read comes before the tick
        async with asyncio.timeout(10):
            assert await stands.get() == pytest.approx(17 - STEP_SECONDS)
        assert running.now() == pytest.approx(100 + STEP_SECONDS)
        clock.now += 0.25
        assert running.now() == pytest.approx(100.25 + STEP_SECONDS)
    finally:
        running.stop()
    clock.now += 40
    assert running.now() == pytest.approx(140.25 + STEP_SECONDS)


async def test_a_timeout_waits_for_a_clock_that_is_behind() -> None:
    clock = HandClock(0.0)
    asyncio.get_running_loop().call_later(0.05, lambda: setattr(clock, "now", 0.02))
    with pytest.raises(TimeoutError):
        async with timeout(clock, 0.02):
            await asyncio.Event().wait()
    assert clock.now == 0.02


async def test_a_timeout_that_is_not_reached_ends_nothing() -> None:
    running = SimpleNamespace(monotonic=asyncio.get_running_loop().time)
    async with timeout(running, 0.01):
        pass
    await asyncio.sleep(0.02)  # a timer that was left would end this task now
