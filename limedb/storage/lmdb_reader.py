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
    decode_at,
    decode_for,
    in_key_order,
    number,
    number_of,
    start_at,
    stored_key,
)
from limedb.storage.merging import is_live
from limedb.storage.range_page import cut_page

_T = TypeVar("_T")


class OverBudgetError(Exception):
    """A scan looked at more records than it may on the event loop; do it in a thread."""


class Reader:
    """Reads records. Any method may raise lmdb.Error, and StoreCorruptError on foreign bytes."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def get(self, key: str) -> Record | None:
        """The record of a key."""
        with self.begin() as txn:
            data = txn.get(stored_key(key_bytes(key)))
        return None if data is None else decode_for(key, data)

    def get_many(self, keys: Sequence[str]) -> list[Record | None]:
        """The records of keys, all of one moment."""
        stored = [stored_key(key_bytes(key)) for key in keys]
        with self.begin() as txn:  # getmulti is slower, and leaves out what is missing
            found = [txn.get(key) for key in stored]
        return [
            data if data is None else decode_for(key, data) for key, data in zip(keys, found, strict=True)
        ]

    def stored(self, keys: Sequence[str]) -> list[bytes | None]:
        """What is stored under keys as bytes, unread, all of one moment."""
        stored = [stored_key(key_bytes(key)) for key in keys]
        with self.begin() as txn:
            return [txn.get(key) for key in stored]

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
        found: list[tuple[int, Record]] = []
        with self.begin() as txn:
            for entry, _ in _from(txn.cursor(self._tables.tokens), number(start)):
                token = number_of(entry[:8])
                if token > end or (len(found) >= limit and (not found or found[-1][0] != token)):
                    break
                found.append((token, _record_at(entry[8:], txn.get(entry[8:]))))
        found.sort(key=lambda pair: (pair[0], pair[1].key))  # long keys of one token stand by their digests
        return found

    def size(self) -> int:
        """Bytes of the pages that hold records and their index."""
        with self._tables.env.begin() as txn:
            found = [txn.stat(table) for table in (self._tables.main, self._tables.tokens)]
        return sum(s["psize"] * (s["branch_pages"] + s["leaf_pages"] + s["overflow_pages"]) for s in found)


def _from(cursor: "lmdb.Cursor[bytes]", start: bytes) -> Iterator[tuple[bytes, bytes]]:
    """What a table holds from a key on. A cursor that found nothing would iterate from the first."""
    return cursor.iternext() if cursor.set_range(start) else iter(())


def _record_at(stored: bytes, data: bytes | None) -> Record:
    if data is None:
        raise StoreCorruptError(f"the index has {stored[:64]!r}, the main table has not; restore a snapshot")
    return decode_at(stored, data)


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
