"""Turns: a few at a time, each in its order, and rests in between that are as long as they took."""

import asyncio

from limedb.aio.turns import AT_ONCE, REST, Turns
from tests.cluster.virtual import VirtualLoop, run_virtual

MANY = 10 * AT_ONCE
WORK_SECONDS = 0.001


async def _go_on(turns: Turns, n: int, gone: list[tuple[int, float]]) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    await turns.next()
    gone.append((n, loop.time()))
    loop.work(WORK_SECONDS)


async def _all_go_on() -> list[tuple[int, float]]:
    """Each with the time at which it went on."""
    turns, gone = Turns(asyncio.get_running_loop().time), list[tuple[int, float]]()
    await asyncio.gather(*(_go_on(turns, n, gone) for n in range(MANY)))
    return gone


def test_all_continue_in_their_order() -> None:
    assert [n for n, _ in run_virtual(_all_go_on())] == [*range(MANY)]


def test_after_a_few_the_loop_rests_as_long_as_they_took_and_longer() -> None:
    times = [at for _, at in run_virtual(_all_go_on())]
    for first in range(AT_ONCE, MANY, AT_ONCE):
        assert times[first] - times[first - 1] >= WORK_SECONDS + REST * AT_ONCE * WORK_SECONDS - 1e-9
        assert times[first + AT_ONCE - 1] - times[first] < AT_ONCE * WORK_SECONDS


async def test_one_alone_continues_at_once() -> None:
    turns, waited = Turns(lambda: 0.0), 0
    going = asyncio.create_task(turns.next())
    while not going.done():
        await asyncio.sleep(0)
        waited += 1
    assert waited <= 3


async def test_who_waits_no_more_takes_nobodys_turn() -> None:
    turns = Turns(lambda: 0.0)
    waiting = [asyncio.create_task(turns.next()) for _ in range(MANY)]
    last = asyncio.create_task(turns.next())
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    async with asyncio.timeout(10):
        await last
    assert all(task.cancelled() for task in waiting[AT_ONCE:])
