"""Many nodes asked at once."""

import asyncio

import pytest

from limedb.aio.broadcast import ask_all
from limedb.errors import UnavailableError


async def test_those_that_answer_are_heard_and_the_others_left_out() -> None:
    async def ask(url: str) -> str:
        if url == "b":
            raise UnavailableError("b is away")
        return f"answer of {url}"

    assert await ask_all("abc", ask) == {"a": "answer of a", "c": "answer of c"}
    assert await ask_all("", ask) == {}


async def test_all_are_asked_side_by_side() -> None:
    everyone = asyncio.Barrier(3)

    async def ask(_: str) -> None:
        await everyone.wait()

    assert len(await asyncio.wait_for(ask_all("abc", ask), 60)) == 3


async def test_no_question_outlives_its_caller() -> None:
    begun, ended = asyncio.Semaphore(0), []

    async def ask(url: str) -> None:
        try:
            begun.release()
            await asyncio.Event().wait()
        finally:
            ended.append(url)

    asking = asyncio.create_task(ask_all("ab", ask))
    await begun.acquire()
    await begun.acquire()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert sorted(ended) == ["a", "b"]


async def test_a_bug_is_raised_and_the_other_questions_end() -> None:
    async def ask(url: str) -> None:
        if url == "a":
            raise ValueError("a bug")
        await asyncio.Event().wait()

    with pytest.raises(ValueError, match="a bug"):
        await asyncio.wait_for(ask_all("ab", ask), 60)
