"""What was inherited comes to all its owners, and never overrules a later write."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from typing_extensions import override

from limedb.core.hlc import version_at
from limedb.core.record import Record
from limedb.core.topology import leave
from limedb.ports import Inheritance
from limedb.replication.taking_over import PAGE_RECORDS, TakeOver
from tests.cluster.virtual import START_MS, wait_until
from tests.replication.nodes import A, B, C, D, Nodes, Seat, left_tasks, virtual

OLD = version_at(START_MS - 86_400_000)


class Found(Inheritance):
    """Some records."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._records, self.is_done = records, False

    @property
    @override
    def name(self) -> str:
        return "the file"

    @property
    @override
    def records(self) -> Sequence[Record]:
        return self._records

    @override
    async def done(self) -> None:
        self.is_done = True


@asynccontextmanager
async def taking(nodes: Nodes, seat: Seat, found: Found | None) -> AsyncIterator[TakeOver]:
    """A take-over that runs for the time of the block."""
    take_over = TakeOver(found, seat.wire, seat.place, nodes.clock)
    task = asyncio.create_task(take_over.run())
    yield take_over
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left_tasks() == []


def texts(take_over: TakeOver) -> list[str]:
    return [problem.text for problem in take_over.problems()]


@virtual
async def test_each_record_comes_to_all_its_owners_in_pages() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    found = Found([Record(f"k{i}", "x", OLD) for i in range(PAGE_RECORDS + 5)])
    async with taking(nodes, seat, found) as take_over:
        await wait_until(lambda: found.is_done, limit=5)
        assert texts(take_over) == []
    owners = [seat.place.layout.of_key(record.key).write_set for record in found.records]
    expected = {url: sum(url in urls for urls in owners) for url in nodes.stores}
    assert {url: store.count() for url, store in nodes.stores.items()} == expected


@virtual
async def test_an_owner_that_is_away_gets_its_records_when_it_is_back() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    seat.fail(C, is_down=True)
    found = Found([Record(f"k{i}", "x", OLD) for i in range(20)])
    async with taking(nodes, seat, found) as take_over:
        await asyncio.sleep(60)
        assert not found.is_done
        (text,) = texts(take_over)
        assert text.startswith("20 keys of the file are not at their owners yet, so reads may miss them: ")
        seat.fail(C)
        await wait_until(lambda: found.is_done, limit=6)
        assert nodes.stores[C].count() > 0


@virtual
async def test_later_writes_and_deletes_stand() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    newer = version_at(START_MS - 1000)
    for store in nodes.stores.values():
        await store.apply([Record("written", "new", newer), Record("deleted", None, newer)], START_MS)
    found = Found([Record(key, "old", OLD) for key in ("written", "deleted", "other")])
    async with taking(nodes, seat, found):
        await wait_until(lambda: found.is_done, limit=5)
    (owner, *_) = seat.place.layout.of_key("written").write_set
    assert await nodes.stores[owner].get("written") == Record("written", "new", newer)
    (owner, *_) = seat.place.layout.of_key("deleted").write_set
    assert await nodes.stores[owner].get("deleted") == Record("deleted", None, newer)


@virtual
async def test_when_the_owners_change_on_the_way_the_new_ones_get_the_records() -> None:
    nodes = Nodes(A, B, C, D, replication_factor=2)
    seat = nodes.coordinator()
    found = Found([Record(f"k{i}", "x", OLD) for i in range(20)])
    seat.fail(C, is_down=True)
    async with taking(nodes, seat, found):
        await asyncio.sleep(20)
        nodes.spread(leave(nodes.topology, "id-c"))
        seat.fail(C)
        await wait_until(lambda: found.is_done, limit=30)
    for record in found.records:
        for url in nodes.places[A].layout.of_key(record.key).write_set:
            assert await nodes.stores[url].get(record.key) == record


@virtual
async def test_without_an_inheritance_it_waits() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    async with taking(nodes, seat, None) as take_over:
        await asyncio.sleep(60)
        assert texts(take_over) == []
        assert seat.wire.called("apply") == []
