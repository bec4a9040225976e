"""Numbers as people write them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limedb.core.written_numbers import number_in, seconds_in, whole_in

NONE = [
    "",
    " ",
    "1_0",
    "\u0661",
    "\uff11",
    " 1",
    "1 ",
    "1\n",
    "0x1",
    "1,5",
    "--1",
    "+",
    ".",
    "e1",
    "nan",
    "inf",
    "-",
]
"""No number of any kind; Python takes most of them."""


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_number_is_none(text: str) -> None:
    assert (whole_in(text), number_in(text), seconds_in(text)) == (None, None, None)


@given(st.integers(-(10**29), 10**29))
def test_a_whole_number_is_read_as_it_was_written(number: int) -> None:
    assert whole_in(str(number)) == number
    assert number_in(str(number)) == float(number)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_read_as_it_was_written(number: float) -> None:
    assert number_in(repr(number)) == number
    assert whole_in(repr(number)) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2", 2),
        ("2s", 2),
        ("500ms", 0.5),
        ("1.5m", 90),
        ("24h", 86400),
        ("1e3", 1000),
        (".5s", 0.5),
        ("-1s", -1),
    ],
)
def test_a_time_may_have_a_unit(text: str, seconds: float) -> None:
    assert seconds_in(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["s", "1d", "1 s", "1S", "1ss", "1m30s", "1_0s", "\u0661s"])
def test_another_unit_is_none(text: str) -> None:
    assert seconds_in(text) is None


def test_what_is_too_large_is_infinite() -> None:
    assert number_in("1e999") == math.inf
    assert whole_in("9" * 31) is None
