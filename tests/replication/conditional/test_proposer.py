"""Conditional writes: judged on what a majority has, once, whatever happens on the way.

Tests limedb/replication/conditional/rounds.py and limedb/replication/write/apart.py.
"""

import asyncio

import pytest

from limedb.core.condition import Condition
from limedb.core.hlc import FIRST_BALLOT, version_at
from limedb.core.quorum import Level
from limedb.core.record import Record
from limedb.errors import (
    ConditionFailedError,
    InvalidRequestError,
    LevelUnreachableError,
    OutcomeUnknownError,
    RemoteError,
    UnavailableError,
)
from limedb.ports import Promised
from limedb.replication.coordinator import Write, Written
from tests.cluster.virtual import START_MS
from tests.replication.conditional.calls import ABSENT, cas, ended, new_key, soon
from tests.replication.nodes import A, B, C, Fault, Nodes, Seat, left_tasks, virtual

ANY = Condition(exists=True)


async def failure(seat: Seat, condition: Condition) -> ConditionFailedError:
    with pytest.raises(ConditionFailedError) as caught:
        await cas(seat, "never", condition)
    return caught.value


@virtual
async def test_a_write_takes_effect_where_its_condition_holds_and_only_there() -> None:
    nodes = Nodes()
    one, other = nodes.coordinator(A), nodes.coordinator(B)
    first = await cas(one, "1", ABSENT)
    assert not first.existed
    failed = await failure(other, ABSENT)
    assert (failed.version, failed.exists, failed.record) == (
        first.version,
        1,
        Record("k", "1", first.version),
    )
    second = await cas(other, "2", Condition(version=first.version))
    assert second.existed
    await failure(one, Condition(version=first.version))
    third = await cas(one, "3", Condition(value="2"))
    await cas(other, None, Condition(version=third.version))
    gone = await failure(one, ANY)
    assert (gone.version, gone.exists, gone.record) == (0, 0, None)
    await cas(one, "4", ABSENT)
    await ended(one, other)
    assert await nodes.values("k") == {A: "4", B: "4", C: "4"}
    assert left_tasks() == []


@virtual
async def test_a_condition_that_fails_changes_nothing() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    written = await cas(seat, "1", ABSENT)
    for _ in range(5):
        await failure(seat, ABSENT)
    await ended(seat)
    assert await nodes.versions("k") == dict.fromkeys((A, B, C), written.version)
    assert all(replica.guard.promised.of("k") == (written.version,) for replica in nodes.replicas.values())


@virtual
async def test_a_later_attempt_that_fails_changes_no_version() -> None:
    """A lock's holder knows the version; who tries to take it again and again must not change that."""
    nodes = Nodes()
    seat, key = nodes.coordinator(), new_key()
    written = await cas(seat, "holder", ABSENT)
    for attempt in range(4):
        write = Write("k", "thief", 0, key, attempt, condition=ABSENT)
        with pytest.raises(ConditionFailedError):
            await seat.coordinator.write(write, Level.QUORUM, soon())
    await ended(seat)
    assert await nodes.versions("k") == dict.fromkeys((A, B, C), written.version)


@virtual
async def test_of_many_at_once_one_wins_and_counts_add_up() -> None:
    nodes = Nodes()
    seats = [nodes.coordinator(url) for url in (A, B, C)]

    async def add(seat: Seat) -> None:
        while True:
            read = await seat.coordinator.resolver.resolve(("k",), Level.LINEARIZABLE, soon(20))
            record = read[0].record
            known = int(record.value) if isinstance(record, Record) and isinstance(record.value, str) else 0
            condition = Condition(value=str(known)) if known else ABSENT
            try:
                await cas(seat, str(known + 1), condition, 20)
            except ConditionFailedError:
                continue
            return

    await asyncio.gather(*(add(seat) for seat in seats for _ in range(5)))
    await ended(*seats)
    assert {*(await nodes.values("k")).values()} == {"15"}


@virtual
async def test_one_replica_may_be_away() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    seat.wire.faults[C] = Fault(is_down=True)
    written = await cas(seat, "1", ABSENT)
    await failure(seat, ABSENT)
    await ended(seat)
    assert await nodes.versions("k") == {A: written.version, B: written.version}
    assert seat.hints.waiting()


@virtual
async def test_without_a_majority_nothing_is_written_and_that_is_said() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    seat.wire.faults[B] = seat.wire.faults[C] = Fault(is_down=True)
    with pytest.raises(LevelUnreachableError, match="nothing was written"):
        await cas(seat, "1", ABSENT)
    await ended(seat)
    assert await nodes.values("k") == {}


@virtual
async def test_a_node_without_conditional_writes_is_named() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    old = RemoteError(B, "FAILED", "UNIMPLEMENTED", "unknown method Promise")
    seat.wire.faults[B] = seat.wire.faults[C] = Fault(error=old)
    with pytest.raises(LevelUnreachableError, match="without conditional writes: upgrade it"):
        await cas(seat, "1", ABSENT)
    await ended(seat)


@virtual
async def test_a_record_on_a_minority_is_completed_before_a_failure_is_answered() -> None:
    nodes = Nodes()
    record = Record("k", "half", version_at(START_MS - 9, FIRST_BALLOT))
    await nodes.put(record, B)
    seat = nodes.coordinator()
    seat.wire.faults[C] = Fault(is_down=True)
    failed = await failure(seat, ABSENT)
    await ended(seat)
    assert failed.version == record.version
    assert await nodes.versions("k") == {A: record.version, B: record.version}


@virtual
async def test_where_a_dead_coordinator_left_a_promise_the_content_is_written_again() -> None:
    """B holds a record; A has promised a later write, of which nobody knows more. Nothing waits for it."""
    nodes = Nodes()
    record = Record("k", "half", version_at(START_MS - 9, FIRST_BALLOT))
    await nodes.put(record, B)
    left = version_at(START_MS - 5, FIRST_BALLOT)
    await nodes.replicas[A].guard.promise("k", left, START_MS)
    seat = nodes.coordinator()
    seat.wire.faults[C] = Fault(is_down=True)
    failed = await failure(seat, ABSENT)
    await ended(seat)
    assert failed.record is not None
    assert (failed.record.value, failed.version > left) == ("half", True)
    assert await nodes.versions("k") == {A: failed.version, B: failed.version}


@virtual
async def test_a_read_ends_what_a_dead_coordinator_left() -> None:
    nodes = Nodes()
    await nodes.put(Record("k", "half", version_at(START_MS - 9, FIRST_BALLOT)), B)
    await nodes.replicas[A].guard.promise("k", version_at(START_MS - 5, FIRST_BALLOT), START_MS)
    seat = nodes.coordinator()
    seat.wire.faults[C] = Fault(is_down=True)
    for level in Level.QUORUM, Level.LINEARIZABLE:
        assert (await seat.coordinator.get("k", level, soon())).value == "half"
    await ended(seat)
    assert {*(await nodes.values("k")).values()} == {"half"}


@pytest.mark.parametrize("level", [Level.QUORUM, Level.LINEARIZABLE])
@virtual
async def test_writes_without_a_condition_go_above_promises(level: Level) -> None:
    nodes = Nodes()
    ahead = version_at(START_MS + 300, FIRST_BALLOT)
    for url in A, B:
        await nodes.replicas[url].guard.promise("k", ahead, START_MS)
    seat = nodes.coordinator()
    written = await seat.coordinator.write(Write("k", "blind"), level, soon())
    await ended(seat)
    assert written.version > ahead
    assert {*(await nodes.values("k")).values()} == {"blind"}


@virtual
async def test_a_write_with_an_idempotency_key_goes_above_promises_once() -> None:
    nodes = Nodes()
    ahead = version_at(START_MS + 300, FIRST_BALLOT)
    for url in A, B:
        await nodes.replicas[url].guard.promise("k", ahead, START_MS)
    seat, key = nodes.coordinator(), new_key()
    first = await seat.coordinator.write(Write("k", "x", 0, key), Level.QUORUM, soon())
    await cas(seat, "other's", Condition(value="x"))
    again = await seat.coordinator.write(Write("k", "x", 0, key, 1), Level.QUORUM, soon())
    await ended(seat)
    assert again.version == first.version > ahead
    assert {*(await nodes.values("k")).values()} == {"other's"}


async def begin(seat: Seat, seconds: float, after: Fault) -> "asyncio.Future[Written]":
    """Begin a conditional write; from its promises on, B and C have a fault."""
    slow = Fault(delay=0.01)
    seat.wire.faults |= {B: slow, C: slow}
    writing = asyncio.ensure_future(cas(seat, "1", ABSENT, seconds))
    await asyncio.sleep(0.005)
    assert {*seat.wire.called("promise")} == {A, B, C}
    seat.wire.faults |= {B: after, C: after}
    return writing


@virtual
async def test_what_was_stored_by_too_few_is_found_out_and_not_guessed() -> None:
    """B and C refuse the record of the first ballot for a while."""
    nodes = Nodes()
    seat = nodes.coordinator()
    writing = await begin(seat, 5.0, Fault(refuses=True))
    await asyncio.sleep(0.02)
    seat.wire.faults.clear()
    written = await writing
    await ended(seat)
    assert not written.existed
    assert {*(await nodes.versions("k")).values()} == {written.version}


@virtual
async def test_what_was_stored_without_an_answer_is_not_written_twice() -> None:
    """B and C have the record, and their answers are lost."""
    nodes = Nodes()
    seat = nodes.coordinator()
    writing = await begin(seat, 5.0, Fault(swallows=True, is_lost=True))
    await asyncio.sleep(0.02)
    stored = await nodes.versions("k")
    seat.wire.faults.clear()
    written = await writing
    await ended(seat)
    assert {*stored.values()} == {written.version}


@virtual
async def test_where_it_can_not_be_found_out_the_outcome_is_unknown() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    writing = await begin(seat, 1.0, Fault(refuses=True))
    with pytest.raises(OutcomeUnknownError):
        await writing
    await ended(seat)


@virtual
async def test_sent_again_with_its_key_it_takes_effect_once() -> None:
    nodes = Nodes()
    one, other = nodes.coordinator(A), nodes.coordinator(B)
    write = Write("k", "1", idempotency_key=new_key(), condition=ABSENT)
    first = await one.coordinator.write(write, Level.QUORUM, soon())
    again = await other.coordinator.write(write._replace(attempt=1), Level.QUORUM, soon())
    assert (again.version, again.existed) == (first.version, first.existed)
    await cas(one, "2", Condition(version=first.version))
    later = await other.coordinator.write(write._replace(attempt=2), Level.QUORUM, soon())
    await ended(one, other)
    assert later.version == first.version
    assert {*(await nodes.values("k")).values()} == {"2"}


@virtual
async def test_sent_again_after_writes_that_remember_nothing_its_outcome_is_unknown() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    write = Write("k", "1", idempotency_key=new_key(), condition=ABSENT)
    await seat.coordinator.write(write, Level.QUORUM, soon())
    await seat.coordinator.write(Write("k", "blind"), Level.QUORUM, soon())
    with pytest.raises(OutcomeUnknownError):
        await seat.coordinator.write(write._replace(attempt=1), Level.QUORUM, soon())
    await ended(seat)


@virtual
async def test_a_value_keeps_its_time_to_live() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    await seat.coordinator.write(Write("k", "1", ttl_ms=60_000), Level.QUORUM, soon())
    before = await nodes.stores[A].get("k")
    await seat.coordinator.write(Write("k", "2", keep_ttl=True), Level.QUORUM, soon())
    await seat.coordinator.write(Write("new", "3", keep_ttl=True), Level.QUORUM, soon())
    after, new = await nodes.stores[A].get_many(["k", "new"])
    await ended(seat)
    assert isinstance(before, Record)
    assert isinstance(after, Record)
    assert isinstance(new, Record)
    assert (after.value, after.expires_at, new.expires_at) == ("2", before.expires_at, 0)


@virtual
async def test_an_expired_value_is_absent() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    await seat.coordinator.write(Write("k", "1", ttl_ms=100), Level.QUORUM, soon())
    await failure(seat, ABSENT)
    await asyncio.sleep(0.2)
    assert not (await cas(seat, "2", ABSENT)).existed
    await ended(seat)


@virtual
async def test_each_write_of_a_batch_is_judged_by_itself() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    writes = [
        Write("a", "1", condition=ABSENT),
        Write("b", "2"),
        Write("c", "3", condition=ANY),
        Write("d", None, condition=ABSENT),
    ]
    a, b, c, d = await seat.coordinator.write_many(writes, Level.QUORUM, soon())
    assert [type(a), type(b), type(c), type(d)] == [Written, Written, ConditionFailedError, Written]
    with pytest.raises(InvalidRequestError, match="twice"):
        await seat.coordinator.write_many([writes[0], Write("a", "2")], Level.QUORUM, soon())
    await ended(seat)


@virtual
async def test_a_contended_key_is_given_up_at_the_deadline_and_nothing_was_written() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()

    async def others_were_faster(key: str, ballot: int, now_ms: int) -> Promised:
        return Promised(False, ballot + 1)

    for replica in nodes.replicas.values():
        replica.guard.promise = others_were_faster  # type: ignore[method-assign]
    with pytest.raises(UnavailableError, match=r"contended: others were faster .* nothing was written"):
        await cas(seat, "1", ABSENT, 0.3)
    await ended(seat)
    assert await nodes.values("k") == {}
