"""How a transaction is judged, and which ones there can be.

Tests limedb/core/transactions.py and limedb/replication/groups/transaction.py.
"""

from collections.abc import Sequence

import pytest

from limedb.core.condition import Condition
from limedb.core.edits import Append, Increment
from limedb.core.record import Record
from limedb.core.transactions import Judged, StepOutcome
from limedb.errors import EditRefusedError, InvalidRequestError, ValueTooLargeError
from limedb.replication.groups.operation import MAX_CHANGE_BYTES, judge
from limedb.replication.groups.transaction import Comparison, Lookup, Step, Transaction
from limedb.replication.requests import Write

NOW, VERSION = 1_000_000, 77
X, Y, Z = "{g}x", "{g}y", "{g}z"
WORD = "{g}word"
HELD = {
    X: Record(X, "1", 5),
    Y: Record(Y, "old", 6, NOW),
    Z: Record(Z, "9", 7, NOW + 50),
    WORD: Record(WORD, "many", 5),
}


def judged(
    success: Sequence[Step], *comparisons: Comparison, failure: Sequence[Step] = ()
) -> tuple[Judged, object]:
    return judge(Transaction(comparisons, success, failure), HELD, NOW, VERSION)


def test_what_has_expired_is_no_value() -> None:
    absent = Comparison(Y, Condition(version=0))
    answer, change = judged([Write(Y, "new", 10), Lookup(Y)], absent)
    assert answer == Judged(True, (StepOutcome(False), StepOutcome(False)))
    assert change == [Record(Y, "new", VERSION, NOW + 10)]


def test_a_life_is_kept_set_or_passed() -> None:
    steps = [Write(X, "a", keep_ttl=True), Write(Z, "b", keep_ttl=True), Write(Y, "c", expires_at_ms=NOW)]
    answer, change = judged(steps)
    assert [step.existed for step in answer.steps] == [True, True, False]
    assert change == [Record(X, "a", VERSION), Record(Z, "b", VERSION, NOW + 50), Record(Y, None, VERSION)]
    _, counted = judged([Write(Z, "1", 5, edit=Increment(1)), Write(Y, "3", 5, edit=Increment(3))])
    assert counted == [Record(Z, "10", VERSION, NOW + 50), Record(Y, "3", VERSION, NOW + 5)]


def test_one_comparison_that_does_not_hold_is_enough() -> None:
    holds, fails = Comparison(X, Condition(value="1")), Comparison(Z, Condition(value=b"9"))
    answer, change = judged([Write(X, "2")], holds, fails, failure=[Write(Y, None), Lookup(Z)])
    assert answer == Judged(False, (StepOutcome(False), StepOutcome(True, None, HELD[Z])))
    assert change == [Record(Y, None, VERSION)]
    assert judged([Write(X, "2")], holds)[0].succeeded


def test_a_step_that_can_not_be_taken_refuses_all() -> None:
    with pytest.raises(EditRefusedError):
        judged([Write(X, "2"), Write(Y, "1", edit=Increment(1)), Write(WORD, "1", edit=Increment(1))])
    with pytest.raises(ValueTooLargeError):
        judged([Write(Z, "x" * 100, edit=Append(100))])


def test_a_change_that_its_register_can_not_hold_is_refused() -> None:
    half = "x" * (MAX_CHANGE_BYTES // 2)
    judged([Write(X, half)])
    with pytest.raises(InvalidRequestError, match=f"over the limit of {MAX_CHANGE_BYTES}"):
        judged([Write(X, half), Write(Y, half)])


def test_the_name_of_a_transaction_is_that_of_all_it_asks() -> None:
    key = b"k" * 16
    wanted = Transaction([Comparison(X, Condition(version=1))], [Write(X, "1")], [Lookup(X)], key)
    others = [
        wanted._replace(comparisons=[Comparison(X, Condition(version=2))]),
        wanted._replace(success=[Write(X, b"1")]),
        wanted._replace(success=[Write(X, "1", edit=Increment(1))]),
        wanted._replace(failure=[]),
        wanted._replace(idempotency_key=b"l" * 16),
    ]
    assert len({other.name for other in (wanted, *others)}) == len(others) + 1
    assert wanted._replace(attempt=3).name == wanted.name
    assert wanted._replace(idempotency_key=b"").name == b""
    assert wanted.reads_only is False
    assert Transaction([], [Lookup(X)]).reads_only
