"""The contents of a file of keys: items, and the places between them.

It owns everything that the formats share. It must never touch a file.

Tested in tests/bulk/test_formats.py.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from limedb.client.arguments import check_key, check_value
from limedb.core.limits import MAX_TTL_MS
from limedb.core.moment import EXPIRY_RANGE, can_expire
from limedb.errors import BadItemError, InvalidRequestError


class Format(StrEnum):
    """The form of a file: JSON lines, CSV with a header, or the data file of a Go LimeDB."""

    JSONL = "jsonl"
    CSV = "csv"
    GO = "go"


@dataclass(frozen=True, slots=True)
class Item:
    """A key with its value. expires_at_ms: since 1970, 0: never; ttl_ms: from its import on, 0: forever."""

    key: str
    value: str | bytes
    expires_at_ms: int = 0
    ttl_ms: int = 0

    def has_expired(self, now_ms: int) -> bool:
        """Return whether its moment has passed."""
        return 0 < self.expires_at_ms <= now_ms


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file, between items. offset: bytes from its start; of a Go data file, entries.

    line: the lines (or entries) before it.
    """

    offset: int = 0
    line: int = 0


_NUMBER = re.compile("-?[0-9]+")
_MOST_DIGITS = 30
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
    if not 0 <= item.ttl_ms <= MAX_TTL_MS:
        raise BadItemError(f"ttlMs={item.ttl_ms}: must be 1 to {MAX_TTL_MS} (100 years), or 0 for forever")
    if item.expires_at_ms and not can_expire(item.expires_at_ms):
        raise BadItemError(f"expiresAtMs={item.expires_at_ms}: {EXPIRY_RANGE}, or 0 for never")
    if item.ttl_ms and item.expires_at_ms:
        raise BadItemError(f"ttlMs={item.ttl_ms} and expiresAtMs={item.expires_at_ms}: give one of them")
    return item


def whole_number(name: str, value: object) -> int:
    """Return a number of milliseconds, which may be text; 0 for None and "". BadItemError: it isn't one."""
    if value is None or value == "":
        return 0
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and len(value) <= _MOST_DIGITS and _NUMBER.fullmatch(value):
        return int(value)
    raise BadItemError(f"{name}={value!r:.60}: must be a whole number of milliseconds")
