"""What a full disk refused is fetched as soon as there is room, and status says so until then."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from limedb.core.report import RepairProgress
from limedb.errors import StoreClosedError
from limedb.replication.repair.owed import OwedMark
from limedb.replication.repair.refused import RefusedWrites
from tests.cluster.virtual import wait_until
from tests.replication.nodes import virtual


class Mark(OwedMark):
    """A mark in memory."""

    def __init__(self, *, is_there: bool = False) -> None:
        self.is_there = is_there

    def is_set(self) -> bool:
        return self.is_there

    async def set(self) -> None:
        self.is_there = True

    async def clear(self) -> None:
        self.is_there = False


class Seat:
    """A node's part, with a disk that has room or not, and repairs that end as told."""

    def __init__(self, mark: Mark | None = None) -> None:
        self.mark = mark or Mark()
        self.has_room, self.repairs = True, 0
        self.missing: dict[str, str] = {}
        self.error: StoreClosedError | None = None
        self.refused = RefusedWrites(lambda: self.has_room, self._repair, self.mark)

    async def _repair(self) -> AsyncGenerator[RepairProgress, None]:
        self.repairs += 1
        yield RepairProgress()
        await asyncio.sleep(1.0)
        if self.error is not None:
            raise self.error
        yield RepairProgress(pulled=3, missing=dict(self.missing))

    def problem(self) -> str:
        return " ".join(problem.text for problem in self.refused.problems())

    async def __aenter__(self) -> "Seat":
        self._task = asyncio.create_task(self.refused.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await self._task


@virtual
async def test_a_node_that_refused_nothing_repairs_nothing_and_reports_nothing() -> None:
    async with Seat() as seat:
        await asyncio.sleep(60)
        assert (seat.repairs, seat.problem(), seat.mark.is_there) == (0, "", False)


@virtual
async def test_what_was_refused_is_fetched_soon_after_there_is_room() -> None:
    async with Seat() as seat:
        seat.has_room = False
        seat.refused.note()
        await asyncio.sleep(60)
        assert (seat.repairs, seat.mark.is_there) == (0, True)
        assert "refused writes, since its disk or map was full, and lacks those" in seat.problem()
        assert "make room" in seat.problem()
        seat.has_room = True
        await wait_until(lambda: seat.repairs == 1, limit=2)
        assert "it does so now" in seat.problem()
        await wait_until(lambda: not seat.problem(), limit=2)
        await wait_until(lambda: not seat.mark.is_there, limit=1)
        await asyncio.sleep(60)
        assert seat.repairs == 1


@virtual
async def test_it_counts_as_fetched_only_when_all_owners_were_asked_and_nothing_was_refused_since() -> None:
    async with Seat() as seat:
        seat.missing = {"http://b:1": "it is away"}
        seat.refused.note()
        await wait_until(lambda: "http://b:1: it is away" in seat.problem(), limit=5)
        await wait_until(lambda: seat.repairs == 2, limit=5)
        seat.missing, seat.error = {}, StoreClosedError()
        await wait_until(lambda: "the store is closed" in seat.problem(), limit=10)
        seat.error = None
        repairs = seat.repairs
        await wait_until(lambda: seat.repairs == repairs + 1, limit=40)
        seat.refused.note()
        await wait_until(lambda: "more is lacking now" in seat.problem(), limit=2)
        await wait_until(lambda: not seat.problem(), limit=40)
        assert seat.repairs == repairs + 2


@virtual
async def test_what_was_refused_before_a_restart_is_fetched_too() -> None:
    async with Seat(Mark(is_there=True)) as seat:
        assert seat.problem()
        await wait_until(lambda: not seat.problem(), limit=2)
        await wait_until(lambda: not seat.mark.is_there, limit=1)
        assert seat.repairs == 1
