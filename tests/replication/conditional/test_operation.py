"""Read-modify-write: the new value is made of the newest one, once, and answered alike by any coordinator."""

import asyncio
from dataclasses import dataclass

import pytest

from limedb.core.conditional import MAX_OUTCOME_BYTES
from limedb.core.edits import Append, Edit, Increment, Swap
from limedb.core.hlc import FIRST_BALLOT, version_at
from limedb.core.quorum import Level
from limedb.core.record import Record
from limedb.errors import (
    AnswerForgottenError,
    EditRefusedError,
    LimeDBError,
    UnavailableError,
    ValueTooLargeError,
)
from limedb.replication.conditional.operation import FRESH_MS
from limedb.replication.coordinator import Write, Written
from tests.cluster.virtual import START_MS
from tests.replication.conditional.test_proposer import ended, new_key, soon
from tests.replication.nodes import A, B, C, Fault, Nodes, Seat, virtual

ONE = Write("k", "1", edit=Increment(1))


async def change(seat: Seat, write: Write, seconds: float = 5.0) -> Written:
    return await seat.coordinator.write(write, Level.QUORUM, soon(seconds))


async def blind(seat: Seat, value: str | bytes | None) -> None:
    await seat.coordinator.write(Write("k", value), Level.QUORUM, soon())


@virtual
async def test_increments_of_many_coordinators_add_up_and_each_has_its_own_answer() -> None:
    nodes = Nodes()
    seats = [nodes.coordinator(url) for url in (A, B, C)]
    done = await asyncio.gather(*(change(seat, ONE, 60) for seat in seats for _ in range(7)))
    await ended(*seats)
    assert sorted(int(str(written.answer)) for written in done) == [*range(1, 22)]
    assert {*(await nodes.values("k")).values()} == {"21"}


@virtual
async def test_those_of_one_coordinator_take_turns_with_one_ballot_each() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    seat.wire.faults = {url: Fault(delay=0.002) for url in (B, C)}
    await asyncio.gather(*(change(seat, ONE) for _ in range(20)))
    await ended(seat)
    assert len(seat.wire.called("promise")) == 20 * 3


@virtual
async def test_whose_turn_does_not_come_in_time_has_written_nothing() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    seat.wire.faults = {url: Fault(delay=0.4) for url in (B, C)}
    first, second = await asyncio.gather(change(seat, ONE, 5), change(seat, ONE, 0.3), return_exceptions=True)
    await ended(seat)
    assert isinstance(first, Written)
    assert type(second) is UnavailableError
    assert second.nothing_written
    assert {*(await nodes.values("k")).values()} == {"1"}


@virtual
async def test_a_record_that_can_not_be_acknowledged_in_time_is_not_sent() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    seat.wire.faults = {url: Fault(delay=0.2) for url in (B, C)}
    with pytest.raises(UnavailableError, match="nothing was written") as caught:
        await change(seat, ONE, 0.35)
    await ended(seat)
    assert type(caught.value) is UnavailableError
    assert not seat.wire.called("apply")
    assert await nodes.values("k") == {}


@dataclass(frozen=True)
class Case:
    """An edit that is sent again. before: what the key has; answer: of the edit; after: what it leaves."""

    edit: Edit
    given: str | bytes | None
    before: str | bytes | None
    answer: str | bytes | None
    after: str | bytes | None


CASES = [
    Case(Increment(5), "5", "37", "42", "42"),
    Case(Increment(5), "105", None, "105", "105"),
    Case(Append(99), b"cd", b"ab", "4", b"abcd"),
    Case(Swap(9), "new", b"old", b"old", "new"),
    Case(Swap(9), "new", None, None, "new"),
    Case(Swap(9), None, "old", "old", None),
]


@pytest.mark.parametrize("case", CASES)
@virtual
async def test_sent_again_it_takes_effect_once_and_answers_the_same(case: Case) -> None:
    """At another coordinator, after others have written, and after a record was written anew."""
    nodes = Nodes()
    one, other = nodes.coordinator(A), nodes.coordinator(B)
    if case.before is not None:
        await blind(one, case.before)
    write = Write("k", case.given, idempotency_key=new_key(), edit=case.edit)
    first = await change(one, write)
    assert first.answer == case.answer
    assert {*(await nodes.values("k")).values()} == {case.after}
    again = await change(other, write._replace(attempt=1))
    assert (again.answer, again.version) == (case.answer, first.version)
    await nodes.replicas[A].guard.promise("k", version_at(START_MS + 90, FIRST_BALLOT), START_MS)
    other.wire.faults[C] = Fault(is_down=True)
    for number in range(12):
        await change(other, Write("k", str(number), edit=Swap()))
    last = await change(other, write._replace(attempt=2))
    await ended(one, other)
    assert (last.answer, last.version) == (case.answer, first.version)
    assert (await nodes.values("k"))[A] == "11"


@virtual
async def test_an_answer_that_is_forgotten_is_not_guessed() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    await blind(seat, "x" * (MAX_OUTCOME_BYTES + 1))
    write = Write("k", "new", idempotency_key=new_key(), edit=Swap(9999))
    await change(seat, write)
    assert len(str((await change(seat, write._replace(attempt=1))).answer)) == MAX_OUTCOME_BYTES + 1
    await change(seat, Write("k", "newer", edit=Swap()))
    with pytest.raises(AnswerForgottenError, match="took effect, once, but its answer is forgotten"):
        await change(seat, write._replace(attempt=2))
    await ended(seat)
    assert {*(await nodes.values("k")).values()} == {"newer"}


@virtual
async def test_a_first_attempt_that_comes_late_may_not_be_the_only_one() -> None:
    """A node that was stopped reads it when another has carried out the second, and others wrote since."""
    nodes = Nodes()
    one, other = nodes.coordinator(A), nodes.coordinator(B)
    write = ONE._replace(idempotency_key=new_key())
    await change(other, write._replace(attempt=1))
    await blind(other, "100")
    await asyncio.sleep(FRESH_MS / 1000 + 0.1)
    with pytest.raises(UnavailableError, match="after the time in its idempotency key") as caught:
        await change(one, write)
    assert type(caught.value) is UnavailableError
    assert caught.value.retry_seconds > 0
    assert (await change(one, ONE._replace(idempotency_key=new_key()))).answer == "101"
    await asyncio.sleep(5)
    assert (await change(one, ONE._replace(idempotency_key=new_key()))).answer == "102"
    await ended(one, other)


REFUSED: list[tuple[Edit, str | bytes | None, str | bytes, type[LimeDBError]]] = [
    (Increment(1), "1", "x", EditRefusedError),
    (Increment(1), "1", b"1", EditRefusedError),
    (Increment(1), "1", str((1 << 63) - 1), EditRefusedError),
    (Append(4), "abcd", "x", ValueTooLargeError),
    (Append(99), b"ab", "x", EditRefusedError),
    (Swap(4), "abcd", "x", EditRefusedError),
]


@pytest.mark.parametrize(("edit", "given", "has", "error"), REFUSED)
@pytest.mark.parametrize("attempt", [0, 1])
@virtual
async def test_what_can_not_be_changed_so_is_left_alone(
    edit: Edit, given: str | bytes | None, has: str | bytes, error: type[LimeDBError], attempt: int
) -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    await blind(seat, has)
    await asyncio.sleep(5)  # so that a second attempt finds out that there was no first one
    before = await nodes.versions("k")
    with pytest.raises(error):
        await change(seat, Write("k", given, 0, new_key(), attempt, edit=edit))
    await ended(seat)
    assert await nodes.versions("k") == before
    assert {*(await nodes.values("k")).values()} == {has}


@virtual
async def test_what_adds_to_a_value_keeps_its_expiry_and_a_new_value_has_its_own() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()

    async def expiry(write: Write) -> int:
        await change(seat, write)
        (held,) = await nodes.stores[A].get_many(["k"])
        assert isinstance(held, Record)
        return held.expires_at

    def now_ms() -> int:
        return START_MS + int(asyncio.get_running_loop().time() * 1000)

    first = await expiry(ONE._replace(ttl_ms=60_000))
    assert first == pytest.approx(now_ms() + 60_000, abs=2000)
    await asyncio.sleep(1)
    assert await expiry(ONE._replace(ttl_ms=60_000)) == first
    assert await expiry(ONE) == first
    assert await expiry(Write("k", "0", edit=Append(99))) == first
    assert await expiry(Write("k", "a", edit=Swap(), keep_ttl=True)) == first
    assert await expiry(Write("k", "a", 90_000, edit=Swap())) > first
    assert await expiry(Write("k", "a", edit=Swap())) == 0
    await expiry(Write("k", "5", 1000, edit=Swap()))
    await asyncio.sleep(2)
    assert (await change(seat, ONE)).answer == "1"
    await ended(seat)
