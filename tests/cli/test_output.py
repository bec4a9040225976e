"""What is printed: tables that line up, and nothing that a terminal would obey."""

import io

import pytest

from limedb.cli import output


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_table_lines_up() -> None:
    assert (
        output.table(("NAME", ">N"), [("a", 1), ("longer", 22.5)])
        == "NAME       N\na          1\nlonger  22.5"
    )


def test_text_of_others_stays_in_its_line_and_obeys_nothing() -> None:
    shown = output.printable("a\nb\x1b[31mred\x07\u202e é 😀")
    assert shown == "a␊b␛[31mred␇<U+202E> é 😀"
    assert output.printable("long text", 5) == "long…"


def test_bytes_are_shown_as_text_where_they_are_text() -> None:
    assert output.shown_value(b"two\nlines") == "<9 bytes> two␊lines"
    assert output.shown_value(b"\xff\x00") == "<2 bytes> ff00"
    assert output.shown_value(b"\xff" * 17) == f"<17 bytes> {'ff' * 16}…"


def test_raw_rows_have_tabs_between_cells_and_no_head(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_rows(output.RAW, ("A", ">B"), [("a b", 0.1 + 0.2), ("c", 1)], "a head")
    assert capsys.readouterr().out == "a b\t0.3\nc\t1\n"
    output.show_rows(output.TABLE, ("A", ">B"), [("a b", 1)], "a head")
    assert capsys.readouterr().out == "a head\nA    B\na b  1\n"


@pytest.mark.parametrize(
    ("stream", "env", "coloured"),
    [
        (Terminal(), {}, True),
        (io.StringIO(), {}, False),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"TERM": "dumb"}, False),
    ],
)
def test_colours_are_for_terminals_whose_users_want_them(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, env: dict[str, str], coloured: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout", stream)
    assert (output.paint("dead") != "dead") == coloured


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 40, "5.0 TiB")]
)
def test_sizes_are_short(count: int, text: str) -> None:
    assert output.size(count) == text
