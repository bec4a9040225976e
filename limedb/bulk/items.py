"""The contents of a file of keys: items, and the places between them.

It owns everything that the formats share. It must never touch a file.

Tested in tests/bulk/test_formats.py.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from limedb.client.arguments import check_key, check_value
from limedb.core.limits import MAX_TTL_MS
from limedb.errors import BadItemError, InvalidRequestError


class Format(StrEnum):
    """The form of a file: JSON lines, CSV with a header, or the data file of a Go LimeDB."""

    JSONL = "jsonl"
    CSV = "csv"
    GO = "go"


@dataclass(frozen=True, slots=True)
class Item:
    """A key with its value. expires_at_ms: since 1970, 0: never; ttl_ms: from now on, 0: forever."""

    key: str
    value: str | bytes
    expires_at_ms: int = 0
    ttl_ms: int = 0

    def left_ms(self, now_ms: int) -> int | None:
        """Return the milliseconds that it has left to live; 0: forever, None: it has expired."""
        if not self.expires_at_ms:
            return self.ttl_ms
        left = self.expires_at_ms - now_ms
        return left if left > 0 else None


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file, between items. offset: bytes from its start; of a Go data file, entries.

    line: the lines (or entries) before it.
    """

    offset: int = 0
    line: int = 0


Content: TypeAlias = Item | BadItemError | None


@dataclass(frozen=True, slots=True)
class Line:
    """A line (in CSV, a row that may have several; in a Go data file, an entry).

    number: from 1. behind: the place after it. content: the item, or its error, or None: there is nothing to
    store.
    """

    number: int
    behind: Place
    content: Content


def checked(item: Item) -> Item:
    """Return the item if nodes would take it. BadItemError: none would."""
    try:
        check_key(item.key)
        check_value(item.key, item.value)
    except InvalidRequestError as error:
        raise BadItemError(str(error)) from None
    if item.ttl_ms > MAX_TTL_MS or item.ttl_ms < 0 or item.expires_at_ms < 0:
        raise BadItemError(f"ttlMs={item.ttl_ms}, expiresAtMs={item.expires_at_ms}: out of range")
    return item


def whole_number(name: str, value: object) -> int:
    """Return a number of milliseconds, which may be text; 0 for None and "". BadItemError: it isn't one."""
    if value is None or value == "":
        return 0
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        try:
            return int(value)
        except ValueError:
            pass
    raise BadItemError(f"{name}={value!r}: must be a whole number of milliseconds")
