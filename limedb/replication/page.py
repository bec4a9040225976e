"""A page of a range of tokens, put together from chunks; and a page of a node's own keys.

It owns the end of a page of tokens: behind a number of records or bytes, and never between keys of one token.
It must never read a store.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from limedb.core.layout import Span
from limedb.core.record import Record

CHUNK = 64
"""Records that are read at once, so that large values fill no more memory than a page may."""
BYTES = 4 << 20
"""Bytes after which a page is complete."""

T = TypeVar("T")


class TokenPage(Generic[T]):
    """Records with their tokens, from the first token of a span on. size: returns the bytes that a record
    counts.
    """

    def __init__(self, span: Span, limit: int, size: Callable[[T], int]) -> None:
        self.first = span.first
        self.found: list[tuple[int, T]] = []
        self._span, self._limit, self._size_of = span, limit, size
        self._size, self._is_end = 0, False

    @property
    def items(self) -> list[T]:
        """What it holds, without the tokens."""
        return [item for _, item in self.found]

    @property
    def wanted(self) -> int:
        """How many records to read next, from token `first` on; 0: the page is whole."""
        if self._is_end or self.first > self._span.last or self._size >= BYTES:
            return 0
        return max(0, min(CHUNK, self._limit - len(self.found)))

    def add(self, chunk: list[tuple[int, T]], wanted: int) -> None:
        """Add the records that were read."""
        self._is_end = len(chunk) < wanted
        kept = self._cut(chunk)
        self.found += kept
        self.first = kept[-1][0] + 1 if kept else self.first

    def _cut(self, chunk: list[tuple[int, T]]) -> list[tuple[int, T]]:
        """As much of a chunk as still belongs to the page, whole tokens only."""
        for i, (token, record) in enumerate(chunk):
            if self._size >= BYTES and i and token != chunk[i - 1][0]:
                return chunk[:i]
            self._size += self._size_of(record)
        return chunk


@dataclass(frozen=True, slots=True)
class KeyPage:
    """A page of a node's own keys. page: from 1; total: keys that the node holds."""

    records: list[Record]
    total: int
    page: int
    page_size: int

    @property
    def total_pages(self) -> int:
        """How many pages there are."""
        return -(-self.total // self.page_size)
