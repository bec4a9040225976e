"""Shares of the memory: waiting, refusals, and that nothing leaks, whenever a wait is cancelled."""

import asyncio
from functools import partial
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limedb.aio.low_priority import AT_ONCE
from limedb.errors import KeyNotFoundError, OverloadedError, RemoteError, ResponseTooLargeError
from limedb.rpc.server.memory import (
    FEW_READS,
    FORGET_SECONDS,
    FULL_SECONDS,
    MOST_WAITING,
    SMALL_BYTES,
    Memory,
    Share,
)
from tests.rpc.server.callers import Caller
from tests.support.hand_clock import HandClock

PATIENCE = 5


def share(limit: int = 100) -> Share:
    return Share("tests", limit, HandClock())


def test_a_refusal_says_what_is_full_that_nothing_was_written_and_what_to_do() -> None:
    shared = share()
    shared.hold("a", 60)
    with pytest.raises(OverloadedError) as caught:
        shared.hold("b", 50)
    assert (caught.value.held, caught.value.limit, caught.value.size) == (60, 100, 50)
    for words in ("memory for tests is full", "nothing was written", "Try again", "MAX_MEMORY"):
        assert words in str(caught.value)
    assert (shared.held, shared.refused) == (60, 1)


def test_what_is_held_can_grow_and_shrink_and_is_let_go_once() -> None:
    shared = share()
    held = shared.hold("a", 10)
    held.resize(40)
    held.resize(20)
    other = shared.hold("b", 10)
    with pytest.raises(OverloadedError):
        held.resize(100)
    assert shared.held == 30
    other.release()
    held.release()
    held.release()
    assert shared.held == 0


async def test_who_waits_gets_room_as_soon_as_there_is_some_others_before_who_holds_much() -> None:
    shared, order = share(), list[str]()

    async def wait(holder: str, amount: int) -> None:
        with await shared.wait(holder, amount, PATIENCE):
            order.append(holder)

    large = await shared.wait("hog", 90, PATIENCE)
    waiting = [asyncio.create_task(wait(who, 60)) for who in ("hog", "hog", "other")]
    small = await shared.wait("newcomer", 5, PATIENCE)  # there is room for it, so it waits for nobody
    await asyncio.sleep(0)
    assert order == []
    large.release()
    small.release()
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*waiting)
    assert sorted(order) == ["hog", "hog", "other"]
    assert shared.held == 0


async def test_what_is_over_the_whole_share_is_let_in_alone() -> None:
    shared = share()
    small = shared.hold("a", 10)
    waiting = asyncio.create_task(shared.wait("b", 1000, PATIENCE))
    await asyncio.sleep(0)
    assert not waiting.done()
    small.release()
    held = await asyncio.wait_for(waiting, PATIENCE)
    assert shared.held == 1000
    held.release()


async def test_a_wait_ends_with_a_refusal_when_its_time_is_over_and_leaves_nothing() -> None:
    shared = share()
    held = shared.hold("a", 100)
    with pytest.raises(OverloadedError):
        await shared.wait("b", 1, 0.01)
    held.release()
    assert shared.held == 0
    assert (await shared.wait("b", 100, 0)).amount == 100


async def test_too_many_who_wait_are_refused_at_once() -> None:
    shared = share()
    held = shared.hold("a", 100)
    waiting = [asyncio.create_task(shared.wait("hog", 1, PATIENCE)) for _ in range(MOST_WAITING)]
    await asyncio.sleep(0)
    refused = [task for task in waiting if task.done()]
    assert refused
    assert all(isinstance(task.exception(), OverloadedError) for task in refused)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    held.release()
    assert shared.held == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 80), st.integers(0, 6)), max_size=12))
async def test_nothing_leaks_wherever_a_holder_is_cancelled(work: list[tuple[str, int, int]]) -> None:
    """Each takes some turns, and is cancelled after as many as it was dealt."""
    shared = share()

    async def use(holder: str, amount: int) -> None:
        with await shared.wait(holder, amount, PATIENCE):
            for _ in range(3):
                await asyncio.sleep(0)

    tasks = [asyncio.create_task(use(holder, amount)) for holder, amount, _ in work]
    for turn in count():
        for task, (_, _, end) in zip(tasks, work, strict=True):
            if end == turn:
                task.cancel()
        if all(task.done() for task in tasks):
            break
        await asyncio.sleep(0)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert shared.held == 0
    assert (await shared.wait("last", 100, 0)).amount == 100  # nobody waits any more, either


def test_a_share_that_refuses_for_seconds_is_a_problem_for_a_while() -> None:
    clock = HandClock()
    memory = Memory(64 << 20, clock)
    memory.reads.hold("ipv4:10.0.0.1:7", memory.reads.limit)

    def refused() -> None:
        with pytest.raises(OverloadedError):
            memory.reads.hold("b", 1)

    refused()
    assert not [*memory.problems()]  # once is no problem yet
    for _ in range(4):
        clock.now += FULL_SECONDS / 3
        refused()
    (problem,) = memory.problems()
    assert "memory for reads is full" in problem.text
    assert "by ipv4:10.0.0.1:7" in problem.text
    assert not problem.stops_serving
    clock.now += FORGET_SECONDS + 1
    assert not [*memory.problems()]


async def test_a_read_that_finds_no_room_is_made_of_what_is_small() -> None:
    memory = Memory(64 << 20, HandClock())
    held = memory.reads.hold("flood", memory.reads.limit)
    asked: list[int | None] = []

    async def read(size: int, most: int | None) -> str:
        asked.append(most)
        if most is not None and size > most:
            raise RemoteError("http://b:1", "RESPONSE_TOO_LARGE", "RESOURCE_EXHAUSTED", "less")
        return "found"

    assert await memory.reading(Caller("polite"), 2 << 20, partial(read, SMALL_BYTES)) == "found"
    assert (asked, memory.reads.refused) == ([SMALL_BYTES], 0)
    with pytest.raises(OverloadedError):
        await memory.reading(Caller("polite"), 2 << 20, partial(read, SMALL_BYTES + 1))
    held.release()
    assert await memory.reading(Caller("polite"), 2 << 20, partial(read, SMALL_BYTES + 1)) == "found"
    assert (asked, memory.reads.held) == ([SMALL_BYTES, SMALL_BYTES, None], 0)


async def test_of_many_large_reads_a_few_run_at_once_and_small_ones_pass_them() -> None:
    memory, gate = Memory(1 << 30, HandClock()), asyncio.Event()
    running, most, full = set[int](), 0, asyncio.Event()

    async def large(number: int, limit: int | None) -> int:
        nonlocal most
        if limit is not None:
            raise ResponseTooLargeError(1 << 20, limit, "ask for less")
        running.add(number)
        most = max(most, len(running))
        if most == FEW_READS + AT_ONCE:
            full.set()
        await gate.wait()
        running.remove(number)
        return number

    async def small(_limit: int | None) -> str:
        return "small"

    tasks = [
        asyncio.create_task(memory.reading(Caller(f"ipv4:10.0.0.{n}:1"), 2 << 20, partial(large, n)))
        for n in range(40)
    ]
    async with asyncio.timeout(PATIENCE):
        await full.wait()
        assert await memory.reading(Caller("polite"), 2 << 20, small) == "small"
        gate.set()
        assert [await task for task in tasks] == [*range(40)]
    assert (most, memory.reads.held) == (FEW_READS + AT_ONCE, 0)


async def test_a_large_read_that_waited_is_not_made_where_its_answer_has_no_room() -> None:
    memory, asked = Memory(64 << 20, HandClock()), list[int | None]()
    held = memory.reads.hold("flood", memory.reads.limit)
    answers = memory.answers.hold("flood", memory.answers.limit)

    async def read(most: int | None) -> str:
        asked.append(most)
        raise ResponseTooLargeError(1 << 20, most or 0, "ask for less")

    waiting = asyncio.create_task(memory.reading(Caller("polite"), 2 << 20, read))
    await asyncio.sleep(0)
    held.release()
    with pytest.raises(OverloadedError, match="answers"):
        await waiting
    answers.release()
    assert asked == [SMALL_BYTES]


async def test_a_read_that_fails_holds_nothing_and_is_not_made_again() -> None:
    memory = Memory(64 << 20, HandClock())
    asked: list[int | None] = []

    async def read(most: int | None) -> str:
        asked.append(most)
        raise KeyNotFoundError("k")

    for room in (0, memory.reads.limit):
        with memory.reads.hold("flood", room), pytest.raises(KeyNotFoundError):
            await memory.reading(Caller("polite"), 2 << 20, read)
    assert (asked, memory.reads.held) == ([None, SMALL_BYTES], 0)


def test_the_shares_are_parts_of_the_whole() -> None:
    memory = Memory(1 << 30, HandClock())
    assert sum(shared.limit for shared in memory.shares) == 1 << 30
