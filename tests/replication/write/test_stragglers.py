"""Replicas that are slow, full or lost get the write later, or a hint; no request waits for them."""

import asyncio

import pytest

from limedb.core.quorum import Level
from limedb.errors import (
    StoreFullError,
)
from limedb.replication.coordinator import Write
from tests.replication.nodes import SOON, A, B, C, Nodes, left_tasks, virtual


@virtual
async def test_a_replica_that_is_full_gets_a_hint_when_the_others_have_it() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    seat.fail(C, error=StoreFullError("no room"))
    written = await seat.coordinator.write(Write("k", "x"), None, SOON)
    await seat.coordinator.close()
    assert (written.acked, written.replicas, written.epoch) == (2, 3, 1)
    assert await seat.hinted(C) == ["k"]
    assert (seat.coordinator.counters.hints_stored, seat.coordinator.counters.hints_dropped) == (1, 0)


@virtual
async def test_a_slow_replica_delays_nobody_and_has_the_write_in_the_end() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    seat.fail(C, delay=3.0)
    await seat.coordinator.write(Write("k", "x"), Level.QUORUM, SOON)
    assert nodes.clock.monotonic() == 0
    assert set(await nodes.values("k")) == {A, B}
    await asyncio.sleep(3.1)
    assert set(await nodes.values("k")) == {A, B, C}
    assert left_tasks() == []
    assert seat.hints.waiting() == {}


@virtual
async def test_a_send_that_fails_after_the_answer_becomes_a_hint() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    seat.fail(C, swallows=True)
    await seat.coordinator.write(Write("k", "x"), Level.QUORUM, 2.0)
    assert seat.hints.waiting() == {}
    await asyncio.sleep(2.0)
    assert await seat.hinted(C) == ["k"]


@virtual
async def test_a_client_that_goes_away_stops_no_send() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    seat.fail(A, B, C, delay=1.0)
    writing = asyncio.create_task(seat.coordinator.write(Write("k", "x"), Level.QUORUM, SOON))
    await asyncio.sleep(0.5)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await asyncio.sleep(1.0)
    assert set(await nodes.values("k")) == {A, B, C}
    assert left_tasks() == []


@virtual
async def test_closing_leaves_no_task_and_a_hint_for_who_was_cut_off() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    seat.fail(C, delay=60.0)
    await seat.coordinator.write(Write("k", "x"), Level.QUORUM, 100.0)
    await seat.coordinator.close()
    assert nodes.clock.monotonic() < 2
    assert left_tasks() == []
    assert await seat.hinted(C) == ["k"]


@virtual
async def test_hints_over_the_bound_are_counted_and_the_write_stands() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    seat.fail(C, is_down=True)
    seat.hints._limit = 10
    await seat.coordinator.write(Write("k", "x"), None, SOON)
    await seat.coordinator.close()
    assert (seat.coordinator.counters.hints_stored, seat.coordinator.counters.hints_dropped) == (0, 1)
