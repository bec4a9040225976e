"""Lulls: together what comes together, at once what comes alone, and never later than the bound."""

import asyncio

import pytest

from limedb.aio.batch_window import FEW, QUIET_TURNS, BatchWindow

FAR = 60.0


class Watched:
    """A lull, and the turns of the loop until it acts."""

    def __init__(self, most: float = FAR) -> None:
        self.acts = 0
        self.lull = BatchWindow(asyncio.get_running_loop(), self._act, most)

    def _act(self) -> None:
        self.acts += 1

    async def turns(self, limit: int = 10 * QUIET_TURNS) -> int:
        """How many turns pass until it acts once more."""
        before = self.acts
        for turn in range(limit):
            if self.acts > before:
                return turn
            await asyncio.sleep(0)
        raise AssertionError(f"it did not act within {limit} turns")


async def test_what_comes_alone_is_acted_on_in_the_next_turn() -> None:
    watched = Watched()
    watched.lull.notify()
    assert await watched.turns() == 1
    watched.lull.notify()
    assert await watched.turns() == 1
    assert watched.acts == 2


async def test_what_comes_together_is_acted_on_once_after_some_quiet_turns() -> None:
    watched = Watched()
    for _ in range(FEW + 1):
        watched.lull.notify()
        assert watched.acts == 0
    assert await watched.turns() == QUIET_TURNS
    assert watched.acts == 1


async def test_after_a_crowd_the_next_one_waits_for_others_and_then_no_more() -> None:
    watched = Watched()
    watched.lull.notify(FEW + 1)
    await watched.turns()
    watched.lull.notify()
    assert await watched.turns() == QUIET_TURNS
    watched.lull.notify()
    assert await watched.turns() == 1


async def test_each_that_comes_begins_the_quiet_again() -> None:
    watched = Watched()
    watched.lull.notify(FEW + 1)
    for _ in range(5):
        for _ in range(QUIET_TURNS - 1):
            await asyncio.sleep(0)
        watched.lull.notify()
    assert watched.acts == 0
    assert await watched.turns() == QUIET_TURNS


async def test_nothing_waits_longer_than_the_bound_though_more_keep_coming() -> None:
    watched = Watched(most=0.01)
    async with asyncio.timeout(FAR):
        while not watched.acts:
            watched.lull.notify()
            await asyncio.sleep(0)
    assert watched.acts == 1


@pytest.mark.parametrize("count", [1, FEW, 50])
async def test_it_acts_once_and_not_again_by_itself(count: int) -> None:
    watched = Watched()
    watched.lull.notify(count)
    await watched.turns()
    for _ in range(3 * QUIET_TURNS):
        await asyncio.sleep(0)
    assert watched.acts == 1
