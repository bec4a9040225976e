"""Tasks that outlive the request that started them."""

import asyncio

import pytest

from limedb.aio.tasks import Tasks


async def test_closing_lets_work_finish_within_the_grace() -> None:
    tasks, done = Tasks(), []

    async def work() -> None:
        await asyncio.sleep(0)
        done.append("work")

    tasks.start(work())
    assert len(tasks) == 1
    await tasks.close(60)
    assert (done, len(tasks)) == (["work"], 0)


async def test_closing_cancels_what_does_not_finish_and_awaits_what_it_starts_meanwhile() -> None:
    tasks, ended = Tasks(), []

    async def hang(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)
            if name == "first":
                tasks.start(hang("second"))

    tasks.start(hang("first"))
    await asyncio.sleep(0)
    await tasks.close(0)
    assert (ended, len(tasks)) == (["first", "second"], 0)


async def test_an_error_is_logged_and_stops_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    tasks = Tasks()

    async def fail() -> None:
        raise ValueError("broken")

    async def work() -> None:
        await asyncio.sleep(0)

    failing, working = tasks.start(fail()), tasks.start(work())
    await asyncio.wait([failing, working])
    await asyncio.sleep(0)
    assert "work in the background failed: ValueError('broken')" in caplog.text
    assert working.exception() is None
    assert len(tasks) == 0
