"""The moments at which a node writes its time down."""

import asyncio

import pytest

from limedb.ports import SeenTime
from limedb.replication.clock_guard import ClockSkewGuard
from limedb.replication.time_keeper import KEEP_MS, TimeKeeper
from tests.cluster.virtual import START_MS, VirtualClock, run_virtual

JUMP_MS = 864_000_000


class Marks:
    """All that was saved, and when by the clock."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.saved, self.at_ms = list[SeenTime](), list[int]()

    def load(self) -> SeenTime:
        return self.saved[-1]

    async def save(self, seen: SeenTime) -> None:
        self.saved.append(seen)
        self.at_ms.append(self._clock.wall_ms())


async def _kept_for_minutes() -> tuple[Marks, int]:
    clock = VirtualClock()
    marks = Marks(clock)
    task = asyncio.create_task(TimeKeeper(ClockSkewGuard(clock, 500), marks).run())
    await asyncio.sleep(95)
    clock.offset_ms = JUMP_MS
    await asyncio.sleep(1.5)
    now_ms = clock.wall_ms()
    task.cancel()
    return marks, now_ms


def test_what_is_on_disk_is_behind_by_no_more_than_the_slack_even_if_the_clock_jumps() -> None:
    marks, now_ms = run_virtual(_kept_for_minutes())
    times = [seen.ms for seen in marks.saved]
    assert times == pytest.approx(
        [START_MS, START_MS + KEEP_MS, START_MS + 2 * KEEP_MS, START_MS + 3 * KEEP_MS, now_ms], abs=1500
    )
    assert {seen.slack_ms for seen in marks.saved} == {KEEP_MS}
    assert marks.at_ms == pytest.approx(times, abs=1)


async def _kept_with_a_wrong_clock() -> tuple[list[SeenTime], list[SeenTime]]:
    clock, wrong = VirtualClock(), ["not compared yet"]
    marks = Marks(clock)
    keeper = TimeKeeper(ClockSkewGuard(clock, 500, problem=lambda: wrong[0]), marks)
    task = asyncio.create_task(keeper.run())
    await asyncio.sleep(5)
    await keeper.close()
    before = [*marks.saved]
    wrong[0] = ""
    await asyncio.sleep(2)
    task.cancel()
    return before, marks.saved


def test_a_time_that_nobody_shares_is_not_written_down() -> None:
    before, after = run_virtual(_kept_with_a_wrong_clock())
    assert before == []
    assert len(after) == 1


async def _stopped() -> list[SeenTime]:
    clock = VirtualClock()
    marks, guard = Marks(clock), ClockSkewGuard(clock, 500)
    guard.now_ms()
    await TimeKeeper(guard, marks).close()
    return marks.saved


def test_a_stop_in_order_leaves_the_exact_time() -> None:
    assert run_virtual(_stopped()) == [(START_MS, 0)]


def test_without_a_file_it_has_nothing_to_do_and_does_not_end() -> None:
    """What ends is started again, with an error in the log each time."""

    async def run() -> bool:
        clock = VirtualClock()
        task = asyncio.create_task(TimeKeeper(ClockSkewGuard(clock, 500), None).run())
        await asyncio.sleep(10)
        return task.done() or not task.cancel()

    assert not run_virtual(run())
