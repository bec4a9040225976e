"""Numbers, bars and foreign text for a terminal. It must never know what they stand for."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

Tone = Literal["", "good", "warn", "bad", "dim", "accent"]
"""The meaning of a text; the theme gives each tone its colour."""

NOTHING = "-"
_EIGHTHS = " ▏▎▍▌▋▊▉"
_LEVELS = "▁▂▃▄▅▆▇█"


class Cell(NamedTuple):
    """Some text, and its tone."""

    text: str
    tone: Tone = ""


Line = tuple[Cell, ...]
"""A line of text, in parts."""


def count(number: float) -> str:
    """Format a number in six characters at most: 0.4, 12, 999, 1.2k, 34k, 5.6M."""
    if 0 < number < 9.95 and number != int(number):
        return f"{number:.1f}"
    for unit in ("", "k", "M", "G"):
        if number < 999.5:
            return f"{number:.1f}{unit}" if unit and number < 9.95 else f"{number:.0f}{unit}"
        number /= 1000
    return f"{number:.0f}T"


def size(number: float) -> str:
    """Format bytes as B, KiB, MiB.."""
    if number < 1024:
        return f"{number:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        number /= 1024
        if number < 1000:
            return f"{number:.1f} {unit}" if number < 9.95 else f"{number:.0f} {unit}"
    return f"{number / 1024:.1f} TiB"


def seconds(number: float) -> str:
    """Format a time: 0.3s, 12s, 4m, 3h, 2d."""
    if number < 9.95:
        return f"{number:.1f}s"
    for unit, length, limit in (("s", 1, 100), ("m", 60, 100), ("h", 3600, 48)):
        if number < limit * length:
            return f"{number / length:.0f}{unit}"
    return f"{number / 86400:.0f}d"


def bar(share: float, width: int) -> str:
    """Draw a bar as long as its share (0 to 1) of the width, in eighths of a character."""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(width)


def spark(values: Sequence[float | None], width: int) -> str:
    """Draw the last values as a line of small columns; the highest of them reaches the top. None: a gap."""
    last = values[-width:]
    top = max((value for value in last if value is not None), default=0.0)
    return "".join(" " if value is None else _level(value, top) for value in last).rjust(width)


def _level(value: float, top: float) -> str:
    return _LEVELS[min(7, int(8 * value / top))] if top else _LEVELS[0]


def clip(text: str, width: int) -> str:
    """Cut text to that many characters; … stands for the rest."""
    return text if len(text) <= width else f"{text[: max(0, width - 1)]}…"


def short(url: str) -> str:
    """Return a node's URL without the scheme."""
    return url.removeprefix("http://")


def plain(lines: Iterable[Line]) -> str:
    """Return lines without their tones."""
    return "\n".join("".join(cell.text for cell in line) for line in lines)
