"""Read-modify-write: makes a key's new value from its current one, and the answer to the caller.

It owns the meaning of each edit, and the form in which its answer is remembered with the record. It must
never read or store a key: `replication/conditional` does, and judges conditions.

An edit is a pure function of the current value. So a node may carry it out again and again on the replicas'
records, until one of its own records is accepted; only the answer of that record counts.
"""

import re
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from limedb.core.record import value_size
from limedb.errors import EditRefusedError, ValueTooLargeError

LEAST_NUMBER, MOST_NUMBER = -(1 << 63), (1 << 63) - 1
"""The bounds of a counter, which is an int64."""
_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)

Value = str | bytes | None
"""The value of a key; None: it has none."""


class Edited(NamedTuple):
    """The result of an edit. value: the key's new value; None deletes it. answer: for the caller."""

    value: Value
    answer: Value


class Edit(Protocol):
    """An edit of a key."""

    @property
    def keeps_life(self) -> bool:
        """Whether an existing value keeps its expiry, so that a time to live applies only to a new one."""

    def of(self, key: str, old: Value, given: Value) -> Edited:
        """The result for the current value of a key. given: the value in the request; for an edit that adds
        to a value, the value to store where there is none. EditRefusedError, ValueTooLargeError.
        """


@dataclass(frozen=True, slots=True)
class Increment:
    """Adds to a counter; its answer is the sum."""

    by: int
    keeps_life = True

    def of(self, key: str, old: Value, given: Value) -> Edited:
        """As Edit.of: EditRefusedError where there is no counter, or the sum is out of bounds."""
        if old is None:
            return Edited(given, given)
        if (number := number_in(old)) is None:
            raise EditRefusedError(key, "no_counter")
        total = number + self.by
        if not LEAST_NUMBER <= total <= MOST_NUMBER:
            raise EditRefusedError(key, "overflow")
        return Edited(str(total), str(total))


@dataclass(frozen=True, slots=True)
class Append:
    """Adds to the end of a value; its answer is the size afterwards. most: bytes of a value."""

    most: int = field(repr=False)
    keeps_life = True

    def of(self, key: str, old: Value, given: Value) -> Edited:
        """As Edit.of: EditRefusedError where text meets bytes; ValueTooLargeError."""
        new = given
        if isinstance(old, str) and isinstance(given, str):
            new = old + given
        elif isinstance(old, bytes) and isinstance(given, bytes):
            new = b"".join((old, given))
        elif old is not None:
            raise EditRefusedError(key, "has_text" if isinstance(old, str) else "has_bytes")
        size = value_size(new or "")
        if size > self.most:
            raise ValueTooLargeError(key, size, self.most)
        return Edited(new, str(size))


@dataclass(frozen=True, slots=True)
class Swap:
    """Replaces a value, or deletes it; its answer is the previous value. most: bytes of both together, where
    the previous value is kept for repeated answers; 0: it isn't kept.
    """

    most: int = field(default=0, repr=False)
    keeps_life = False

    def of(self, key: str, old: Value, given: Value) -> Edited:
        """As Edit.of: EditRefusedError where both together are too large."""
        if self.most and old is not None and value_size(old) + value_size(given or "") > self.most:
            raise EditRefusedError(key, "too_large")
        return Edited(given, old)


def number_in(value: Value) -> int | None:
    """The number of a counter: the text of an int64 in decimal digits, without leading zeros; None: the value
    isn't one.
    """
    if not isinstance(value, str) or _NUMBER.fullmatch(value) is None:
        return None
    number = int(value)
    return number if LEAST_NUMBER <= number <= MOST_NUMBER else None


def remembered(answer: Value) -> bytes:
    """An answer as a record remembers it; never empty."""
    if answer is None:
        return b"-"
    return b"t" + answer.encode() if isinstance(answer, str) else b"b" + answer


def recalled(outcome: bytes) -> Value:
    """The answer that a record remembers in this form."""
    kind, content = outcome[:1], outcome[1:]
    return content.decode() if kind == b"t" else content if kind == b"b" else None
