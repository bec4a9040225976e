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


async def test_one_who_waits_hears_what_a_read_finds_or_why_not() -> None:
    async def found() -> bytes:
        return b"message"

    async def failed() -> bytes:
        raise OSError("the call was aborted")

    assert await whole(found()) == b"message"
    with pytest.raises(OSError, match="aborted"):
        await whole(failed())
