"""Reads from an LMDB environment, each in a short transaction of its own.

It owns how tables are read. It must never write, nor keep a transaction open: that would stop LMDB from
using freed pages again. Any thread may call it.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, takewhile
from typing import TypeVar

import lmdb

from limedb.core.key_range import KeyRange, behind
from limedb.core.record import Record
from limedb.errors import StoreCorruptError
from limedb.ports import RangePage
from limedb.storage.codec import key_bytes, peek
from limedb.storage.lmdb_env import Tables
from limedb.storage.lmdb_layout import (
    checked_at,
    decode_at,
    decode_for,
    in_key_order,
    number,
    number_of,
    start_at,
    stored_key,
)
from limedb.storage.memtable import Memtable
from limedb.storage.merging import is_live
from limedb.storage.range_page import cut_page

_T = TypeVar("_T")


class OverBudgetError(Exception):
    """A scan looked at more records than it may on the event loop; do it in a thread."""


class Reader:
    """Reads records: single keys from the memtable too, ranges from the tables alone. Any method may raise
    lmdb.Error, and StoreCorruptError on foreign bytes.
    """

    def __init__(self, tables: Tables, memtable: Memtable) -> None:
        self._tables, self._memtable = tables, memtable

    def get(self, key: str) -> Record | None:
        """The record of a key."""
        data = self.stored_at(key)
        return None if data is None else decode_for(key, data)

    def stored_at(self, key: str) -> bytes | None:
        """What is stored under a key as bytes, unread."""
        stored = stored_key(key_bytes(key))
        if self._memtable and (item := self._memtable.get(stored)) is not None:
            return item.data or None
        with self._tables.env.begin(db=self._tables.main) as txn:
            return txn.get(stored)

    def get_many(self, keys: Sequence[str]) -> list[Record | None]:
        """The records of keys, all of one moment."""
        found = self.stored(keys)
        return [
            data if data is None else decode_for(key, data) for key, data in zip(keys, found, strict=True)
        ]

    def stored(self, keys: Sequence[str]) -> list[bytes | None]:
        """What is stored under keys as bytes, unread, all of one moment."""
        stored = [stored_key(key_bytes(key)) for key in keys]
        with self.begin() as txn:  # getmulti is slower, and leaves out what is missing
            if not self._memtable:
                return [txn.get(key) for key in stored]
            items = map(self._memtable.get, stored)
            return [
                txn.get(key) if item is None else item.data or None
                for key, item in zip(stored, items, strict=True)
            ]

    def begin(self) -> "lmdb.Transaction[bytes]":
        """A read transaction on the main table; keep it short, for it stops the reuse of pages."""
        return self._tables.env.begin(db=self._tables.main)

    def scan_keys(
        self, after: str | None, limit: int, now_ms: int, skip: int, budget: int = sys.maxsize
    ) -> list[Record]:
        """As Store.scan_keys. budget: records to look at, dead ones too; OverBudgetError beyond."""
        with self.begin() as txn:
            start = "" if after is None else behind(after)
            items = in_key_order(_bounded(_from(txn.cursor(), start_at(start)), budget), start)
            live = (item for item in items if is_live(peek(item[1]), now_ms))
            return [decode_at(*item) for item in islice(live, skip, skip + limit)]

    def scan_range(self, keys: KeyRange, limit: int, max_bytes: int, budget: int = sys.maxsize) -> RangePage:
        """As Store.scan_range. budget: bytes to read; OverBudgetError beyond."""
        with self.begin() as txn:
            items = in_key_order(_from(txn.cursor(), start_at(keys.start)), keys.start)
            found = ((decode_at(*item), len(item[1])) for item in _within(items, budget))
            return cut_page(takewhile(lambda pair: keys.holds(pair[0].key), found), limit, max_bytes)

    def scan_tokens(self, start: int, end: int, limit: int) -> list[tuple[int, Record]]:
        """As Store.scan_tokens."""
        found = [(t, decode_at(stored, data)) for t, stored, data in self._tokens(start, end, limit)]
        found.sort(key=lambda pair: (pair[0], pair[1].key))  # long keys of one token stand by their digests
        return found

    def stored_tokens(self, start: int, end: int, limit: int) -> list[tuple[int, bytes]]:
        """As `scan_tokens`, as bytes, and keys of one token in no order."""
        return [(t, checked_at(stored, data)) for t, stored, data in self._tokens(start, end, limit)]

    def _tokens(self, start: int, end: int, limit: int) -> list[tuple[int, bytes, bytes]]:
        """Token, stored key and record bytes of start <= token <= end, whole tokens only."""
        found: list[tuple[int, bytes, bytes]] = []
        with self.begin() as txn:
            for entry, _ in _from(txn.cursor(self._tables.tokens), number(start)):
                token, stored = number_of(entry[:8]), entry[8:]
                if token > end or (len(found) >= limit and (not found or found[-1][0] != token)):
                    break
                found.append((token, stored, _indexed(stored, txn.get(stored))))
        return found

    def size(self) -> int:
        """Bytes of the pages that hold records and their index."""
        with self._tables.env.begin() as txn:
            found = [txn.stat(table) for table in (self._tables.main, self._tables.tokens)]
        return sum(s["psize"] * (s["branch_pages"] + s["leaf_pages"] + s["overflow_pages"]) for s in found)


def _from(cursor: "lmdb.Cursor[bytes]", start: bytes) -> Iterator[tuple[bytes, bytes]]:
    """What a table holds from a key on. A cursor that found nothing would iterate from the first."""
    return cursor.iternext() if cursor.set_range(start) else iter(())


def _indexed(stored: bytes, data: bytes | None) -> bytes:
    if data is None:
        raise StoreCorruptError(f"the index has {stored[:64]!r}, the main table has not; restore a snapshot")
    return data


def _within(items: Iterable[tuple[bytes, bytes]], budget: int) -> Iterator[tuple[bytes, bytes]]:
    for item in items:
        budget -= len(item[1])
        if budget < 0:
            raise OverBudgetError
        yield item


def _bounded(items: Iterable[_T], budget: int) -> Iterator[_T]:
    for looked_at, item in enumerate(items):
        if looked_at >= budget:
            raise OverBudgetError
        yield item
