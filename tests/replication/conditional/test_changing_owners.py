"""Conditional writes, and promises, while the owners of their keys change.

Tests limedb/replication/conditional/proposer.py.
"""

from dataclasses import replace

import pytest

from limedb.core.condition import Condition
from limedb.core.hlc import FIRST_BALLOT, is_ballot, version_at
from limedb.core.record import Record
from limedb.core.topology import finish, hand_over, join, remove
from limedb.errors import LevelUnreachableError
from tests.cluster.virtual import START_MS
from tests.replication.conditional.calls import ABSENT, cas, ended, soon
from tests.replication.nodes import A, B, C, D, Fault, Nodes, member, virtual


@virtual
async def test_while_owners_change_both_sides_decide() -> None:
    nodes = Nodes(A, B, C)
    seat = nodes.coordinator()
    first = await cas(seat, "1", ABSENT)
    streaming = join(nodes.topology, member(D))
    nodes.start(D)
    nodes.spread(streaming)
    second = await cas(seat, "2", Condition(version=first.version))
    nodes.spread(hand_over(streaming))
    third = await cas(seat, "3", Condition(version=second.version))
    nodes.spread(finish(hand_over(streaming)))
    await cas(seat, "4", Condition(version=third.version))
    await ended(seat)


@pytest.mark.parametrize("is_promised_by_the_source", [True, False], ids=["by both", "by the new owner"])
@virtual
async def test_a_new_owner_settles_with_as_many_old_ones_as_it_fetches_from(
    is_promised_by_the_source: bool,
) -> None:
    """Of two owners one has lost its disk, so no majority of them is left. A dead coordinator's promise
    forbids the new owner the other one's record. No client writes, so nothing else ends that.
    """
    nodes = Nodes(A, B, replication_factor=2)
    record = Record("k", "left", version_at(START_MS - 9, FIRST_BALLOT))
    left = version_at(START_MS - 5, FIRST_BALLOT)
    await nodes.put(record, B)
    nodes.start(A)
    for url in (A, B) if is_promised_by_the_source else (A,):
        await nodes.replicas[url].guard.promise("k", left, START_MS)
    nodes.spread(join(nodes.topology, replace(member(A), node_id="anew")))
    seat = nodes.coordinator(A)
    await seat.coordinator.conditional.settle_fetched("k")
    await ended(seat)
    assert await nodes.values("k") == {A: "left", B: "left"}
    versions = {*(await nodes.versions("k")).values()}
    assert len(versions) == 1
    assert versions.pop() > left


@virtual
async def test_a_new_owner_settles_though_an_old_one_is_gone() -> None:
    """Of A and B one is removed, and C takes its place: the change can do without it."""
    nodes = Nodes(A, B, C, replication_factor=2)
    nodes.spread(remove(nodes.topology, member(B).node_id))
    key = nodes.key(lambda current, extra: {*current} == {A, B} and extra == (C,))
    await nodes.put(Record(key, "left", version_at(START_MS - 9, FIRST_BALLOT)), A)
    await nodes.replicas[C].guard.promise(key, version_at(START_MS - 5, FIRST_BALLOT), START_MS)
    seat = nodes.coordinator(C)
    seat.wire.faults[B] = Fault(is_down=True)
    await seat.coordinator.conditional.settle_fetched(key)
    with pytest.raises(LevelUnreachableError):
        await seat.coordinator.conditional.settle(key, soon())
    await ended(seat)
    assert await nodes.values(key) == {A: "left", C: "left"}


@virtual
async def test_a_new_owner_settles_with_a_majority_of_the_new_ones_as_well() -> None:
    nodes = Nodes(A, B, replication_factor=2)
    nodes.start(A)
    nodes.spread(join(nodes.topology, replace(member(A), node_id="anew")))
    seat = nodes.coordinator(B)
    seat.wire.faults[A] = Fault(is_down=True)
    with pytest.raises(LevelUnreachableError, match="needs 2 of 2 replicas"):
        await seat.coordinator.conditional.settle_fetched("k")
    await ended(seat)


@virtual
async def test_an_old_topology_is_followed() -> None:
    nodes = Nodes(A, B, C)
    seat = nodes.coordinator()
    nodes.start(D)
    nodes.spread(join(nodes.topology, member(D)), B, C, D)
    written = await cas(seat, "1", ABSENT)
    await ended(seat)
    assert written.epoch == nodes.topology.epoch
    assert is_ballot(written.version)
