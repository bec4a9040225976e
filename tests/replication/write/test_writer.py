"""Writes at their levels: who is asked, what is told, what is tried again, what is left behind.

Tests limedb/replication/fanout.py, limedb/replication/write/pending.py,
limedb/replication/write/newcomers.py, limedb/replication/write/single_replica.py and
limedb/replication/replica_errors.py.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count

import pytest

from limedb.core.hlc import HybridClock, version_at
from limedb.core.layout import Layout
from limedb.core.quorum import Level
from limedb.core.record import Record
from limedb.core.topology import Topology, hand_over, join
from limedb.errors import (
    ClockSkewError,
    ContendedError,
    LevelUnreachableError,
    LimeDBError,
    NotMemberError,
    OutcomeUnknownError,
    RemoteError,
    RequestTimeoutError,
    StaleEpochError,
    StoreFullError,
    UnavailableError,
)
from limedb.ports import Applied
from limedb.replication.coordinator import MAX_ATTEMPTS, Write, Written
from tests.cluster.virtual import START_MS, VirtualClock
from tests.replication.nodes import SOON, A, B, C, D, Nodes, left_tasks, member, virtual


@pytest.mark.parametrize(
    ("level", "down", "is_reached"),
    [
        (Level.ONE, 0, True), (Level.ONE, 2, True), (Level.ONE, 3, False),
        (Level.QUORUM, 0, True), (Level.QUORUM, 1, True), (Level.QUORUM, 2, False),
        (Level.LINEARIZABLE, 1, True), (Level.LINEARIZABLE, 2, False),
        (Level.ALL, 0, True), (Level.ALL, 1, False),
    ],
)  # fmt: skip
@virtual
async def test_a_level_holds_while_enough_replicas_are_up_and_else_writes_nothing(
    level: Level, down: int, is_reached: bool
) -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    seat.fail(*(C, B, A)[:down], is_down=True)
    if is_reached:
        written = await seat.coordinator.write(Write("k", "x"), level, SOON)
        await seat.coordinator.close()
        assert written.replicas == 3
        assert len(await nodes.values("k")) == 3 - down
        assert [url for url in (A, B, C) if await seat.hinted(url)] == sorted((C, B, A)[:down])
    else:
        with pytest.raises(LevelUnreachableError, match="nothing was written") as caught:
            await seat.coordinator.write(Write("k", "x"), level, SOON)
        assert set(caught.value.missing) == set((C, B, A)[:down])
        assert await nodes.values("k") == {}
        assert seat.wire.calls == []
        assert seat.hints.waiting() == {}


@pytest.mark.parametrize(
    ("level", "refusing", "is_reached"),
    [
        (Level.ONE, 2, True), (Level.QUORUM, 1, True), (Level.QUORUM, 3, False), (Level.ONE, 3, False),
    ],
)  # fmt: skip
@virtual
async def test_replicas_that_turn_out_to_be_unreachable_count_like_those_known_to_be(
    level: Level, refusing: int, is_reached: bool
) -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    seat.fail(*(C, B, A)[:refusing], refuses=True)
    if is_reached:
        await seat.coordinator.write(Write("k", "x"), level, SOON)
        await seat.coordinator.close()
        assert await seat.hinted(C) == ["k"]
    else:
        with pytest.raises(LevelUnreachableError, match="connection refused"):
            await seat.coordinator.write(Write("k", "x"), level, SOON)
        assert seat.hints.waiting() == {}


@virtual
async def test_a_write_that_one_replica_has_and_too_few_others_is_told_as_unknown() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    seat.fail(B, C, refuses=True)
    with pytest.raises(OutcomeUnknownError) as caught:
        await seat.coordinator.write(Write("k", "x"), Level.QUORUM, SOON)
    await seat.coordinator.close()
    assert (caught.value.needed, caught.value.acked, set(caught.value.missing)) == (2, 1, {B, C})
    assert await seat.hinted(B) == ["k"]  # one has it, so that all are to get it


@virtual
async def test_a_write_without_any_answer_is_unknown_at_its_deadline_and_leaves_no_hints() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    seat.fail(A, B, C, swallows=True, is_lost=True)
    with pytest.raises(OutcomeUnknownError):
        await seat.coordinator.write(Write("k", "x"), Level.QUORUM, 1.0)
    assert nodes.clock.monotonic() <= 1.0
    await seat.coordinator.close()
    assert len(await nodes.values("k")) == 3
    assert seat.hints.waiting() == {}


@virtual
async def test_a_replica_that_hangs_past_the_deadline_is_named() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    never = asyncio.get_running_loop().create_future()

    async def hang(records: object, now_ms: int) -> list[Applied]:
        await never
        return []

    for url in (A, B):
        nodes.stores[url].apply = hang  # type: ignore[method-assign]
    with pytest.raises(OutcomeUnknownError) as caught:
        await seat.coordinator.write(Write("k", "x"), Level.QUORUM, 2.0)
    assert caught.value.missing == dict.fromkeys((A, B), "no answer until the deadline")
    assert nodes.clock.monotonic() == pytest.approx(2.0)
    never.set_result(None)


@virtual
async def test_an_error_that_all_replicas_give_is_the_one_told() -> None:
    for error in (
        StoreFullError("no room"),
        RemoteError(B, "STORE_FULL", "RESOURCE_EXHAUSTED", "no room"),
        NotMemberError("the cluster is about to join another; try again", "c1"),
    ):
        nodes = Nodes()
        seat = nodes.coordinator()
        seat.fail(A, B, C, error=error)
        with pytest.raises(type(error)):
            await seat.coordinator.write(Write("k", "x"), None, SOON)
        assert seat.hints.waiting() == {}


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


@virtual
async def test_a_write_after_an_acknowledged_one_wins_whatever_the_clocks_say() -> None:
    nodes = Nodes()
    ahead = nodes.coordinator(clock=VirtualClock(offset_ms=100))
    behind = nodes.coordinator(B, clock=VirtualClock(offset_ms=-300))
    ahead.fail(C, is_down=True)
    await ahead.coordinator.write(Write("k", "first"), None, SOON)
    behind.fail(A, delay=0.1)  # who has it is slower than who has not
    second = await behind.coordinator.write(Write("k", "second"), None, SOON)
    assert second.version > version_at(START_MS + 100)
    assert second.existed
    assert behind.coordinator.counters.superseded == 1
    await behind.coordinator.close()
    assert (await ahead.coordinator.get("k", None, SOON)).value == "second"


@virtual
async def test_a_write_that_is_always_overtaken_gives_up_and_says_so() -> None:
    nodes = Nodes(A, replication_factor=1)
    seat = nodes.coordinator()
    counter = count()

    async def newer(records: list[Record], now_ms: int) -> list[Applied]:
        next(counter)
        return [Applied(record.version + 1, True, record.version + 1) for record in records]

    nodes.stores[A].apply = newer  # type: ignore[assignment, method-assign]
    with pytest.raises(ContendedError, match="overtaken"):
        await seat.coordinator.write(Write("k", "x"), None, SOON)
    assert next(counter) == MAX_ATTEMPTS


@pytest.mark.parametrize("level", [Level.QUORUM, Level.LINEARIZABLE])
@virtual
async def test_a_moment_to_expire_is_stored_as_it_was_given(level: Level) -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    moment = START_MS + 60_000
    await seat.coordinator.write(Write("k", "x", expires_at_ms=moment), level, SOON)
    await seat.coordinator.close()
    records = [await nodes.stores[url].get("k") for url in (A, B, C)]
    assert {(record.value, record.expires_at) for record in records if record} == {("x", moment)}


@pytest.mark.parametrize("level", [Level.QUORUM, Level.LINEARIZABLE])
@virtual
async def test_a_moment_to_expire_that_has_passed_deletes(level: Level) -> None:
    """A value that expired before it was written could be purged before what it overrules has gone."""
    nodes = Nodes()
    seat = nodes.coordinator()
    await seat.coordinator.write(Write("k", "before"), level, SOON)
    written = await seat.coordinator.write(Write("k", "x", expires_at_ms=START_MS - 1), level, SOON)
    await seat.coordinator.close()
    assert written.existed
    records = [await nodes.stores[url].get("k") for url in (A, B, C)]
    assert {record for record in records if record} == {Record("k", None, written.version)}


@virtual
async def test_a_newer_version_from_far_in_the_future_is_refused_before_it_is_merged() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    await nodes.put(Record("k", "future", version_at(START_MS + 3_600_000)), A, B, C)
    for level in (Level.QUORUM, Level.LINEARIZABLE):
        with pytest.raises(ClockSkewError, match="3600000 ms ahead"):
            await seat.coordinator.write(Write("k", "x"), level, SOON)
    assert seat.versions.last < version_at(START_MS + 1000)


@virtual
async def test_a_coordinator_whose_clock_is_off_refuses_writes_and_reads_on() -> None:
    nodes = Nodes()
    await nodes.coordinator().coordinator.write(Write("k", "x", ttl_ms=60_000), None, SOON)
    seat = nodes.coordinator(
        B, clock=VirtualClock(600_000), skew_ms=lambda: -600_000, problem=lambda: "the clock is 10 min ahead"
    )
    with pytest.raises(UnavailableError, match="10 min ahead"):
        await seat.coordinator.write(Write("k", "y"), None, SOON)
    with pytest.raises(UnavailableError, match="10 min ahead"):
        await seat.coordinator.write_direct(B, Write("k", "y"), SOON)
    assert (await seat.coordinator.get("k", None, SOON)).value == "x"


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
    """Three nodes of which C has lost its data and was let in anew, but hasn't heard of that."""
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
async def test_no_write_needs_a_node_that_joins_anew_in_its_own_place(
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
async def test_a_write_needs_both_owners_that_are_left_while_the_third_joins_anew() -> None:
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


@virtual
async def test_a_linearizable_write_goes_above_what_a_majority_has() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    seen = version_at(START_MS + 300)
    await nodes.put(Record("k", "seen", seen), B, C)
    seat.fail(A, delay=0.05)
    written = await seat.coordinator.write(Write("k", "x"), Level.LINEARIZABLE, SOON)
    assert written.version > seen
    assert written.existed
    assert seat.coordinator.counters.superseded == 0


@virtual
async def test_a_linearizable_write_that_is_overtaken_in_its_second_phase_stands_before_the_other() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    seat.fail(A, B, C, delay=0.1)
    writing = asyncio.create_task(seat.coordinator.write(Write("k", "x"), Level.LINEARIZABLE, SOON))
    await asyncio.sleep(0.15)  # it has read, and not yet written
    await nodes.put(Record("k", "other", version_at(START_MS + 400)), A, B, C)
    written = await writing
    assert not written.existed
    assert written.version < version_at(START_MS + 400)
    assert seat.wire.called("apply") == [A, B, C]  # once, with one version
    assert (await nodes.coordinator(B).coordinator.get("k", None, SOON)).value == "other"


@virtual
async def test_existed_is_what_the_newest_answer_says() -> None:
    nodes = Nodes()
    seat = nodes.coordinator(level=Level.ALL)
    await nodes.put(Record("k", "old", 1), A)
    await nodes.put(Record("k", None, 2), B)
    assert not (await seat.coordinator.write(Write("k", None), None, SOON)).existed
    assert not (await seat.coordinator.write(Write("k", "x"), None, SOON)).existed
    assert (await seat.coordinator.write(Write("k", None), None, SOON)).existed


@virtual
async def test_each_write_of_a_batch_has_its_own_outcome() -> None:
    nodes = Nodes(A, B, C, D, replication_factor=1)
    seat = nodes.coordinator()
    keys = {url: nodes.key_of(url) for url in (A, B, C, D)}
    seat.fail(B, is_down=True)
    seat.fail(C, error=StoreFullError("no room"))
    seat.fail(D, swallows=True)
    outcomes = await seat.coordinator.write_many([Write(key, "x") for key in keys.values()], None, 1.0)
    assert [type(outcome) for outcome in outcomes] == [
        Written, LevelUnreachableError, StoreFullError, OutcomeUnknownError,
    ]  # fmt: skip


@virtual
async def test_a_batch_is_one_call_to_each_replica() -> None:
    nodes = Nodes(A, B, C, D)
    seat = nodes.coordinator()
    for level in (Level.QUORUM, Level.LINEARIZABLE):
        seat.wire.calls.clear()
        writes = [Write(f"k{i}", str(i)) for i in range(200)]
        outcomes = await seat.coordinator.write_many(writes, level, SOON)
        assert all(isinstance(outcome, Written) for outcome in outcomes)
        assert sorted(seat.wire.called("apply")) == [A, B, C, D]
        await seat.coordinator.close()
    assert sum(store.count() for store in nodes.stores.values()) == 600


@pytest.mark.parametrize("level", Level)
@virtual
async def test_a_large_batch_is_written_in_portions(level: Level) -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    seat.coordinator.portion_bytes = 10
    writes = [Write(key, value) for key, value in (("a", "v" * 6), ("b", b"v" * 4), ("c", "v" * 99))]
    writes += [Write("d", None), Write("e", "v"), Write("a", "last")]
    outcomes = await seat.coordinator.write_many(writes, level, SOON)
    assert all(isinstance(outcome, Written) for outcome in outcomes)
    assert outcomes[0] == outcomes[-1]
    await seat.coordinator.close()
    assert {keys for kind, _, keys in seat.wire.calls if kind == "apply"} == {("a", "b"), ("c",), ("d", "e")}
    assert [{*(await nodes.values(key)).values()} for key in "abcde"] == [
        {"last"}, {b"v" * 4}, {"v" * 99}, {None}, {"v"},
    ]  # fmt: skip


@virtual
async def test_a_portion_that_fails_leaves_those_before_written() -> None:
    """What is raised for a whole batch would say that nothing of it was written."""
    nodes = Nodes()
    seat = nodes.coordinator()
    seat.coordinator.portion_bytes = 1
    seat.fail(A, delay=0.4)
    seat.fail(B, delay=0.4)
    writes = [*(Write(key, "v") for key in "abcd"), Write("e", "v", 0, bytes(16), 1)]
    first, *_, last, attempt = await seat.coordinator.write_many(writes, Level.ALL, 0.5)
    assert isinstance(first, Written)
    assert isinstance(last, RequestTimeoutError)
    assert isinstance(attempt, OutcomeUnknownError)
    await seat.coordinator.close()
    assert not await nodes.values("d")


@virtual
async def test_of_a_batch_only_what_was_overtaken_is_written_again() -> None:
    nodes = Nodes()
    seat = nodes.coordinator(clock=VirtualClock(-400))
    await nodes.coordinator(B).coordinator.write(Write("b", "newer"), Level.ALL, SOON)
    first, other, last = await seat.coordinator.write_many(
        [Write("a", "1"), Write("b", "2"), Write("a", "3")], None, SOON
    )
    assert isinstance(first, Written)
    assert isinstance(other, Written)
    assert first == last
    assert [keys for kind, _, keys in seat.wire.calls if kind == "apply"] == [("a", "b")] * 3 + [("b",)] * 3
    await seat.coordinator.close()
    assert set((await nodes.values("b")).values()) == {"2"}


@virtual
async def test_an_empty_batch_is_nothing() -> None:
    assert await Nodes().coordinator().coordinator.write_many([], None, SOON) == []


@virtual
async def test_with_one_replica_no_task_and_no_hint_is_made() -> None:
    nodes = Nodes(A, B, replication_factor=1)
    seat = nodes.coordinator()
    key = nodes.key_of(B)
    written = await seat.coordinator.write(Write(key, "x"), None, SOON)
    assert (written.acked, written.replicas) == (1, 1)
    assert left_tasks() == []
    seat.fail(B, refuses=True)
    with pytest.raises(LevelUnreachableError, match=B):
        await seat.coordinator.write(Write(key, "y"), None, SOON)
    seat.fail(B, swallows=True)
    with pytest.raises(OutcomeUnknownError):
        await seat.coordinator.write(Write(key, "y"), None, SOON)
    assert seat.hints.waiting() == {}


@virtual
async def test_direct_writes_are_never_routed_and_win_over_what_is_there() -> None:
    nodes = Nodes(A, B, replication_factor=1)
    seat = nodes.coordinator(clock=VirtualClock(-400))
    await nodes.put(Record("k", "old", version_at(START_MS)), A)
    written = await seat.coordinator.write_direct(A, Write("k", "x"), SOON)
    assert (written.acked, written.replicas, written.existed, written.epoch) == (1, 1, True, 1)
    assert await nodes.values("k") == {A: "x"}


@virtual
async def test_concurrent_writers_of_one_key_leave_one_value_everywhere() -> None:
    nodes = Nodes()
    seats = [nodes.coordinator(at, clock=VirtualClock(i)) for i, at in enumerate((A, B, C) * 3)]
    for i, seat in enumerate(seats):
        for j, url in enumerate((A, B, C)):
            seat.fail(url, delay=0.01 * ((i * 7 + j * 3) % 5))
    written = await asyncio.gather(
        *(seat.coordinator.write(Write("k", str(i)), None, SOON) for i, seat in enumerate(seats))
    )
    await asyncio.gather(*(seat.coordinator.close() for seat in seats))
    newest = max(range(9), key=lambda i: written[i].version)
    assert set((await nodes.versions("k")).values()) == {written[newest].version}


@virtual
async def test_a_bug_in_a_send_reaches_the_request() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    seat.fail(B, error=ZeroDivisionError("a bug"))
    seat.fail(A, C, delay=0.1)
    with pytest.raises(ZeroDivisionError):
        await seat.coordinator.write(Write("k", "x"), None, SOON)
    await seat.coordinator.close()


@virtual
async def test_a_fresh_node_takes_no_requests() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    seat.place.layout = type(seat.place.layout)(type(nodes.topology)())
    for request in (
        seat.coordinator.write(Write("k", "x"), None, SOON),
        seat.coordinator.get("k", None, SOON),
        seat.coordinator.write_direct(A, Write("k", "x"), SOON),
    ):
        with pytest.raises(NotMemberError):
            await request
    (outcome,) = await seat.coordinator.write_many([Write("k", "x")], None, SOON)
    assert isinstance(outcome, LimeDBError)


@virtual
async def test_what_an_attempt_left_is_never_told_as_nothing_written() -> None:
    """The first attempt is stored at one replica and overtaken at another; then all are gone."""
    nodes = Nodes()
    seat = nodes.coordinator()
    seat.versions.observe(HybridClock().tick(START_MS) - 10)
    await nodes.put(Record("k", "newer", version_at(START_MS + 300)), B)
    seat.fail(B, delay=0.1)
    seat.fail(C, delay=0.2)
    writing = asyncio.create_task(seat.coordinator.write(Write("k", "x"), None, SOON))
    await asyncio.sleep(0.05)
    seat.fail(A, B, C, is_down=True)
    with pytest.raises(OutcomeUnknownError):
        await writing
    assert (await nodes.values("k"))[A] == "x"
    await seat.coordinator.close()
