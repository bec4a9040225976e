"""Conditions: what holds of a value, of none, and of one that has expired."""

import pytest

from limedb.core.condition import Condition, current
from limedb.core.record import Record

NOW = 1000
LIVE, BYTES = Record("k", "v", 7, 2000), Record("k", b"v", 7)
GONE = [None, Record("k", None, 9), Record("k", "v", 9, NOW)]


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (Condition(version=7), True),
        (Condition(version=6), False),
        (Condition(version=0), False),
        (Condition(value="v"), True),
        (Condition(value="w"), False),
        (Condition(value=b"v"), False),
        (Condition(exists=True), True),
        (Condition(exists=False), False),
    ],
)
def test_of_a_value(condition: Condition, holds: bool) -> None:
    assert condition.holds(LIVE, NOW) is holds


@pytest.mark.parametrize("record", GONE)
@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (Condition(version=0), True),
        (Condition(version=9), False),
        (Condition(value="v"), False),
        (Condition(value=""), False),
        (Condition(exists=True), False),
        (Condition(exists=False), True),
    ],
)
def test_what_was_deleted_or_has_expired_is_absent(
    condition: Condition, holds: bool, record: Record | None
) -> None:
    assert condition.holds(record, NOW) is holds


def test_text_and_bytes_differ_and_an_empty_value_is_one() -> None:
    assert Condition(value=b"v").holds(BYTES, NOW)
    assert not Condition(value="v").holds(BYTES, NOW)
    assert Condition(value="").holds(Record("k", "", 3), NOW)


def test_only_a_live_record_is_current() -> None:
    assert current(LIVE, NOW) is LIVE
    assert [current(record, NOW) for record in GONE] == [None] * 3


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (Condition(version=5), "version 5"),
        (Condition(version=0), "no value"),
        (Condition(exists=False), "no value"),
        (Condition(exists=True), "a value"),
        (Condition(value="secret"), "the expected value"),
        (Condition(value=""), "the expected value"),
    ],
)
def test_it_says_what_the_key_must_have_but_shows_no_value(condition: Condition, words: str) -> None:
    assert condition.required == words
