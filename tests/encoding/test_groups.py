"""Changes and answers of groups as bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limedb.core.record import Record
from limedb.core.transactions import Judged, StepOutcome
from limedb.encoding.groups import GroupMessages
from limedb.errors import StoreCorruptError

FORM = GroupMessages()
VALUES = st.none() | st.text() | st.binary()
VERSIONS = st.integers(1, (1 << 64) - 1)
RECORDS = st.builds(Record, st.text(min_size=1), VALUES, VERSIONS, st.integers(0, 1 << 50))
FOUND = st.none() | RECORDS.filter(lambda record: record.value is not None)
STEPS = st.builds(StepOutcome, st.booleans(), VALUES, FOUND)


@given(st.lists(RECORDS, max_size=4))
def test_a_change_comes_back(records: list[Record]) -> None:
    kept = [r if r.value is not None else Record(r.key, None, r.version) for r in records]
    assert FORM.change_in(FORM.change_bytes(kept)) == kept


@given(st.booleans(), st.lists(STEPS, max_size=4))
def test_an_answer_comes_back(succeeded: bool, steps: list[StepOutcome]) -> None:
    outcome = FORM.outcome_bytes(Judged(succeeded, tuple(steps)))
    assert outcome
    found = FORM.outcome_in(outcome)
    assert found.succeeded == succeeded
    assert [step.existed for step in found.steps] == [step.existed for step in steps]
    assert [step.found for step in found.steps] == [step.found for step in steps]
    assert [step.answer for step in found.steps] == [step.answer for step in steps]


def test_an_empty_register_holds_nothing_and_garbage_is_refused() -> None:
    assert FORM.change_in(None) == FORM.change_in(b"") == []
    with pytest.raises(StoreCorruptError):
        FORM.change_in(b"\x0a\xff")
    with pytest.raises(StoreCorruptError):
        FORM.outcome_in(b"g\xff")
