"""Hints are brought when a node is back: all, once, in pages; never too late, never to who isn't an owner."""

import asyncio
from dataclasses import replace
from functools import partial

import pytest

from limedb.core.hlc import version_at
from limedb.core.record import Record
from limedb.core.topology import leave
from limedb.errors import StoreFullError
from limedb.replication.coordinator import Write
from limedb.replication.repair.hint_replay import PAGE_RECORDS, HintReplayer
from limedb.storage.memory.hints import MemoryHints
from tests.cluster.virtual import START_MS, wait_until
from tests.replication.nodes import A, B, C, D, Nodes, Seat, left_tasks, virtual

DAY = 86_400.0


def _is_done(seat: Seat) -> bool:
    return not seat.hints.waiting()


class Replaying:
    """A replayer that runs on a seat for as long as the block."""

    def __init__(self, nodes: Nodes, seat: Seat, grace: float = DAY) -> None:
        self.replayer = HintReplayer(seat.hints, seat.wire, seat.place, nodes.clock, grace)

    async def __aenter__(self) -> HintReplayer:
        self._task = asyncio.create_task(self.replayer.run())
        return self.replayer

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await self._task
        assert left_tasks() == []


@virtual
async def test_a_node_that_was_down_gets_what_it_missed_within_seconds_of_its_return() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    seat.fail(C, is_down=True)
    for i in range(20):
        await seat.coordinator.write(Write(f"k{i}", "x"), None, nodes.clock.monotonic() + 5)
    async with Replaying(nodes, seat) as replayer:
        await asyncio.sleep(60)
        assert nodes.stores[C].count() == 0
        seat.fail(C)
        await wait_until(lambda: nodes.stores[C].count() == 20, limit=2)
        await wait_until(lambda: not seat.hints.waiting(), limit=1)
        assert replayer.replayed == 20
        applied = len(seat.wire.called("apply"))
        await asyncio.sleep(60)
        assert len(seat.wire.called("apply")) == applied


@virtual
async def test_hints_go_in_pages_one_after_the_other() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    version = version_at(START_MS)
    hints = [Record(f"k{i}", "x", version) for i in range(2 * PAGE_RECORDS + 5)]
    large = [Record(f"large{i}", "x" * (1 << 20), version) for i in range(3)]
    seat.hints.add(C, [*hints, *large], START_MS)
    seat.fail(C, delay=3.0)
    async with Replaying(nodes, seat):
        await asyncio.sleep(1.0)
        assert len(seat.wire.calls) == 1
        await wait_until(lambda: not seat.hints.waiting(), limit=30)
    sizes = [len(keys) for _, _, keys in seat.wire.calls]
    assert sum(sizes) == len(hints) + 3
    assert max(sizes) == PAGE_RECORDS
    assert len([keys for _, _, keys in seat.wire.calls if any("large" in key for key in keys)]) >= 2


@virtual
async def test_a_page_that_fails_is_tried_again_ever_later_and_stays() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    seat.hints.add(C, [Record("k", "x", version_at(START_MS))], START_MS)
    seat.fail(C, error=StoreFullError("no room"))
    async with Replaying(nodes, seat):
        await asyncio.sleep(200)
        assert 5 <= len(seat.wire.calls) <= 15
        seat.fail(C)
        await wait_until(lambda: nodes.stores[C].count() == 1, limit=32)


@virtual
async def test_a_newer_topology_is_adopted_and_the_page_sent_again() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    nodes.spread(replace(nodes.topology, epoch=4), C)
    seat.hints.add(C, [Record("k", "x", version_at(START_MS))], START_MS)
    async with Replaying(nodes, seat):
        await wait_until(lambda: nodes.stores[C].count() == 1, limit=0.5)
        assert seat.place.layout.topology.epoch == 4


@virtual
async def test_hints_of_a_node_that_is_no_member_are_forgotten() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    seat.hints.add(D, [Record("k", "x", version_at(START_MS))], START_MS)
    async with Replaying(nodes, seat):
        await wait_until(lambda: not seat.hints.waiting(), limit=2)
    assert seat.wire.calls == []


@virtual
async def test_what_the_node_does_not_own_any_more_is_not_sent() -> None:
    nodes = Nodes(A, B, C, D, replication_factor=2)
    seat = nodes.coordinator()
    version = version_at(START_MS)
    own = nodes.key(lambda current, _: C in current)
    foreign = nodes.key(lambda current, _: C not in current)
    seat.hints.add(C, [Record(foreign, "x", version), Record(own, "x", version)], START_MS)
    async with Replaying(nodes, seat):
        await wait_until(lambda: not seat.hints.waiting(), limit=2)
    assert [keys for _, _, keys in seat.wire.calls] == [(own,)]


@virtual
async def test_a_node_on_its_way_out_is_still_brought_its_hints() -> None:
    nodes = Nodes(A, B, C, D, replication_factor=2)
    seat = nodes.coordinator()
    nodes.spread(leave(nodes.topology, "id-c"))
    own = nodes.key(lambda current, _: C in current)
    seat.hints.add(C, [Record(own, "x", version_at(START_MS))], START_MS)
    async with Replaying(nodes, seat):
        await wait_until(lambda: nodes.stores[C].count() == 1, limit=2)


@pytest.mark.parametrize(("grace", "limit"), [(DAY, 3 * 3600), (3600.0, 1800)])
@virtual
async def test_hints_that_tombstones_may_not_outlive_are_dropped(grace: float, limit: int) -> None:
    nodes = Nodes()
    for age, arrives in ((limit - 10, True), (limit + 10, False)):
        seat = nodes.coordinator()
        now = nodes.clock.wall_ms()
        seat.hints.add(C, [Record(f"k{age}", "x", version_at(now))], now)
        seat.fail(C, is_down=True)
        async with Replaying(nodes, seat, grace):
            await asyncio.sleep(age)
            seat.fail(C)
            await wait_until(partial(_is_done, seat), limit=3)
        assert bool(await nodes.versions(f"k{age}")) == arrives


@virtual
async def test_a_hint_with_an_old_version_is_not_sent_however_young_it_is() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    seat.hints.add(C, [Record("k", "x", version_at(START_MS - 4 * 3_600_000))], START_MS)
    async with Replaying(nodes, seat):
        await wait_until(lambda: not seat.hints.waiting(), limit=2)
    assert seat.wire.calls == []


@virtual
async def test_a_fresh_node_keeps_its_hints_until_it_knows_the_topology_again() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    known = seat.place.layout
    seat.hints = MemoryHints()
    seat.hints.add(C, [Record("k", "x", version_at(START_MS))], START_MS)
    seat.place.layout = type(known)(type(nodes.topology)())
    async with Replaying(nodes, seat):
        await asyncio.sleep(5)
        assert seat.hints.waiting()
        seat.place.layout = known
        await wait_until(lambda: nodes.stores[C].count() == 1, limit=2)
