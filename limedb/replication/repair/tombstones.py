"""Tombstones and expired values that may be purged soon.

It owns the account of garbage stored here, and since when. It must never purge: `range_repair.py` does, under
its rule.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

from limedb.core.layout import Span
from limedb.core.ring import token_of
from limedb.core.topology import Fence
from limedb.ports import IndexEntry

MAX_WAITING = 100_000
"""Entries to remember, some 30 MB; further ones wait for a later pass."""


class _Held(NamedTuple):
    token: int
    entry: IndexEntry
    since: float


class Garbage:
    """Garbage that was seen in the own store under one topology; it forgets all under another one."""

    def __init__(self) -> None:
        self._fence = Fence("", 0)
        self._held: list[_Held] = []

    def __len__(self) -> int:
        return len(self._held)

    def see(self, fence: Fence, found: Iterable[tuple[IndexEntry, float]]) -> None:
        """Add garbage that is stored now, and since when that is known."""
        self._check(fence)
        room = MAX_WAITING - len(self._held)
        self._held += [_Held(token_of(entry.key), entry, since) for entry, since in islice(found, room)]
        self._held.sort()

    def take(self, fence: Fence, spans: Sequence[Span]) -> list[tuple[IndexEntry, float]]:
        """Take out the garbage of some spans, and since when it is known."""
        self._check(fence)
        taken: list[tuple[IndexEntry, float]] = []
        for span in spans:
            first = bisect_left(self._held, (span.first,))
            last = bisect_left(self._held, (span.last + 1,))
            taken += [(held.entry, held.since) for held in self._held[first:last]]
            del self._held[first:last]
        return taken

    def _check(self, fence: Fence) -> None:
        if fence != self._fence:
            self._fence, self._held = fence, []
