"""Walks through the entries of a store in slices, so that the event loop is never held for long.

It owns the queries on entries: digests, lists, garbage. It must never write. A store provides an Index. Each
slice shows one moment, a whole walk doesn't: the next walk sees changes in parts that this one has passed.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Protocol, TypeVar

from limedb.core.layout import Span
from limedb.core.ring import TOKENS
from limedb.errors import ResponseTooLargeError
from limedb.ports import IndexEntry
from limedb.storage.entries import digest, has_ended, unpack

SLICE = 512
"""Entries read between two turns of the event loop: some 0.2 ms."""

MAX_LIST_SIZE = 16 << 20
"""Bytes of one list of entries, about 300,000 of short keys."""

_ENTRY_SIZE = 32
_SEEK_COST = 16
"""The cost of finding a span, in entries."""

P = TypeVar("P")


class Index(Protocol[P]):
    """Entries by place; places sort by token, then stored key."""

    def start(self, token: int) -> P:
        """The place at or before the first entry of a token."""

    def behind(self, place: P) -> P:
        """The place right after another."""

    def read(self, start: P, last: int, limit: int) -> list[tuple[P, bytes]]:
        """Places and packed entries from a place on, of tokens up to `last`, `limit` at most."""

    def token(self, place: P) -> int:
        """The token of a place that was read."""

    def key(self, place: P) -> str | None:
        """The whole key of a place that was read; None: the record was removed meanwhile."""

    def entries(self, items: Sequence[tuple[P, bytes]]) -> list[tuple[int, IndexEntry]]:
        """The tokens and entries of places that were read, with the records' present state if those are
        stored separately. Removed records are left out.
        """


class Turns:
    """Gives the event loop a turn after every few hundred entries."""

    def __init__(self) -> None:
        self._left = SLICE

    async def spend(self, entries: int) -> None:
        """Count entries that were read; give the loop a turn if it is due."""
        self._left -= entries
        if self._left <= 0:
            self._left = SLICE
            await asyncio.sleep(0)


async def digests(index: Index[P], spans: Sequence[Span], cutoff_ms: int) -> list[int]:
    """As Store.digests."""
    turns = Turns()
    found = []
    for span in spans:
        total = 0
        async for items in _slices(index, span, turns):
            total = digest(total, [packed for _, packed in items], cutoff_ms)
        found.append(total)
    return found


async def entries(index: Index[P], spans: Sequence[Span]) -> list[IndexEntry]:
    """As Store.entries. ResponseTooLargeError: over MAX_LIST_SIZE."""
    turns = Turns()
    found: list[tuple[int, IndexEntry]] = []
    size = 0
    for span in spans:
        async for items in _slices(index, span, turns):
            listed = index.entries(items)
            found += listed
            size += sum(len(entry.key) + _ENTRY_SIZE for _, entry in listed)
            if size > MAX_LIST_SIZE:
                raise ResponseTooLargeError(size, MAX_LIST_SIZE, "ask for smaller spans")
    found.sort()  # in order already, except for long keys of one token in LMDB
    return [entry for _, entry in found]


async def garbage(index: Index[P], span: Span, cutoff_ms: int, limit: int) -> tuple[list[IndexEntry], int]:
    """As Store.garbage; exceeds the limit by entries that share the last one's token."""
    found: list[IndexEntry] = []
    behind = span.first
    async for items in _slices(index, span, Turns()):
        for place, packed in items:
            if not has_ended(packed, cutoff_ms):
                continue
            if len(found) >= limit and index.token(place) >= behind:
                return found, behind
            if (key := index.key(place)) is not None:
                found.append(unpack(key, packed))
                behind = index.token(place) + 1
    return found, TOKENS


async def _slices(index: Index[P], span: Span, turns: Turns) -> AsyncIterator[list[tuple[P, bytes]]]:
    place = index.start(span.first)
    while True:
        items = index.read(place, span.last, SLICE)
        yield items
        await turns.spend(len(items) + _SEEK_COST)
        if len(items) < SLICE:
            return
        place = index.behind(items[-1][0])
