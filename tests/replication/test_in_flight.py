"""Writes in flight: a change waits for those made before it, and for no others."""

import asyncio

import pytest

from limedb.replication.in_flight import InFlight
from tests.replication.nodes import virtual


def test_nothing_in_flight_is_drained() -> None:
    assert InFlight().is_drained(99)


@virtual
async def test_draining_waits_for_all_older_writes_and_for_no_newer_one() -> None:
    in_flight = InFlight()
    for epoch in (3, 4, 4, 5):
        in_flight.enter(epoch)
    drained = asyncio.create_task(in_flight.drained(5))
    for epoch in (3, 4):
        in_flight.leave(epoch)
        await asyncio.sleep(1)
        assert not drained.done()
    in_flight.leave(4)
    await asyncio.wait_for(drained, 1)
    assert in_flight.is_drained(5)
    assert not in_flight.is_drained(6)


@virtual
async def test_several_wait_each_for_their_epoch_and_one_may_give_up() -> None:
    in_flight = InFlight()
    in_flight.enter(1)
    in_flight.enter(2)
    second, third, gone = (asyncio.create_task(in_flight.drained(epoch)) for epoch in (2, 3, 3))
    await asyncio.sleep(1)
    gone.cancel()
    in_flight.leave(1)
    await asyncio.wait_for(second, 1)
    assert not third.done()
    in_flight.leave(2)
    await asyncio.wait_for(third, 1)
    with pytest.raises(asyncio.CancelledError):
        await gone
