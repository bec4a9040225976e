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


def decide(given: Record, stored: Stored | None, whole: Callable[[], Record], now_ms: int) -> Decision:
    """Merge a record with what is stored under its key. whole: the stored record, asked only on a tie."""
    if stored is None:
        return True, int(not given.is_tombstone), _STANDS
    existed = is_live(stored, now_ms)
    if given.version > stored.version:
        stands = Applied(0, existed, stored.version)
        return True, stored.is_tombstone - given.is_tombstone, stands
    if given.version < stored.version:
        return False, 0, Applied(stored.version, existed, stored.version)
    return _decide_tie(given, whole(), existed)


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
