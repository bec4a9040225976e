from dataclasses import replace

import pytest

from limedb.core.quorum import Level
from limedb.tui.drafts import Draft, Present, draft_of
from limedb.tui.values import MAX_SHOWN, View


@pytest.mark.parametrize(
    ("text", "view", "value"),
    [
        ("lime\n", View.TEXT, "lime\n"),
        ("", View.TEXT, ""),
        ('{"a": [1, 2.5, null]}', View.JSON, '{"a": [1, 2.5, null]}'),
        (" 7 ", View.JSON, " 7 "),
        ("00 ff\n2A2b", View.HEX, b"\x00\xff*+"),
        ("", View.HEX, b""),
    ],
)
def test_what_is_typed_becomes_a_value(text: str, view: View, value: str | bytes) -> None:
    assert Draft("k", text, view).value == value


@pytest.mark.parametrize(
    ("text", "view", "why"),
    [
        ('{"a": 1,\n b}', View.JSON, "not JSON: .*, line 2, column 2"),
        ("", View.JSON, "not JSON: .*, line 1, column 1"),
        ("[NaN]", View.JSON, "NaN is not a number in JSON"),
        ("[" * 100_000, View.JSON, "too deep"),
        ("0", View.HEX, "two digits for each byte"),
        ("0x00", View.HEX, "two digits for each byte"),
    ],
)
def test_what_it_can_not_be_is_reported(text: str, view: View, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        _ = Draft("k", text, view).value


def test_seconds_to_live_are_more_than_none() -> None:
    assert (Draft(ttl="").seconds, Draft(ttl="1.5").seconds, Draft(ttl=" 2m ").seconds) == (None, 1.5, 120)
    for typed in ("0", "-3", "1e999", "nan", "-", "1_000", "\u0661"):
        with pytest.raises(ValueError, match="a number above 0"):
            _ = Draft(ttl=typed).seconds


def test_a_draft_begins_with_what_is_there() -> None:
    for value, view, text in (
        ("lime", View.TEXT, "lime"),
        ("[1]", View.JSON, "[1]"),
        (b"\x00\xff", View.HEX, "00 ff"),
        (None, View.TEXT, ""),
    ):
        present = Present("k", value, 7)
        draft = draft_of(present, Level.ONE)
        assert draft == Draft("k", text, view, "", Level.ONE, present)
        assert draft.value == (value or "")
        assert (draft.replaced, draft.keeps_ttl, draft.seconds) == (present, True, None)


@pytest.mark.parametrize("value", ["a\r\nb\nc", "a\u2028b", "a\x0bb", "a\x85b"])
def test_text_whose_lines_a_field_would_change_is_edited_in_hex(value: str) -> None:
    draft = draft_of(Present("k", value, 7), None)
    assert draft is not None
    assert (draft.view, draft.value) == (View.HEX, value)
    with pytest.raises(ValueError, match="no text in UTF-8"):
        _ = replace(draft, text=f"{draft.text} ff").value


@pytest.mark.parametrize("value", ["a\r\nb\r\n", "a\rb", "a\tb\n", "\ufeffa", " a "])
def test_other_text_is_edited_as_text(value: str) -> None:
    draft = draft_of(Present("k", value, 7), None)
    assert draft is not None
    assert (draft.view, draft.text, draft.value) == (View.TEXT, value, value)


def test_a_life_is_kept_unless_another_one_is_typed() -> None:
    draft = Draft("k", present=Present("k", "v", 7))
    assert (draft.keeps_ttl, draft.seconds) == (True, None)
    assert (replace(draft, ttl="never").keeps_ttl, replace(draft, ttl="never").seconds) == (False, None)
    assert (replace(draft, ttl="1.5").keeps_ttl, replace(draft, ttl="1.5").seconds) == (False, 1.5)
    other = replace(draft, key="another")  # which replaces nothing that was shown
    assert (other.replaced, other.keeps_ttl) == (None, False)


@pytest.mark.parametrize("value", ["x" * (MAX_SHOWN + 1), bytes(MAX_SHOWN + 1)])
def test_what_is_too_large_is_not_edited(value: str | bytes) -> None:
    assert draft_of(Present("k", value, 7), None) is None
