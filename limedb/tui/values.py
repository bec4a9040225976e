"""A value as text, JSON or hex, for people. It must never know where it came from."""

from enum import Enum

from limedb.core import json_layout
from limedb.core.visible import visible

MAX_SHOWN = 64 << 10
"""The number of characters, or bytes, to show."""
WIDE, NARROW = 16, 8
"""Bytes on a line of hex, with and without enough room."""


class View(Enum):
    """The form in which a value is shown."""

    TEXT = "text"
    JSON = "JSON"
    HEX = "hex"

    @property
    def next(self) -> "View":
        """The next one; the first one follows the last."""
        views = list(View)
        return views[(views.index(self) + 1) % len(views)]


def shown(value: str | bytes, view: View, width: int = 80) -> str:
    """Return a value in a view: lines without characters that control a terminal. width: of a line of hex."""
    if view is View.HEX:
        return _hex(value if isinstance(value, bytes) else value.encode(), width)
    if view is View.JSON:
        return _json(value)
    return _text(value if isinstance(value, str) else value.decode(errors="replace"))


def guess(value: str | bytes) -> View:
    """Return the view that fits a value: JSON for an object or a list, hex for bytes that aren't UTF-8."""
    try:
        text = value if isinstance(value, str) else value.decode()
    except UnicodeDecodeError:
        return View.HEX
    return View.JSON if text.lstrip()[:1] in ("{", "[") and _is_json(text) else View.TEXT


def _json(value: str | bytes) -> str:
    text = value if isinstance(value, str) else value.decode(errors="replace")
    try:
        return _text(json_layout.indented(text))
    except (ValueError, RecursionError):
        return f"(this is not JSON)\n{_text(text)}"


def _is_json(text: str) -> bool:
    try:
        json_layout.check(text)
    except (ValueError, RecursionError):
        return False
    return True


def _text(text: str) -> str:
    lines = text[:MAX_SHOWN].expandtabs(4).split("\n")
    return "\n".join(map(visible, lines)) + _rest(len(text), "characters")


def _hex(value: bytes, width: int) -> str:
    bytes_a_row = WIDE if width >= len(_hex_row(0, bytes(WIDE), WIDE)) else NARROW
    rows = range(0, min(len(value), MAX_SHOWN), bytes_a_row)
    lines = (_hex_row(at, value[at : at + bytes_a_row], bytes_a_row) for at in rows)
    return "\n".join(lines) + _rest(len(value), "bytes")


def _hex_row(at: int, part: bytes, length: int) -> str:
    text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "·" for byte in part)
    return f"{at:06x}  {part.hex(' '):<{3 * length}} {text}"


def _rest(length: int, unit: str) -> str:
    return f"\n… {length - MAX_SHOWN} {unit} more" if length > MAX_SHOWN else ""
