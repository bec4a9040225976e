"""Background work that fails, by a clock in hand."""

import asyncio
import logging

import pytest

from limedb.aio.supervisor import LONGEST_PAUSE_SECONDS, STEADY_SECONDS, Supervisor
from tests.replication.nodes import virtual


class Work:
    """Fails each time after so many seconds."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.starts: list[float] = []

    async def run(self) -> None:
        self.starts.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.seconds)
        raise OSError(24, "Too many open files")


async def run_for(seconds: float, supervisor: Supervisor, work: Work) -> None:
    task = asyncio.create_task(supervisor.keep("sampling", work.run))
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@virtual
async def test_work_that_fails_starts_again_after_pauses_that_grow() -> None:
    work, supervisor = Work(), Supervisor()
    await run_for(400, supervisor, work)
    pauses = [after - before for before, after in zip(work.starts, work.starts[1:], strict=False)]
    assert pauses[:4] == pytest.approx([0.5, 1.0, 2.0, 4.0])
    assert max(pauses) == pytest.approx(LONGEST_PAUSE_SECONDS)
    assert "Too many open files" in supervisor.failing["sampling"]


@virtual
async def test_work_that_runs_again_is_no_failure_any_more() -> None:
    work, supervisor = Work(), Supervisor()

    async def mended() -> None:
        if not work.starts:
            await work.run()
        await asyncio.sleep(10_000)

    task = asyncio.create_task(supervisor.keep("sampling", mended))
    await asyncio.sleep(1)
    assert supervisor.failing
    await asyncio.sleep(STEADY_SECONDS)
    assert not supervisor.failing
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@virtual
async def test_each_failure_is_logged_with_its_error(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        await run_for(1, Supervisor(), Work())
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert "sampling failed: [Errno 24] Too many open files; it starts again in 0.5 s" in caplog.text


@virtual
async def test_work_whose_call_was_cancelled_by_others_starts_again() -> None:
    work, supervisor = Work(), Supervisor()

    async def lost() -> None:
        work.starts.append(asyncio.get_running_loop().time())
        call = asyncio.get_running_loop().create_future()
        call.cancel()  # as gRPC does with a call whose channel is closed
        await call

    task = asyncio.create_task(supervisor.keep("gossip", lost))
    await asyncio.sleep(2)
    assert (len(work.starts), dict(supervisor.failing)) == (3, {"gossip": "CancelledError"})
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@virtual
async def test_cancelling_ends_the_work() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(10_000)
        finally:
            ended.set()

    task = asyncio.create_task(Supervisor().keep("waiting", work))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
