import pytest

from limedb.core.quorum import Level
from limedb.tui.drafts import Draft, draft_of
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
def test_what_it_can_not_be_is_told(text: str, view: View, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        _ = Draft("k", text, view).value


def test_seconds_to_live_are_more_than_none() -> None:
    assert (Draft(ttl="").seconds, Draft(ttl="1.5").seconds) == (None, 1.5)
    for typed in ("0", "-3", "1e999", "nan", "-"):
        with pytest.raises(ValueError, match="a number above 0"):
            _ = Draft(ttl=typed).seconds


def test_a_draft_begins_with_what_is_there() -> None:
    assert draft_of("k", "lime", Level.ONE) == Draft("k", "lime", View.TEXT, level=Level.ONE)
    assert draft_of("k", "[1]", None) == Draft("k", "[1]", View.JSON)
    assert draft_of("k", b"\x00\xff", None) == Draft("k", "00 ff", View.HEX)
    assert draft_of("k", None, None) == Draft("k")
    for value in ("lime", "[1]", b"\x00\xff"):
        draft = draft_of("k", value, None)
        assert draft is not None
        assert draft.value == value


@pytest.mark.parametrize("value", ["x" * (MAX_SHOWN + 1), bytes(MAX_SHOWN + 1)])
def test_what_is_too_large_is_not_edited(value: str | bytes) -> None:
    assert draft_of("k", value, None) is None
