"""What a write does to what is stored: the one rule that all stores follow.

It owns the decision. It must never read or write a store.
"""

from collections.abc import Callable
from typing import Protocol

from limedb.core.record import Record, is_expired, merge
from limedb.ports import Applied


class Stored(Protocol):
    """As much of a stored record as a decision needs: a Record or a codec.Header."""

    @property
    def version(self) -> int:
        """Hybrid logical clock."""

    @property
    def expires_at(self) -> int:
        """Milliseconds since 1970, 0 for never."""

    @property
    def is_tombstone(self) -> bool:
        """Whether the key was deleted."""


Decision = tuple[bool, int, Applied]
"""Whether the given record is to be written; what to add to the count of keys with a value: -1, 0 or 1; the
answer. Plain, for every record that is written has one.
"""

_STANDS = Applied(0, False)
_FIRST, _FIRST_TOMBSTONE = (True, 1, _STANDS), (True, 0, _STANDS)
_new_applied = tuple.__new__  # the same as Applied(...), in half of its time


def decide(given: Record, stored: Stored | None, whole: Callable[[], Record], now_ms: int) -> Decision:
    """Merge a record with what is stored under its key. whole: the stored record, asked only on a tie."""
    if stored is None:
        return first(given)
    if given.version > stored.version:
        return newer(given, stored.version, stored.expires_at, stored.is_tombstone, now_ms)
    existed = is_live(stored, now_ms)
    if given.version < stored.version:
        return False, 0, Applied(stored.version, existed, stored.version)
    return _decide_tie(given, whole(), existed)


def first(given: Record) -> Decision:
    """What is decided of a record under whose key nothing is stored."""
    return _FIRST_TOMBSTONE if given[1] is None else _FIRST


def newer(given: Record, version: int, expires_at: int, is_tombstone: bool, now_ms: int) -> Decision:
    """What is decided of a record that is newer than the stored one, of which the rest tells."""
    existed = not (is_tombstone or 0 < expires_at <= now_ms)
    return True, is_tombstone - (given[1] is None), _new_applied(Applied, (0, existed, version))


def is_live(stored: Stored, now_ms: int) -> bool:
    """Whether there is a value at that time: neither deleted nor expired."""
    return not stored.is_tombstone and not is_expired(stored.expires_at, now_ms)


def _decide_tie(given: Record, stored: Record, existed: bool) -> Decision:
    stands = Applied(0, existed, stored.version)
    if given == stored:  # the same write again: done already, and not overtaken
        return False, 0, stands
    if merge(stored, given) == given:
        return True, stored.is_tombstone - given.is_tombstone, stands
    return False, 0, Applied(stored.version, existed, stored.version)
