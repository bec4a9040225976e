"""Drafts of values: typed as text, as JSON, or as hex. It must never store anything."""

import json
import math
from dataclasses import dataclass
from typing import NoReturn

from limedb.core.quorum import Level
from limedb.tui.values import MAX_SHOWN, View, guess


@dataclass(frozen=True, slots=True)
class Draft:
    """A key, a value as typed in a view, and its seconds to live, as typed (empty: forever). level: None: the
    nodes' default.
    """

    key: str = ""
    text: str = ""
    view: View = View.TEXT
    ttl: str = ""
    level: Level | None = None

    @property
    def value(self) -> str | bytes:
        """The value to store. ValueError: the text is not valid in its view."""
        if self.view is View.HEX:
            return _bytes(self.text)
        if self.view is View.JSON:
            _check_json(self.text)
        return self.text

    @property
    def seconds(self) -> float | None:
        """The seconds that it lives; None: forever. ValueError: the text is not a time."""
        if not self.ttl.strip():
            return None
        try:
            seconds = float(self.ttl)
        except ValueError:
            seconds = math.nan
        if not 0 < seconds < math.inf:
            raise ValueError("the seconds to live must be a number above 0")
        return seconds


def draft_of(key: str, value: str | bytes | None, level: Level | None) -> Draft | None:
    """Return a draft to edit a key's value; None: the value is too large."""
    if value and len(value) > MAX_SHOWN:
        return None
    if isinstance(value, bytes):
        return Draft(key, value.hex(" "), View.HEX, level=level)
    view = View.JSON if guess(value or "") is View.JSON else View.TEXT
    return Draft(key, value or "", view, level=level)


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ValueError("this is not hex: type two digits for each byte, as in 00 ff 2a") from None


def _check_json(text: str) -> None:
    try:
        json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"this is not JSON: {error.msg.lower()}, {where}") from None
    except RecursionError:
        raise ValueError("this JSON is nested too deeply to be read") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"this is not JSON: {constant} is not a number in JSON")
