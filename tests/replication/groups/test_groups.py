"""Changes of keys with one tag: decided at their register, stored as one, seen as one.

Tests limedb/replication/write/apart.py.
"""

import asyncio
from collections.abc import Sequence

import pytest

from limedb.core.condition import Condition
from limedb.core.edits import Increment
from limedb.core.groups import register_of
from limedb.core.quorum import Level
from limedb.core.record import Record
from limedb.core.transactions import Judged, StepOutcome
from limedb.errors import (
    ConditionFailedError,
    EditRefusedError,
    InvalidRequestError,
    LevelUnreachableError,
    LimeDBError,
    OutcomeUnknownError,
    ResponseTooLargeError,
)
from limedb.replication.coordinator import Write, Written
from limedb.replication.groups.transaction import Comparison, Lookup, Step, Transaction
from tests.cluster.virtual import START_MS
from tests.replication.nodes import A, B, C, D, Nodes, Seat, left_tasks, virtual

X, Y, Z, REGISTER = "{g}x", "{g}y", "{g}z", register_of("g")
E = "http://e:1"


def soon(seconds: float = 5.0) -> float:
    return asyncio.get_running_loop().time() + seconds


def new_key(number: int = 0) -> bytes:
    now_ms = START_MS + int(asyncio.get_running_loop().time() * 1000)
    return now_ms.to_bytes(6, "big") + number.to_bytes(10, "big")


def when(*comparisons: tuple[str, Condition]) -> list[Comparison]:
    return [Comparison(key, condition) for key, condition in comparisons]


async def transact(
    seat: Seat, comparisons: Sequence[Comparison], success: Sequence[Step], failure: Sequence[Step] = ()
) -> tuple[Judged, Written | None]:
    return await seat.coordinator.transact(Transaction(comparisons, success, failure), soon())


async def put(seat: Seat, key: str, value: str | None, level: Level = Level.QUORUM) -> Written:
    return await seat.coordinator.write(Write(key, value), level, soon())


async def get(seat: Seat, key: str, level: Level = Level.LINEARIZABLE) -> str | bytes | None:
    (found,) = await seat.coordinator.get_many((key,), level, soon())
    if isinstance(found, LimeDBError):
        return None
    assert found is not None
    assert not isinstance(found, bytes)
    return found.value


async def ended(*seats: Seat) -> None:
    for seat in seats:
        await seat.coordinator.close()


@virtual
async def test_a_transaction_writes_all_its_keys_with_one_version_or_takes_the_other_steps() -> None:
    nodes = Nodes()
    one, other = nodes.coordinator(A), nodes.coordinator(B)
    absent = when((X, Condition(version=0)), (Y, Condition(exists=False)))
    judged, written = await transact(one, absent, [Write(X, "1"), Write(Y, "2")])
    assert judged == Judged(True, (StepOutcome(False), StepOutcome(False)))
    assert written is not None
    await ended(one)
    assert await nodes.versions(X) == await nodes.versions(Y) == dict.fromkeys((A, B, C), written.version)
    looks = [Lookup(X), Lookup(Z)]
    judged, nothing = await transact(other, absent, [Write(Z, "never")], looks)
    assert judged == Judged(
        False, (StepOutcome(True, None, Record(X, "1", written.version)), StepOutcome(False))
    )
    assert nothing is None
    assert await nodes.values(Z) == {}
    await ended(other)
    assert left_tasks() == []


@virtual
async def test_steps_see_what_was_there_before_all_of_them() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    await put(seat, X, "5")
    judged, _ = await transact(
        seat, (), [Write(X, "6"), Lookup(X), Write(Y, "1", edit=Increment(1)), Lookup(Y), Write(Z, None)]
    )
    assert [step.existed for step in judged.steps] == [True, True, False, False, False]
    assert judged.steps[1].found is not None
    assert judged.steps[1].found.value == "5"
    assert judged.steps[2].answer == "1"
    assert (await get(seat, X), await get(seat, Y)) == ("6", "1")
    await ended(seat)


@virtual
async def test_a_single_write_of_a_group_answers_as_that_of_another_key() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    first = await put(seat, X, "1", Level.ONE)
    assert (first.existed, first.replicas) == (False, 3)
    assert (await put(seat, X, None)).existed
    with pytest.raises(ConditionFailedError) as failed:
        await seat.coordinator.write(Write(X, "2", condition=Condition(exists=True)), Level.QUORUM, soon())
    assert (failed.value.key, failed.value.version, failed.value.record) == (X, 0, None)
    added = await seat.coordinator.write(Write(X, "3", edit=Increment(3)), Level.QUORUM, soon())
    assert added.answer == "3"
    await put(seat, Y, "text")
    with pytest.raises(EditRefusedError):
        await seat.coordinator.write(Write(Y, "1", edit=Increment(1)), Level.QUORUM, soon())
    assert await get(seat, Y) == "text"
    everywhere = await put(seat, X, "all", Level.ALL)
    assert everywhere.acked == 3
    await ended(seat)


@virtual
async def test_a_batch_writes_the_keys_of_each_group_together() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    writes = [
        Write(X, "1"),
        Write("plain", "2"),
        Write("{h}x", "3"),
        Write(Y, "4"),
        Write(Z, None),
        Write("q", None),
    ]
    outcomes = await seat.coordinator.write_many(writes, Level.QUORUM, soon())
    versions = [outcome.version for outcome in outcomes if isinstance(outcome, Written)]
    assert len(versions) == len(writes)
    assert versions[0] == versions[3] == versions[4]
    assert len({*versions}) == 4
    again = await seat.coordinator.write_many(writes, Level.QUORUM, soon())
    assert [o.existed for o in again if isinstance(o, Written)] == [True, True, True, True, False, False]
    many = [Write(f"{{h}}{i}", "v") for i in range(300)]
    found = await seat.coordinator.write_many(many, Level.QUORUM, soon())
    assert len({o.version for o in found if isinstance(o, Written)}) == 3
    is_one = Condition(value="1")
    conditional = [Write(X, "5", condition=is_one), Write(Y, "6", condition=is_one)]
    done, failed = await seat.coordinator.write_many(conditional, Level.QUORUM, soon())
    assert isinstance(done, Written)
    assert isinstance(failed, ConditionFailedError)
    await ended(seat)


async def left_in_part(nodes: Nodes, one: Seat) -> tuple[str, str]:
    """Decide a change of two keys, and store one of them alone: the owner of the other answers no longer, and
    then the coordinator gives up. The key that is stored, and the other.
    """
    layout = nodes.places[A].layout
    owner = {key: layout.of_key(key).natural[0] for key in (REGISTER, *(f"{{g}}{i}" for i in range(50)))}
    apart = [key for key in owner if owner[key] not in (A, owner[REGISTER])]
    here, there = next((h, t) for h in apart for t in apart if owner[h] != owner[t])
    wanted = Transaction((), [Write(here, "new"), Write(there, "new")])
    task = asyncio.ensure_future(one.coordinator.transact(wanted, soon(1.0)))
    await one.wire.begun("apply", REGISTER)
    one.fail(owner[there], swallows=True)
    with pytest.raises(OutcomeUnknownError, match="could not be stored under its keys yet") as unknown:
        await task
    assert unknown.value.key in (here, there)
    assert await nodes.values(here) == {owner[here]: "new"}
    assert await nodes.values(there) == {}
    return here, there


@virtual
async def test_a_change_that_is_stored_in_part_is_seen_whole_at_linearizable() -> None:
    nodes = Nodes(A, B, C, D, E, replication_factor=1)
    one, other = nodes.coordinator(A), nodes.coordinator(B)
    here, there = await left_in_part(nodes, one)
    assert await get(other, here, Level.QUORUM) == "new"
    assert await get(other, there, Level.QUORUM) is None, "a read at QUORUM may see a part"
    assert await get(other, here) == "new"
    assert await get(other, there) == "new", "once a read saw a part, the next one sees the rest"
    await ended(one, other)


@virtual
async def test_a_transaction_that_reads_sees_it_whole() -> None:
    nodes = Nodes(A, B, C, D, E, replication_factor=1)
    one, other = nodes.coordinator(A), nodes.coordinator(B)
    keys = await left_in_part(nodes, one)
    judged, _ = await transact(other, (), [Lookup(key) for key in keys])
    assert [step.found.value for step in judged.steps if step.found is not None] == ["new", "new"]
    await ended(one, other)


@virtual
async def test_the_next_change_is_judged_on_what_was_left() -> None:
    nodes = Nodes()
    one, other = nodes.coordinator(A), nodes.coordinator(B)
    task = asyncio.ensure_future(
        one.coordinator.transact(Transaction((), [Write(X, "left"), Write(Y, "left")]), soon(1.0))
    )
    await one.wire.begun("apply", REGISTER)
    one.fail(A, B, C, refuses=True)
    with pytest.raises(OutcomeUnknownError):
        await task
    judged, _ = await transact(other, when((X, Condition(value="left"))), [Write(X, "next")])
    assert judged.succeeded
    assert (await get(other, X), await get(other, Y)) == ("next", "left")
    await ended(one, other)


@virtual
async def test_keys_are_changed_together_that_are_too_large_to_be_read_together() -> None:
    nodes = Nodes()
    one, other = nodes.coordinator(A), nodes.coordinator(B)
    large, keys = "x" * (3 << 20), [f"{{g}}{i}" for i in range(4)]
    await transact(one, (), [Write(key, large) for key in keys])
    there = when((keys[0], Condition(exists=True)), (keys[1], Condition(value=large)))
    judged, _ = await transact(other, there, [Write(keys[0], "0"), Write(keys[1], None)])
    assert judged == Judged(True, (StepOutcome(True), StepOutcome(True)))
    outcomes = await one.coordinator.write_many([Write(key, "new") for key in keys[1:]], Level.QUORUM, soon())
    assert [getattr(outcome, "existed", outcome) for outcome in outcomes] == [False, True, True]
    assert [await get(one, key) for key in keys] == ["0", "new", "new", "new"]
    await ended(one, other)


@virtual
async def test_what_is_too_large_to_be_answered_is_refused_before_anything_is_written() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    large, keys = "x" * (3 << 20), [f"{{g}}{i}" for i in range(7)]
    for key in keys:
        await put(seat, key, large)
    reads: list[Step] = [Lookup(key) for key in keys[:2]]
    for steps in (reads, [*reads, Write(X, "1")]):
        with pytest.raises(ResponseTooLargeError, match="read fewer keys in one transaction"):
            await transact(seat, (), steps)
    compared = when(*((key, Condition(value=large)) for key in keys))
    with pytest.raises(ResponseTooLargeError, match="compare and read fewer keys"):
        await transact(seat, compared, [Write(X, "1")])
    assert await get(seat, X) is None
    judged, _ = await transact(seat, (), reads[:1])
    (step,) = judged.steps
    assert step.found is not None
    assert step.found.value == large
    await ended(seat)


@virtual
async def test_an_attempt_that_is_sent_again_answers_as_the_first() -> None:
    nodes = Nodes()
    one, other = nodes.coordinator(A), nodes.coordinator(B)
    key = new_key()
    wanted = Transaction(
        when((X, Condition(version=0))), [Write(X, "1"), Lookup(Y), Write(Y, "5", edit=Increment(5))], (), key
    )
    first, written = await one.coordinator.transact(wanted, soon())
    await put(one, Z, "meanwhile")
    again, same = await other.coordinator.transact(wanted._replace(attempt=1), soon())
    assert again == first == Judged(True, (StepOutcome(False), StepOutcome(False), StepOutcome(False, "5")))
    assert written is not None
    assert same is not None
    assert same.version == written.version
    assert (await get(other, X), await get(other, Y)) == ("1", "5")
    other_content = wanted._replace(attempt=1, success=[Write(X, "2")])
    judged, _ = await other.coordinator.transact(other_content, soon())
    assert not judged.succeeded, "with other content it is another transaction"
    await ended(one, other)


@virtual
async def test_errors_name_keys_that_the_caller_knows() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    seat.fail(B, C, is_down=True)
    looks, writes = Transaction((), [Lookup(X)]), Transaction((), [Write(Y, "1")])
    for wanted, named in ((looks, X), (writes, Y)):
        with pytest.raises(LevelUnreachableError) as failed:
            await seat.coordinator.transact(wanted, soon(1.0))
        assert failed.value.key == named
        assert "limedb/group" not in str(failed.value)
    with pytest.raises(LevelUnreachableError) as failed:
        await seat.coordinator.get(X, Level.LINEARIZABLE, soon(1.0))
    assert "limedb/group" not in str(failed.value)
    found = await seat.coordinator.get_many((X, "{h}x"), Level.LINEARIZABLE, soon(1.0))
    assert [type(outcome) for outcome in found] == [LevelUnreachableError] * 2
    seat.wire.faults.clear()
    await ended(seat)


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ([], "names no key"),
        ([X, "plain"], "key 'plain' has no tag"),
        ([X, "{h}x"], "different tags"),
        ([X, X], "written twice"),
        ([f"{{g}}{i}" for i in range(129)], "129 keys: it may have 128"),
    ],
    ids=["none", "no tag", "two tags", "twice", "too many"],
)
@virtual
async def test_what_no_transaction_may_have_is_refused(keys: Sequence[str], text: str) -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    with pytest.raises(InvalidRequestError, match=text):
        await transact(seat, (), [Write(key, "v") for key in keys])
    assert seat.wire.calls == []


@virtual
async def test_a_register_is_emptied_once_its_change_is_stored() -> None:
    nodes = Nodes()
    one, other = nodes.coordinator(A), nodes.coordinator(B)
    written = await put(one, X, "1")
    await other.coordinator.groups.clear(REGISTER, written.version - 1, soon())
    (value,) = {*(await nodes.values(REGISTER)).values()}
    assert value, "another version is left as it is"
    await other.coordinator.groups.clear(REGISTER, written.version, soon())
    assert {*(await nodes.values(REGISTER)).values()} == {None}
    await other.coordinator.groups.clear(REGISTER, written.version, soon())
    assert await get(one, X) == "1"
    assert (await put(one, X, "2")).existed
    await ended(one, other)
