"""The effect of a write on a stored record: the one rule that all stores follow.

It owns the decision. It must never read or write a store.
"""

from collections.abc import Callable
from typing import Protocol

from limedb.core.record import Record, is_expired, merge
from limedb.ports import Applied


class Stored(Protocol):
    """The part of a stored record that a decision needs: a Record or an `encoding.record.Header`."""

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
"""Whether to write the given record; the change of the count of keys with a value: -1, 0 or 1; the answer. A
plain tuple, for every written record has one.
"""

_ACCEPTED = Applied(0, False)
_FIRST, _FIRST_TOMBSTONE = (True, 1, _ACCEPTED), (True, 0, _ACCEPTED)
_new_applied = tuple.__new__  # the same as Applied(...), in half of its time


def decide(given: Record, stored: Stored | None, whole: Callable[[], Record], now_ms: int) -> Decision:
    """Merge a record with the stored one of its key. whole: returns the stored record; called only on
    a tie.
    """
    if stored is None:
        return first(given.is_tombstone)
    if given.version > stored.version:
        return newer(given.is_tombstone, stored.version, stored.expires_at, stored.is_tombstone, now_ms)
    existed = is_live(stored, now_ms)
    if given.version < stored.version:
        return False, 0, Applied(stored.version, existed, stored.version)
    return _decide_tie(given, whole(), existed)


def first(deletes: bool) -> Decision:
    """The decision on a record whose key has no stored record. deletes: whether it is a tombstone."""
    return _FIRST_TOMBSTONE if deletes else _FIRST


def newer(deletes: bool, version: int, expires_at: int, is_tombstone: bool, now_ms: int) -> Decision:
    """The decision on a record that is newer than the stored one, which the other arguments describe.
    deletes: as in `first`.
    """
    existed = not (is_tombstone or 0 < expires_at <= now_ms)
    return True, is_tombstone - deletes, _new_applied(Applied, (0, existed, version))


def is_live(stored: Stored, now_ms: int) -> bool:
    """Whether the record has a value at that time: it is neither deleted nor expired."""
    return not stored.is_tombstone and not is_expired(stored.expires_at, now_ms)


def _decide_tie(given: Record, stored: Record, existed: bool) -> Decision:
    accepted = Applied(0, existed, stored.version)
    if given == stored:  # the same write again: it was done before, and no other overtook it
        return False, 0, accepted
    if merge(stored, given) == given:
        return True, stored.is_tombstone - given.is_tombstone, accepted
    return False, 0, Applied(stored.version, existed, stored.version)
