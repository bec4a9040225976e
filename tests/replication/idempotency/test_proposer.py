"""Writes that are sent again: they take effect once, or say that it isn't known.

Tests limedb/replication/idempotency/rounds.py.
"""

import asyncio

import pytest

from limedb.core.idempotency import MARGIN_MS, MAX_AGE_MS
from limedb.core.quorum import Level
from limedb.core.topology import leave
from limedb.errors import (
    InvalidRequestError,
    LevelUnreachableError,
    LimeDBError,
    OutcomeUnknownError,
    StoreFullError,
    UnavailableError,
)
from limedb.replication.coordinator import Write, Written
from limedb.replication.idempotency.proposer import MAX_AHEAD_MS, operation_of
from tests.cluster.virtual import START_MS
from tests.replication.idempotency.attempts import LEVELS, ended, new_key, put, soon
from tests.replication.nodes import A, B, C, D, Nodes, left_tasks, virtual


@LEVELS
@virtual
async def test_a_write_that_is_sent_again_keeps_its_version_and_answer(level: Level) -> None:
    nodes = Nodes()
    one, other = nodes.coordinator(A), nodes.coordinator(B)
    await one.coordinator.write(Write("k", "before"), level, soon())
    key = new_key()
    first = await one.coordinator.write(put(key), level, soon())
    again = await other.coordinator.write(put(key, 1), level, soon())
    await ended(one)
    await ended(other)
    assert (again.version, again.existed) == (first.version, True)
    assert {*(await nodes.versions("k")).values()} == {first.version}
    assert left_tasks() == []


@LEVELS
@virtual
async def test_sent_again_it_does_not_undo_the_write_of_another(level: Level) -> None:
    nodes = Nodes()
    one, other = nodes.coordinator(A), nodes.coordinator(B)
    key = new_key()
    first = await one.coordinator.write(put(key), level, soon())
    await other.coordinator.write(Write("k", "another's"), level, soon())
    again = await other.coordinator.write(put(key, 1), level, soon())
    await ended(one)
    assert again.version == first.version
    assert {*(await nodes.values("k")).values()} == {"another's"}


@virtual
async def test_a_first_attempt_without_a_quorum_writes_nothing_and_the_next_one_does() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    seat.fail(B, C, refuses=True)
    key = new_key()
    with pytest.raises(LevelUnreachableError, match="nothing was written"):
        await seat.coordinator.write(put(key), Level.QUORUM, soon())
    assert await nodes.values("k") == {}
    seat.wire.faults.clear()
    await seat.coordinator.write(put(key, 1), Level.QUORUM, soon())
    await ended(seat)
    assert {*(await nodes.values("k")).values()} == {"x"}


@virtual
async def test_what_one_replica_alone_took_is_finished_under_its_version() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    key = new_key()
    stores = [nodes.stores[url] for url in (B, C)]
    takes = [store.apply for store in stores]

    async def is_full(*_: object) -> list[object]:
        raise StoreFullError("no room")

    for store in stores:
        store.apply = is_full  # type: ignore[assignment,method-assign]
    with pytest.raises(OutcomeUnknownError):
        await seat.coordinator.write(put(key), Level.QUORUM, soon())
    (version,) = (await nodes.versions("k")).values()
    for store, take in zip(stores, takes, strict=True):
        store.apply = take  # type: ignore[method-assign]
    other = nodes.coordinator(B)
    other.fail(A, is_down=True)
    again = await other.coordinator.write(put(key, 1), Level.QUORUM, soon())
    await ended(other)
    assert again.version == version
    assert await nodes.versions("k") == dict.fromkeys((A, B, C), version)


@virtual
async def test_a_first_attempt_that_comes_late_writes_nothing_behind_the_second() -> None:
    """The first coordinator stands still between its look and its proposal, with a clock that is ahead."""
    nodes = Nodes()
    one, other = nodes.coordinator(A), nodes.coordinator(B)
    one.versions.observe((START_MS + 400) << 16)
    one.fail(A, B, C, delay=1.0)
    key = new_key()
    late = asyncio.create_task(one.coordinator.write(put(key), Level.QUORUM, soon(30)))
    await asyncio.sleep(1.5)  # it has looked, and its proposal is under way
    again = await other.coordinator.write(put(key, 1), Level.QUORUM, soon())
    after = await other.coordinator.write(Write("k", "another's"), Level.QUORUM, soon())
    with pytest.raises(OutcomeUnknownError, match="it knows another attempt"):
        await late
    await ended(one)
    assert again.version < after.version
    assert {*(await nodes.values("k")).values()} == {"another's"}


@virtual
async def test_an_attempt_without_an_answer_from_a_majority_says_that_it_is_not_known() -> None:
    nodes = Nodes()
    one, other = nodes.coordinator(A), nodes.coordinator(B)
    key = new_key()
    await one.coordinator.write(put(key), Level.QUORUM, soon())
    other.fail(A, C, is_down=True)
    with pytest.raises(OutcomeUnknownError) as caught:
        await other.coordinator.write(put(key, 1), Level.QUORUM, soon())
    assert set(caught.value.missing) == {A, C}
    other.fail(A, C, swallows=True)
    with pytest.raises(OutcomeUnknownError):
        await other.coordinator.write(put(key, 2), Level.QUORUM, soon(1.0))
    await ended(one)


@virtual
async def test_time_to_live_and_what_existed_are_agreed_too() -> None:
    nodes = Nodes()
    one, other = nodes.coordinator(A), nodes.coordinator(B)
    key = new_key()
    await one.coordinator.write(put(key, ttl_ms=60_000), Level.QUORUM, soon())
    await asyncio.sleep(1)
    again = await other.coordinator.write(put(key, 1, ttl_ms=60_000), Level.QUORUM, soon())
    await ended(one)
    records = [await nodes.stores[url].get("k") for url in (A, B, C)]
    assert {record.expires_at for record in records if record} == {START_MS + 60_000}
    assert again.existed is False
    gone = new_key()
    for attempt in range(3):
        written = await other.coordinator.write(put(gone, attempt, None), Level.QUORUM, soon())
        assert written.existed is True
    await ended(other)


@virtual
async def test_a_moment_that_passes_between_two_attempts_is_agreed_too() -> None:
    """Whether it had passed is decided once."""
    nodes = Nodes()
    one, other = nodes.coordinator(A), nodes.coordinator(B)
    soon_over, over = new_key(), new_key()
    moments = {soon_over: START_MS + 500, over: START_MS - 1}
    for key, moment in moments.items():
        for attempt, seat in enumerate((one, other)):
            write = Write(f"k{moment}", "x", 0, key, attempt, moment)
            await seat.coordinator.write(write, Level.QUORUM, soon())
            await asyncio.sleep(1 if key == soon_over else 0)
    await ended(one)
    await ended(other)
    for moment, value in {START_MS + 500: "x", START_MS - 1: None}.items():
        records = [await nodes.stores[url].get(f"k{moment}") for url in (A, B, C)]
        assert {record.value for record in records if record} == {value}
        assert len(set(records)) == 1


@virtual
async def test_the_same_key_with_another_moment_is_another_write() -> None:
    write = Write("k", "x", 0, new_key())
    later = write._replace(expires_at_ms=START_MS)
    assert operation_of(write) != operation_of(later) != operation_of(later._replace(ttl_ms=START_MS))


@virtual
async def test_the_same_key_with_other_content_is_another_write() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    key = new_key()
    first = await seat.coordinator.write(put(key, value="a"), Level.QUORUM, soon())
    other = await seat.coordinator.write(put(key, value="b"), Level.QUORUM, soon())
    await ended(seat)
    assert other.version > first.version
    different = [put(key), put(key, value=None), Write("j", "x", 0, key), Write("k", b"x", 0, key)]
    assert len({operation_of(write).id for write in different}) == 4
    assert operation_of(put(key)) == operation_of(put(key, 7))


@virtual
async def test_a_batch_may_hold_writes_of_both_kinds() -> None:
    nodes = Nodes()
    one, other = nodes.coordinator(A), nodes.coordinator(B)
    key = new_key()

    def batch(attempt: int) -> list[Write]:
        return [Write("plain", "p"), *(Write(f"k{i}", f"{i}", 0, key, attempt) for i in range(20))]

    first = await one.coordinator.write_many(batch(0), Level.QUORUM, soon())
    again = await other.coordinator.write_many(batch(1), Level.QUORUM, soon())
    await ended(one)
    await ended(other)
    assert all(isinstance(written, Written) for written in (*first, *again))
    assert [w.version for w in again[1:]] == [w.version for w in first[1:]]  # type: ignore[union-attr]
    assert sorted(one.wire.called("agree")) == [A, B, C]
    assert sorted(other.wire.called("agree")) == sorted([A, B, C] * 2)


@virtual
async def test_the_time_in_a_key_is_now_and_not_long_ago() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    seat.fail()
    for ahead_ms, text in ((MAX_AHEAD_MS + 1, "set the client's clock"), (-MAX_AGE_MS - 1, "ms old")):
        with pytest.raises(InvalidRequestError, match=text):
            await seat.coordinator.write(put(new_key(ahead_ms)), Level.QUORUM, soon())
        with pytest.raises(OutcomeUnknownError, match=text):
            await seat.coordinator.write(put(new_key(ahead_ms), 1), Level.QUORUM, soon())
    assert seat.wire.calls == []


@virtual
async def test_a_write_is_not_tried_again_when_replicas_may_have_forgotten_it() -> None:
    nodes = Nodes()
    one, other = nodes.coordinator(A), nodes.coordinator(B)
    key = new_key()
    await one.coordinator.write(put(key), Level.QUORUM, soon())
    await asyncio.sleep(MAX_AGE_MS / 1000 - 1)
    await other.coordinator.write(put(key, 1), Level.QUORUM, soon())
    await asyncio.sleep(2)
    with pytest.raises(OutcomeUnknownError, match="ms old"):
        await other.coordinator.write(put(key, 2), Level.QUORUM, soon())
    await ended(one)
    await ended(other)


@virtual
async def test_replicas_that_lost_their_memory_do_not_answer_for_what_was_before() -> None:
    nodes = Nodes()
    one = nodes.coordinator(A)
    key = new_key()
    await one.coordinator.write(put(key), Level.QUORUM, soon())
    await ended(one)
    await asyncio.sleep(1)
    nodes.start(C)
    other = nodes.coordinator(B)
    other.fail(B, is_down=True)
    with pytest.raises(OutcomeUnknownError, match="it does not know"):
        await other.coordinator.write(put(key, 1), Level.QUORUM, soon())
    await asyncio.sleep(MARGIN_MS / 1000)
    await other.coordinator.write(put(new_key()), Level.QUORUM, soon())
    await ended(other)


@virtual
async def test_an_attempt_follows_a_newer_topology() -> None:
    nodes = Nodes(A, B, C, D)
    seat = nodes.coordinator()
    newer = leave(nodes.topology, "id-d")
    for url in (B, C, D):
        before = nodes.places[url].layout.topology
        nodes.places[url].adopt(newer)
        nodes.replicas[url].follow(before, newer)
    written = await seat.coordinator.write(put(new_key()), Level.QUORUM, soon())
    await ended(seat)
    assert written.epoch == newer.epoch
    assert seat.coordinator.counters.stale_restarts


@virtual
async def test_a_clock_that_is_off_leaves_a_later_attempt_unknown() -> None:
    nodes = Nodes()
    seat = nodes.coordinator(problem=lambda: "the clock is off")
    key = new_key()
    with pytest.raises(UnavailableError, match="the clock is off") as caught:
        await seat.coordinator.write(put(key), Level.QUORUM, soon())
    assert not isinstance(caught.value, OutcomeUnknownError)
    with pytest.raises(OutcomeUnknownError, match="the clock is off"):
        await seat.coordinator.write(put(key, 1), Level.QUORUM, soon())


@virtual
async def test_first_attempts_that_were_doubled_on_the_way_are_one_write() -> None:
    nodes = Nodes()
    one, other = nodes.coordinator(A), nodes.coordinator(B)
    one.fail(B, delay=0.1)
    other.fail(A, delay=0.1)
    key = new_key()
    outcomes: list[Written | BaseException] = await asyncio.gather(
        *(seat.coordinator.write(put(key), Level.QUORUM, soon()) for seat in (one, other)),
        return_exceptions=True,
    )
    done = [outcome for outcome in outcomes if isinstance(outcome, Written)]
    lost = [outcome for outcome in outcomes if not isinstance(outcome, Written)]
    assert all(isinstance(error, OutcomeUnknownError) for error in lost)
    try:
        again = await one.coordinator.write(put(key, 1), Level.QUORUM, soon())
    except LimeDBError as error:
        raise AssertionError(outcomes) from error
    await ended(one)
    await ended(other)
    assert {written.version for written in done} <= {again.version}
    assert {*(await nodes.versions("k")).values()} == {again.version}
