"""Writes while the topology changes: newcomers that don't know it yet, nodes that rejoin."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from limedb.core.layout import Layout
from limedb.core.quorum import Level
from limedb.core.topology import Topology, hand_over, join
from limedb.errors import (
    LevelUnreachableError,
    NotMemberError,
    OutcomeUnknownError,
    StaleEpochError,
    StoreFullError,
)
from limedb.replication.coordinator import Write, Written
from tests.cluster.virtual import START_MS
from tests.replication.nodes import SOON, A, B, C, D, Nodes, member, virtual


@virtual
async def test_a_newer_topology_is_adopted_and_the_same_record_written_again() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    newer = replace(nodes.topology, epoch=3)
    nodes.spread(newer, B)
    seat.fail(B, delay=0.1)
    seat.fail(C, delay=0.2)
    written = await seat.coordinator.write(Write("k", "x"), None, SOON)
    assert written.epoch == 3
    assert not written.existed  # what its first attempt left doesn't count
    assert seat.place.layout.topology == newer
    assert seat.coordinator.counters.stale_restarts == 1
    await seat.coordinator.close()
    assert set((await nodes.versions("k")).values()) == {written.version}


def rejoining(knowing: Sequence[str] = (A, B)) -> Nodes:
    """Three nodes of which C has lost its data and was let in again, but doesn't know that yet."""
    nodes = Nodes()
    nodes.spread(join(nodes.topology, replace(member(C), node_id="id-c-anew")), *knowing)
    return start_fresh(nodes, C)


def letting_in(knowing: Sequence[str] = (A, B, C)) -> tuple[Nodes, str]:
    """Three nodes that have let D in, which hasn't heard of that; and a key of which B is to give way to D.
    Without C such a key needs D: A and B are a majority of the old owners, but A alone is none of the new.
    """
    nodes = Nodes()
    nodes.spread(join(nodes.topology, member(D)), *knowing)
    layout = Layout(nodes.topology)
    key = next(k for k in (f"k{i}" for i in range(9999)) if {*layout.of_key(k).others} == {A, C, D})
    return start_fresh(nodes, D), key


def start_fresh(nodes: Nodes, url: str) -> Nodes:
    """Start a node that belongs to no cluster."""
    known, nodes.topology = nodes.topology, Topology()
    nodes.start(url)
    nodes.topology = known
    return nodes


@pytest.mark.parametrize("level", [Level.QUORUM, Level.LINEARIZABLE])
@pytest.mark.parametrize("idempotency_key", [b"", (START_MS - 100).to_bytes(6, "big") + bytes(10)])
@virtual
async def test_no_write_needs_a_node_that_rejoins_in_its_own_place(
    level: Level, idempotency_key: bytes
) -> None:
    """Be it that it has not heard yet, that it is down, or that it can't know of writes that began before."""
    nodes = rejoining()
    seat = nodes.coordinator()
    faults: list[Mapping[str, bool]] = [{}, {"is_down": True}, {"swallows": True}]
    for number, fault in enumerate(faults):
        seat.fail(C, **fault)
        write = Write(f"k{number}", "x", idempotency_key=idempotency_key)
        assert (await seat.coordinator.write(write, level, nodes.clock.monotonic() + SOON)).acked == 2
    seat.fail(C)
    nodes.spread(nodes.topology)
    write = Write("k", "x", idempotency_key=idempotency_key)
    assert (await seat.coordinator.write(write, level, nodes.clock.monotonic() + SOON)).acked >= 2
    await seat.coordinator.close()


@virtual
async def test_a_write_needs_both_owners_that_are_left_while_the_third_rejoins() -> None:
    """The newcomer's copy does not make up for one of them: it is not read yet."""
    nodes = rejoining()
    seat = nodes.coordinator()
    nodes.spread(nodes.topology)
    seat.fail(B, is_down=True)
    with pytest.raises(
        LevelUnreachableError, match="needs 3 of 4 replicas at level quorum, 2 can be reached"
    ):
        await seat.coordinator.write(Write("k", "x"), None, SOON)
    seat.fail(B, refuses=True)
    with pytest.raises(OutcomeUnknownError, match="1 of 2 needed replicas have it"):
        await seat.coordinator.write(Write("k", "x"), None, SOON)


@pytest.mark.parametrize("level", [Level.QUORUM, Level.LINEARIZABLE])
@virtual
async def test_a_write_is_sent_once_more_to_a_new_owner_that_has_not_heard_yet(level: Level) -> None:
    nodes, key = letting_in()
    seat = nodes.coordinator()
    seat.fail(C, is_down=True)
    writing = asyncio.create_task(seat.coordinator.write(Write(key, "x"), level, SOON))
    await asyncio.sleep(0.4)
    assert set(await nodes.values(key)) == {A, B}
    assert not writing.done()
    nodes.spread(nodes.topology)
    written = await writing
    assert (written.acked, written.existed) == (3, False)  # what its first rounds left doesn't count
    assert nodes.clock.monotonic() < 0.7
    await seat.coordinator.close()
    assert await nodes.versions(key) == dict.fromkeys((A, B, D), written.version)


@virtual
async def test_a_new_owner_holds_up_no_write_but_its_own() -> None:
    nodes, key = letting_in()
    seat = nodes.coordinator()
    seat.fail(C, is_down=True)
    (written,) = await seat.coordinator.write_many([Write(key, "x")], Level.ONE, SOON)
    assert isinstance(written, Written)
    nodes.spread(nodes.topology)
    for error in StoreFullError("no room"), NotMemberError("the cluster is about to join another", "c1"):
        seat.fail(D, error=error)
        began = nodes.clock.monotonic()
        with pytest.raises(OutcomeUnknownError):
            await seat.coordinator.write(Write(key, "y"), None, began + SOON)
        assert nodes.clock.monotonic() == began


@virtual
async def test_a_write_that_a_new_owner_refuses_until_the_deadline_says_what_happened_and_what_to_do() -> (
    None
):
    nodes, key = letting_in()
    seat = nodes.coordinator()
    seat.fail(C, is_down=True)
    with pytest.raises(OutcomeUnknownError) as caught:
        await seat.coordinator.write(Write(key, "x"), None, 1.0)
    assert 0.7 < nodes.clock.monotonic() <= 1.0
    why = "it is new or lost its data: it joins, and has not heard yet that it was let in"
    assert caught.value.missing[D] == why
    assert "it may still take effect: read the key before you write it again" in str(caught.value)


@virtual
async def test_a_write_that_some_have_waits_for_a_new_owner_that_gossip_has_not_found_yet() -> None:
    nodes, key = letting_in(knowing=(B, C))
    seat = nodes.coordinator()
    nodes.spread(nodes.topology, B, C, D)
    for url in C, D:
        seat.fail(url, is_down=True)  # D as node A knows it; B knows more, and answers later
    seat.fail(B, delay=0.1)
    writing = asyncio.create_task(seat.coordinator.write(Write(key, "x"), None, SOON))
    await asyncio.sleep(0.5)
    assert seat.place.layout.topology == nodes.topology
    assert not writing.done()
    seat.fail(D, is_down=False)
    assert (await writing).acked == 3

    seat.fail(D, is_down=True)
    with pytest.raises(LevelUnreachableError, match="nothing was written"):  # that is certain, so it is said
        await seat.coordinator.write(Write(key, "y"), None, nodes.clock.monotonic() + SOON)


@virtual
async def test_what_an_earlier_round_left_is_named_when_no_other_can_begin() -> None:
    nodes, key = letting_in(knowing=(B, C))
    seat = nodes.coordinator()
    nodes.spread(nodes.topology, B, C, D)
    for url in C, D:
        seat.fail(url, is_down=True)
    seat.fail(B, delay=0.1)
    with pytest.raises(OutcomeUnknownError, match="1 of 3 needed replicas have it") as caught:
        await seat.coordinator.write(Write(key, "x"), None, 1.0)
    assert caught.value.missing == dict.fromkeys((C, D), "it is known to be down")
    assert "nothing was written" not in str(caught.value)


@virtual
async def test_a_topology_that_can_not_be_adopted_ends_the_write() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    for url in (A, B, C):
        seat.fail(url, error=StaleEpochError(nodes.topology))
    with pytest.raises(StaleEpochError):
        await seat.coordinator.write(Write("k", "x"), None, SOON)
    with pytest.raises(StaleEpochError):
        await seat.coordinator.get("k", None, SOON)


@virtual
async def test_a_replica_that_is_outdated_late_gets_a_hint() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    nodes.spread(replace(nodes.topology, epoch=2), C)
    seat.fail(C, delay=1.0)
    await seat.coordinator.write(Write("k", "x"), None, SOON)
    await asyncio.sleep(1.1)
    assert await seat.hinted(C) == ["k"]


@pytest.mark.parametrize("level", [Level.QUORUM, Level.LINEARIZABLE])
@virtual
async def test_an_owner_on_its_way_in_is_written_and_needs_one_acknowledgement_more(level: Level) -> None:
    nodes = Nodes()
    nodes.spread(join(nodes.topology, member(D)))
    nodes.start(D)
    key = nodes.key(lambda current, extra: extra == (D,))
    seat = nodes.coordinator()
    seat.fail(C, is_down=True)
    written = await seat.coordinator.write(Write(key, "x"), level, SOON)
    assert (written.acked, written.replicas) == (3, 4)
    assert set(await nodes.values(key)) == {A, B, D}

    seat.fail(D, is_down=True)
    with pytest.raises(LevelUnreachableError) as caught:
        await seat.coordinator.write(Write(key, "y"), level, SOON)
    assert (caught.value.needed, caught.value.live, caught.value.replicas) == (3, 2, 4)
    assert set((await nodes.values(key)).values()) == {"x"}


@virtual
async def test_an_owner_on_its_way_out_is_written_until_the_change_is_done() -> None:
    nodes = Nodes()
    nodes.spread(hand_over(join(nodes.topology, member(D))))
    nodes.start(D)
    key = nodes.key(lambda current, extra: D in current and bool(extra))
    written = await nodes.coordinator().coordinator.write(Write(key, "x"), Level.ALL, SOON)
    assert written.acked == 4
    assert set(await nodes.values(key)) == {A, B, C, D}
