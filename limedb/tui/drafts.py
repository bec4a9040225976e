"""Drafts of values: typed as text, as JSON, or as hex. It must never store anything."""

import json
import math
from dataclasses import dataclass
from typing import NamedTuple

from textual.document._document import Document

from limedb.core import json_layout
from limedb.core.quorum import Level
from limedb.core.written_numbers import seconds_in
from limedb.tui.values import MAX_SHOWN, View, guess

NEVER = "never"
"""Typed as the seconds to live of a value that should never expire."""


class Present(NamedTuple):
    """The state of a key when it was opened. value: None: it had none. version: 0: none, or older than
    versions.
    """

    key: str
    value: str | bytes | None
    version: int


@dataclass(frozen=True, slots=True)
class Draft:
    """A key, a value as typed in a view, and its seconds to live, as typed (empty: as before, or forever).

    level: None: the nodes' default. present: the state to replace, if the key still has it; None: the draft
    is stored whatever the key has. is_text: in hex, it stands for text.
    """

    key: str = ""
    text: str = ""
    view: View = View.TEXT
    ttl: str = ""
    level: Level | None = None
    present: Present | None = None
    is_text: bool = False

    @property
    def value(self) -> str | bytes:
        """The value to store. ValueError: the text is not valid in its view."""
        if self.view is View.HEX:
            return _decoded(_bytes(self.text)) if self.is_text else _bytes(self.text)
        if self.view is View.JSON:
            _check_json(self.text)
        return self.text

    @property
    def seconds(self) -> float | None:
        """The seconds that it lives; None: forever, or as before. ValueError: the text is not a time."""
        if self.ttl.strip() in ("", NEVER):
            return None
        seconds = seconds_in(self.ttl.strip())
        if seconds is None or not 0 < seconds < math.inf:
            raise ValueError(f"the seconds to live must be a number above 0, such as 90 or 1.5m, or {NEVER}")
        return seconds

    @property
    def replaced(self) -> Present | None:
        """The state to replace; None: another key was typed, or it replaces nothing in particular."""
        return self.present if self.present is not None and self.present.key == self.key else None

    @property
    def keeps_ttl(self) -> bool:
        """Whether the value expires when the previous one would have."""
        return self.replaced is not None and not self.ttl.strip()


def draft_of(present: Present, level: Level | None) -> Draft | None:
    """Return a draft to edit the value of a key; None: the value is too large."""
    key, value = present.key, present.value
    if value and len(value) > MAX_SHOWN:
        return None
    if isinstance(value, bytes):
        return Draft(key, value.hex(" "), View.HEX, "", level, present)
    text = value or ""
    if Document(text).text != text:  # the field would change the ends of its lines
        return Draft(key, text.encode().hex(" "), View.HEX, "", level, present, is_text=True)
    view = View.JSON if guess(text) is View.JSON else View.TEXT
    return Draft(key, text, view, "", level, present)


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ValueError("this is not hex: type two digits for each byte, as in 00 ff 2a") from None


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"these bytes are no text in UTF-8: {error.reason}, byte {error.start}") from None


def _check_json(text: str) -> None:
    try:
        json_layout.check(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"this is not JSON: {error.msg.lower()}, {where}") from None
    except ValueError as error:
        raise ValueError(f"this is not JSON: {error}") from None
    except RecursionError:
        raise ValueError("this JSON is nested too deeply to be read") from None
