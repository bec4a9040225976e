"""Writes at their levels: who is asked, what is told, what is tried again, what is left behind.

Tests limedb/replication/fanout.py, limedb/replication/write/pending.py,
limedb/replication/write/single_replica.py and limedb/replication/replica_errors.py.
"""

import asyncio
from itertools import count

import pytest

from limedb.core.hlc import HybridClock, version_at
from limedb.core.quorum import Level
from limedb.core.record import Record
from limedb.errors import (
    ClockSkewError,
    ContendedError,
    LevelUnreachableError,
    LimeDBError,
    NotMemberError,
    OutcomeUnknownError,
    RemoteError,
    StoreFullError,
    UnavailableError,
)
from limedb.ports import Applied
from limedb.replication.coordinator import MAX_ATTEMPTS, Write
from tests.cluster.virtual import START_MS, VirtualClock
from tests.replication.nodes import SOON, A, B, C, Nodes, left_tasks, virtual


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
async def test_a_write_that_one_replica_has_and_too_few_others_is_reported_as_unknown() -> None:
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
