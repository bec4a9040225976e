"""Hints that were lost cost a repair, once all members are there; status says so until it is done.

Tests limedb/replication/repair/owed.py.
"""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from limedb.core.record import Record
from limedb.core.report import RepairProgress
from limedb.replication.repair.lost_hints import LostHints
from limedb.storage.memory.hints import MemoryHints
from tests.cluster.virtual import wait_until
from tests.replication.nodes import virtual

PEER = "http://b:1"


class Seat:
    """A node's part, with hints that have little room, and members that may be away."""

    def __init__(self) -> None:
        self.hints, self.away, self.repairs = MemoryHints(limit=1000), list[str](), 0
        self.lost = LostHints(self.hints, lambda: self.away, self._repair)

    async def _repair(self) -> AsyncGenerator[RepairProgress, None]:
        self.repairs += 1
        await asyncio.sleep(1.0)
        yield RepairProgress(pushed=1)

    def keep(self, key: str, size: int, kept_ms: int = 0) -> None:
        self.hints.add(PEER, [Record(key, "x" * size, 1)], kept_ms)

    def problem(self) -> str:
        return " ".join(problem.text for problem in self.lost.problems())

    async def __aenter__(self) -> "Seat":
        self._tasks = [asyncio.create_task(work()) for work in (self.lost.run, self.lost.watch)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task


@virtual
async def test_hints_that_are_kept_and_delivered_cost_no_repair() -> None:
    async with Seat() as seat:
        seat.keep("k", 100)
        await seat.hints.done(PEER, await seat.hints.oldest(PEER, 10, 0))
        await asyncio.sleep(60)
        assert (seat.repairs, seat.problem()) == (0, "")


@virtual
async def test_a_repair_comes_once_all_members_are_there() -> None:
    async with Seat() as seat:
        seat.away = [PEER]
        seat.keep("k", 2000)
        await asyncio.sleep(60)
        assert seat.repairs == 0
        assert "hints that this node kept for others were lost" in seat.problem()
        assert "once http://b:1 is back, or removed" in seat.problem()
        seat.away = []
        await wait_until(lambda: seat.repairs == 1, limit=3)
        seat.keep("another", 2000)  # meanwhile
        await wait_until(lambda: not seat.problem(), limit=10)
        assert seat.repairs == 2


@virtual
async def test_hints_that_grow_too_old_count_as_lost() -> None:
    async with Seat() as seat:
        seat.keep("k", 100, kept_ms=5)
        assert await seat.hints.oldest(PEER, 10, 6) == []
        await wait_until(lambda: seat.repairs == 1, limit=3)
