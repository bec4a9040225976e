"""What replicas may answer for while owners change, and what a new owner must not answer for.

Tests limedb/replication/idempotency/ownership_history.py.
"""

import asyncio

import pytest

from limedb.core.idempotency import MARGIN_MS
from limedb.core.layout import Layout
from limedb.core.quorum import Level
from limedb.core.topology import Topology, finish, hand_over, join
from limedb.errors import (
    LevelUnreachableError,
    OutcomeUnknownError,
)
from limedb.replication.coordinator import Write
from tests.replication.idempotency.attempts import LEVELS, ended, new_key, put, soon
from tests.replication.nodes import A, B, C, D, Nodes, member, virtual


@virtual
async def test_a_change_of_owners_parts_only_what_began_long_before_its_end() -> None:
    nodes = Nodes()
    nodes.start(D)
    one = nodes.coordinator(A)
    before = new_key()
    key = "k"
    await one.coordinator.write(put(before), Level.QUORUM, soon())
    await asyncio.sleep(5)
    nodes.spread(join(nodes.topology, member(D)))
    key = nodes.key(lambda current, extra: current == (A, B, C) and extra == (D,))
    during = new_key()
    await asyncio.sleep(5)
    await one.coordinator.write(Write(key, "x", 0, during), Level.QUORUM, soon())
    nodes.spread(hand_over(nodes.topology))
    await asyncio.sleep(5)
    handed_over = new_key()
    await one.coordinator.write(Write(key, "y", 0, handed_over), Level.QUORUM, soon())
    again = await one.coordinator.write(Write(key, "x", 0, during, 1), Level.QUORUM, soon())
    assert again.acked
    nodes.spread(finish(nodes.topology))
    await one.coordinator.write(Write(key, "y", 0, handed_over, 1), Level.QUORUM, soon())
    with pytest.raises(OutcomeUnknownError, match="before owners changed"):
        await one.coordinator.write(Write(key, "x", 0, during, 2), Level.QUORUM, soon())
    await ended(one)


def second(nodes: Nodes, key: str, replicas: int = 2) -> None:
    """B joins the cluster of A alone; A has heard of it."""
    known, nodes.topology = nodes.topology, Topology()
    nodes.start(B)
    nodes.topology = known
    nodes.spread(join(known, member(B)), A)
    assert len(Layout(nodes.topology).of_key(key).write_set) == replicas


@LEVELS
@virtual
async def test_one_node_that_gets_its_second_takes_every_write(level: Level) -> None:
    """Before the second has heard that it was let in, and whenever a write began."""
    nodes = Nodes(A)
    seat = nodes.coordinator()
    old, key = new_key(), new_key()
    first = await seat.coordinator.write(put(old), level, soon())
    second(nodes, "k")
    writing = asyncio.create_task(seat.coordinator.write(put(key, value="y"), level, soon()))
    await asyncio.sleep(0.4)
    assert level is Level.ONE or not writing.done()
    nodes.spread(nodes.topology)
    written = await writing
    for step in (None, hand_over, finish):
        if step is not None:
            nodes.spread(step(nodes.topology))
        fresh = new_key()
        here = await seat.coordinator.write(Write("k2", "z", 0, fresh), level, soon())
        there = await nodes.coordinator(B).coordinator.write(Write("k2", "z", 0, fresh, 1), level, soon())
        assert there.version == here.version
        again = await seat.coordinator.write(put(old, 1), level, soon())
        assert again.version == first.version
        again = await nodes.coordinator(B).coordinator.write(put(key, 1, "y"), level, soon())
        assert again.version == written.version
    await ended(seat)
    assert set((await nodes.values("k")).values()) == {"y"}


@virtual
async def test_a_new_owner_that_hears_nothing_fails_a_write_at_its_deadline_and_nothing_is_written() -> None:
    nodes = Nodes(A)
    seat = nodes.coordinator()
    second(nodes, "k")
    with pytest.raises(LevelUnreachableError, match="has not heard yet that it was let in"):
        await seat.coordinator.write(put(new_key()), Level.QUORUM, soon(1.0))
    assert nodes.clock.monotonic() > 0.7
    assert await nodes.values("k") == {}
    seat.fail(B, refuses=True)
    began = nodes.clock.monotonic()
    with pytest.raises(LevelUnreachableError, match="connection refused"):
        await seat.coordinator.write(put(new_key()), Level.QUORUM, soon())
    assert nodes.clock.monotonic() == began


@virtual
async def test_a_new_owner_answers_for_nothing_from_before_once_others_decide_without_the_first() -> None:
    nodes = Nodes(A)
    seat = nodes.coordinator()
    key = new_key()
    await seat.coordinator.write(put(key), Level.QUORUM, soon())
    for url in B, C:
        known, nodes.topology = nodes.topology, Topology()
        nodes.start(url)
        nodes.topology = known
        for step in (lambda now, url=url: join(now, member(url)), hand_over, finish):
            nodes.spread(step(nodes.topology))
    other = nodes.coordinator(B)
    other.fail(A, is_down=True)
    with pytest.raises(OutcomeUnknownError, match="it does not know"):
        await other.coordinator.write(put(key, 1), Level.QUORUM, soon())
    other.fail(A, is_down=False)
    await asyncio.sleep(MARGIN_MS / 1000)
    other.fail(A, is_down=True)
    await other.coordinator.write(put(new_key()), Level.QUORUM, soon())


@virtual
async def test_what_the_only_owner_agreed_on_late_is_not_agreed_on_again_by_the_next() -> None:
    """The old owner has not heard of the change for long, while the new one has."""
    nodes = Nodes(A, replication_factor=1)
    seat = nodes.coordinator()
    before = nodes.topology
    nodes.topology = Topology()
    nodes.start(B)
    nodes.topology = before
    nodes.spread(join(before, member(B)), B)
    moved = nodes.key(lambda current, extra: (current, extra) == ((A,), (B,)))
    await asyncio.sleep(MARGIN_MS / 1000 + 1)
    key = new_key()
    first = await seat.coordinator.write(Write(moved, "x", 0, key), Level.QUORUM, soon())
    nodes.spread(nodes.topology)
    for step in hand_over, finish:
        nodes.spread(step(nodes.topology))
    with pytest.raises(OutcomeUnknownError, match="it does not know"):
        await nodes.coordinator(B).coordinator.write(Write(moved, "x", 0, key, 1), Level.QUORUM, soon())
    assert first.acked == 1
