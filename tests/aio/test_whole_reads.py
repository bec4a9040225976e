"""Reads that come to their end though nobody waits for them any more."""

import asyncio
import gc
from typing import Any

import pytest

from limedb.aio.whole_reads import whole


@pytest.mark.parametrize("error", [None, OSError("the call was aborted")])
async def test_a_read_that_nobody_waits_for_comes_to_its_end_without_a_word(error: OSError | None) -> None:
    said = list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
    go_on, ended = asyncio.Event(), asyncio.Event()

    async def read() -> bytes:
        try:
            await go_on.wait()
            if error is not None:
                raise error
            return b"message"
        finally:
            ended.set()

    waiting = asyncio.create_task(whole(read()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not ended.is_set()
    go_on.set()
    await ended.wait()
    await asyncio.sleep(0)
    gc.collect()  # a task whose error nobody has seen says so when it is collected
    assert said == []


async def test_a_read_of_several_steps_continues_from_where_it_was() -> None:
    steps, ended = [asyncio.get_running_loop().create_future() for _ in range(3)], asyncio.Event()
    seen = list[int]()

    async def read() -> int:
        for step in steps:
            seen.append(await step)
            await asyncio.sleep(0)
        ended.set()
        return sum(seen)

    waiting = asyncio.create_task(whole(read()))
    for number, step in enumerate(steps[:2]):
        await asyncio.sleep(0)
        step.set_result(number)
    waiting.cancel()  # together with an answer
    with pytest.raises(asyncio.CancelledError):
        await waiting
    steps[2].set_result(2)
    async with asyncio.timeout(5):
        await ended.wait()
    assert seen == [0, 1, 2]


async def test_a_read_that_gives_others_a_turn_comes_to_its_end() -> None:
    ended = asyncio.Event()

    async def read() -> None:
        await asyncio.sleep(0)
        ended.set()

    waiting = asyncio.create_task(whole(read()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(5):
        await ended.wait()


async def test_what_a_read_waits_for_is_not_cancelled_with_its_caller() -> None:
    step = asyncio.get_running_loop().create_future()

    async def read() -> None:
        await step

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await whole(read())
    assert not step.cancelled()
    step.cancel()  # the read ends so, too, without a word
    await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await whole(read())


async def test_one_who_waits_hears_what_a_read_finds_or_why_not() -> None:
    async def found() -> bytes:
        return b"message"

    async def failed() -> bytes:
        await asyncio.sleep(0)
        raise OSError("the call was aborted")

    assert await whole(found()) == b"message"
    with pytest.raises(OSError, match="aborted"):
        await whole(failed())
