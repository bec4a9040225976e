import pytest

from limedb.operator.console_values import KeyPage, KeyRow, Owner
from limedb.tui.browsing import Place
from limedb.tui.details import caption, replicas
from limedb.tui.figures import plain
from limedb.tui.values import MAX_SHOWN, View, guess, shown
from tests.tui.samples import A, B, C


def test_text_keeps_its_lines_and_loses_what_steers_a_terminal() -> None:
    assert shown("a\r\nb\tc\x1b]0;x\x07", View.TEXT) == "a␍\nb   c␛]0;x␇"
    assert shown(b"caf\xc3\xa9 \xff", View.TEXT) == "café \ufffd"


def test_json_is_laid_out() -> None:
    assert shown('{"b":[1,"é"]}', View.JSON) == '{\n  "b": [\n    1,\n    "é"\n  ]\n}'
    assert shown(b"[1]", View.JSON) == "[\n  1\n]"
    assert shown("null", View.JSON) == "null"
    assert shown("[" * 100_000, View.JSON).startswith("(this is not JSON)\n[[[")


def test_hex_has_an_address_the_bytes_and_their_characters() -> None:
    assert shown(b"lime\x00\xff", View.HEX) == f"000000  {'6c 69 6d 65 00 ff':<48} lime··"
    assert shown("é", View.HEX).startswith("000000  c3 a9 ")
    assert [line[:6] for line in shown(bytes(33), View.HEX).splitlines()] == ["000000", "000010", "000020"]
    narrow = shown(bytes(33), View.HEX, width=41).splitlines()
    assert [line[:6] for line in narrow] == ["000000", "000008", "000010", "000018", "000020"]
    assert max(map(len, narrow)) == 41


@pytest.mark.parametrize("view", [View.TEXT, View.HEX])
def test_of_a_huge_value_the_begin_is_shown(view: View) -> None:
    text = shown("x" * (MAX_SHOWN + 7), view)
    assert "… 7 " in text.splitlines()[-1]


@pytest.mark.parametrize(
    ("value", "view"),
    [
        ('{"a":1}', View.JSON),
        ("[]", View.JSON),
        ("42", View.TEXT),
        ("lime", View.TEXT),
        (b"[1]", View.JSON),
        (b"\xff\x00", View.HEX),
        ("", View.TEXT),
    ],
)
def test_the_view_fits_the_value(value: str | bytes, view: View) -> None:
    assert guess(value) is view


def test_views_come_round() -> None:
    assert [View.TEXT.next, View.JSON.next, View.HEX.next] == [View.JSON, View.HEX, View.TEXT]


def test_the_caption_shows_size_and_life() -> None:
    assert caption("é", View.TEXT, 0, 0) == "text of 2 B, as text"
    assert caption(b"xyz", View.HEX, 61_000, 1000) == "bytes of 3 B, as hex, expires in 60s"


def test_replicas_show_who_has_the_newest_version() -> None:
    owners = (Owner(A, "current", 9, expires_at=5), Owner(B, "current", 8), Owner(C, "extra", error="away"))
    lines = plain(replicas(owners, 60)).splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        "127.0.0.1:7001 holds v9",
        "127.0.0.1:7002 older v8",
        "127.0.0.1:7003 (extra) no answer",
    ]
    assert plain(replicas((Owner(A, "current", 9, is_tombstone=True), Owner(B, "current")), 60)).split() == [
        "127.0.0.1:7001",
        "deleted",
        "v9",
        "127.0.0.1:7002",
        "has",
        "nothing",
    ]


def test_pages_are_walked_there_and_back() -> None:
    first = Place("user:").at(KeyPage((KeyRow("user:1", 1),), after="user:1"))
    second = first.next()
    assert second is not None
    assert (second.cursor, second.number, second.prefix) == ("user:1", 2, "user:")
    last = second.at(KeyPage((KeyRow("user:2", 1),)))
    assert last.next() is None
    back = last.previous()
    assert back is not None
    assert (back.cursor, back.number) == (None, 1)
    assert first.previous() is None


def test_a_place_says_where_it_is() -> None:
    entries = (KeyRow("a", 1), KeyRow("b", 1))
    assert Place().at(KeyPage(entries, "b")).label() == "page 1: 2 keys →"
    assert Place().at(KeyPage(entries)).label() == "page 1: 2 keys, the end"
    assert Place("x").label() == "no key begins with 'x'"
    assert Place().label() == "there are no keys"
    assert Place("", (None, "b")).label() == "page 2: nothing more"
