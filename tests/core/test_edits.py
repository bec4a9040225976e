"""What an edit makes of a value, and what it answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limedb.core.edits import (
    LEAST_NUMBER,
    MOST_NUMBER,
    Append,
    Edited,
    Increment,
    Swap,
    Value,
    number_in,
    recalled,
    remembered,
)
from limedb.errors import EditRefusedError, ValueTooLargeError

NUMBERS = st.integers(LEAST_NUMBER, MOST_NUMBER)


@given(NUMBERS, NUMBERS)
def test_an_increment_adds_or_changes_nothing(old: int, by: int) -> None:
    if LEAST_NUMBER <= old + by <= MOST_NUMBER:
        assert Increment(by).of("k", str(old), "0") == Edited(str(old + by), str(old + by))
    else:
        with pytest.raises(EditRefusedError, match="would leave the range") as caught:
            Increment(by).of("k", str(old), "0")
        assert caught.value.why == "overflow"


def test_an_increment_of_nothing_stores_what_is_given() -> None:
    assert Increment(5).of("k", None, "105") == Edited("105", "105")


@pytest.mark.parametrize(
    "value",
    [
        "",
        " 1",
        "1 ",
        "1.0",
        "+1",
        "-0",
        "007",
        "1_000",
        "٣",
        "0x1",
        "x",
        "1\n",
        str(MOST_NUMBER + 1),
        "9" * 40,
        b"1",
    ],
)
def test_what_is_no_counter_is_refused(value: str | bytes) -> None:
    assert number_in(value) is None
    with pytest.raises(EditRefusedError, match="has no counter") as caught:
        Increment(1).of("k", value, "1")
    assert caught.value.why == "no_counter"
    assert caught.value.nothing_written


@pytest.mark.parametrize("number", [0, 7, -7, LEAST_NUMBER, MOST_NUMBER])
def test_a_counter_is_an_int64(number: int) -> None:
    assert number_in(str(number)) == number


def test_an_append_adds_to_the_end_within_its_bound() -> None:
    assert Append(9).of("k", None, "ä") == Edited("ä", "2")
    assert Append(9).of("k", "ab", "ä") == Edited("abä", "4")
    assert Append(9).of("k", b"ab", b"\xff") == Edited(b"ab\xff", "3")
    assert Append(4).of("k", "ab", "cd") == Edited("abcd", "4")
    with pytest.raises(ValueTooLargeError):
        Append(4).of("k", "ab", "äc")


@pytest.mark.parametrize(
    ("old", "given_", "why", "words"),
    [
        ("text", b"bytes", "has_text", "has text, and bytes were"),
        (b"bytes", "text", "has_bytes", "has bytes, and text"),
    ],
)
def test_text_and_bytes_are_not_joined(old: str | bytes, given_: str | bytes, why: str, words: str) -> None:
    with pytest.raises(EditRefusedError, match=words) as caught:
        Append(99).of("k", old, given_)
    assert caught.value.why == why


def test_a_swap_answers_the_value_before() -> None:
    assert Swap().of("k", None, "new") == Edited("new", None)
    assert Swap().of("k", b"old", None) == Edited(None, b"old")
    assert Swap(6).of("k", "old", "new") == Edited("new", "old")
    with pytest.raises(EditRefusedError, match="too large to be kept"):
        Swap(5).of("k", "old", "new")


@given(st.none() | st.text() | st.binary())
def test_an_answer_is_recalled_as_it_was(answer: Value) -> None:
    assert remembered(answer)
    assert recalled(remembered(answer)) == answer
    assert type(recalled(remembered(answer))) is type(answer)
