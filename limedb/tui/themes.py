"""The two themes, and the colours of tones in them.

Tested in tests/tui/test_app.py.
"""

from collections.abc import Iterable, Mapping

from rich.text import Text
from textual.content import Content
from textual.theme import Theme

from limedb.tui.figures import Cell, Line, Tone

DARK = Theme(
    name="limedb-dark",
    dark=True,
    primary="#a3e635",
    secondary="#65a30d",
    accent="#5cc8f5",
    success="#4ade80",
    warning="#fbbf24",
    error="#fb7185",
    foreground="#e6ece3",
    background="#0e130f",
    surface="#131a15",
    panel="#1f2a22",
    variables={"border-blurred": "#3a473d", "dim": "#8d9a90", "footer-key-foreground": "#a3e635"},
)
LIGHT = Theme(
    name="limedb-light",
    dark=False,
    primary="#4d7c0f",
    secondary="#65a30d",
    accent="#0369a1",
    success="#15803d",
    warning="#a15c07",
    error="#be123c",
    foreground="#1b241d",
    background="#f6f9f3",
    surface="#ffffff",
    panel="#e3ebdc",
    variables={"border-blurred": "#b5c2ae", "dim": "#5d6a60", "footer-key-foreground": "#3f6212"},
)

_VARIABLES: Mapping[Tone, str] = {
    "": "foreground",
    "good": "success",
    "warn": "warning",
    "bad": "error",
    "dim": "dim",
    "accent": "accent",
}


def content(lines: Iterable[Line]) -> Content:
    """Return lines as the content of a widget, which follows the theme."""
    parts = (Content.assemble(*((cell.text, f"${_VARIABLES[cell.tone]}") for cell in line)) for line in lines)
    return Content("\n").join(parts)


def text(cell: Cell, colours: Mapping[str, str], right: bool = False) -> Text:
    """Return a cell as the text of a table, in the theme's present colours."""
    return Text(cell.text, style=colours[_VARIABLES[cell.tone]], justify="right" if right else "left")
