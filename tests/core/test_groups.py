"""Tags of keys, and the registers of groups."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limedb.core.groups import (
    REGISTERS,
    REGISTERS_END,
    has_tag,
    register_of,
    tag_of,
    tags_of,
)
from limedb.core.limits import MAX_KEY_SIZE
from limedb.core.reserved import is_reserved


@pytest.mark.parametrize(
    ("key", "tag"),
    [
        ("{cart:7}items", "cart:7"),
        ("a{b}c{d}", "b"),
        ("{{b}}", "{b"),
        ("{}x{y}", ""),
        ("{}", ""),
        ("{", ""),
        ("a{", ""),
        ("}{", ""),
        ("a}b{c", ""),
        ("{a}", "a"),
        ("plain", ""),
        ("{\0}", "\0"),
        ("\0limedb/group/={a}", ""),
    ],
)
def test_a_tag_is_between_the_first_braces(key: str, tag: str) -> None:
    assert tag_of(key) == tag


@given(st.text(alphabet="{}ab", max_size=8))
def test_both_ways_to_look_for_a_tag_agree(key: str) -> None:
    assert has_tag(key.encode()) == bool(tag_of(key))


@given(st.text(min_size=1), st.text(min_size=1))
def test_each_group_has_a_register_of_its_own(one: str, other: str) -> None:
    assert (register_of(one) == register_of(other)) == (one == other)


@pytest.mark.parametrize("tag", ["a", "x" * 4094, "ü" * 1000, "#abc", "=abc"])
def test_a_register_is_a_reserved_key_of_bounded_size(tag: str) -> None:
    register = register_of(tag)
    assert is_reserved(register)
    assert register.startswith(REGISTERS)
    assert REGISTERS <= register < REGISTERS_END
    assert len(register.encode()) <= MAX_KEY_SIZE


def test_tags_of_keys_come_once_and_in_order() -> None:
    assert tags_of(["{b}1", "x", "{a}1", "{b}2", "{}"]) == ["b", "a"]
