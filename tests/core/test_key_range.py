"""Ranges of keys."""

from hypothesis import given
from hypothesis import strategies as st

from limedb.core.key_range import KeyRange, behind, end_of_prefix, key_range

KEYS = st.text(st.sampled_from("\0ab\ud7ff\ue000\uffff🍋\U0010ffff"), max_size=4)


def in_bytes(text: str) -> bytes:
    return text.encode()


@given(KEYS, KEYS)
def test_the_order_of_text_is_that_of_its_utf8(one: str, other: str) -> None:
    assert (one < other) == (in_bytes(one) < in_bytes(other))


@given(KEYS, KEYS)
def test_nothing_is_between_a_key_and_what_is_behind_it(key: str, other: str) -> None:
    assert (other > key) == (other >= behind(key))


@given(KEYS, KEYS)
def test_a_prefix_ends_before_the_first_key_without_it(prefix: str, key: str) -> None:
    end = end_of_prefix(prefix)
    assert key.startswith(prefix) == (key >= prefix and (end is None or key < end))


@given(KEYS, KEYS, KEYS, st.none() | KEYS, KEYS)
def test_a_range_holds_what_was_asked_for(
    prefix: str, start: str, end: str, after: str | None, key: str
) -> None:
    asked = key.startswith(prefix) and key >= start and (not end or key < end)
    found = key_range(prefix, start, end, after)
    assert found.holds(key) == (asked and (after is None or key > after))
    assert not (found.is_empty and found.holds(key))


def test_the_rest_of_a_range_ends_where_it_does() -> None:
    assert KeyRange("a", "c").begin_at("b") == KeyRange("b", "c")
