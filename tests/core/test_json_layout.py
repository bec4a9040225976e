"""JSON is laid out, and never written anew. Tests limedb/core/json_layout.py."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limedb.core.json_layout import check, indented

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def test_each_part_stays_as_it_was_written() -> None:
    numbers = '"n":12345678901234567890,"n":1e400,"z":-0'
    others = '"e":"\\u00e9\\/ {,}","l":[],"o":{ },"a":[1.50,true,null]'
    assert indented(f"{{{numbers},{others}}}").split("\n") == [
        "{",
        '  "n": 12345678901234567890,',
        '  "n": 1e400,',
        '  "z": -0,',
        '  "e": "\\u00e9\\/ {,}",',
        '  "l": [],',
        '  "o": {},',
        '  "a": [',
        "    1.50,",
        "    true,",
        "    null",
        "  ]",
        "}",
    ]


@pytest.mark.parametrize("text", ["7", ' "a b" ', "null", "[]", "{}", "[[]]"])
def test_small_ones(text: str) -> None:
    assert json.loads(indented(text)) == json.loads(text)


@given(VALUES, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_it_is_as_python_lays_it_out(value: object, indent: "int | str | None", ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert indented(text) == json.dumps(value, indent=2, ensure_ascii=ascii_only)


@pytest.mark.parametrize("text", ["", "{", "[1,]", "NaN", "[Infinity]", "1 2", '"\n"', "{'a':1}", "01", "-"])
def test_what_is_not_json_is_refused(text: str) -> None:
    for refuses in (indented, check):
        with pytest.raises(ValueError, match=r"Expecting|Extra data|Invalid control|is not a number"):
            refuses(text)
