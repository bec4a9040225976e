"""Reads from an LMDB environment, each in a short transaction of its own.

It owns how tables are read. It must never write, nor keep a transaction open: that would keep LMDB from
reusing freed pages. Any thread may call it.

Tested in tests/storage/lmdb/test_store.py.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice, takewhile
from typing import TypeVar

import lmdb

from limedb.core.damage import Damage
from limedb.core.key_range import KeyRange, behind
from limedb.core.record import Record
from limedb.encoding.record import decode, key_bytes, peek
from limedb.errors import RecordDamagedError
from limedb.ports import Held, RangePage
from limedb.storage.lmdb.env import Tables
from limedb.storage.lmdb.layout import (
    PREFIX_SIZE,
    decode_for,
    in_key_order,
    is_long,
    number,
    number_of,
    start_at,
    stored_key,
    token_prefix,
)
from limedb.storage.lmdb.memtable import Memtable
from limedb.storage.lmdb.sound import MISSING, Checking, UnsoundError, sound_at
from limedb.storage.merge import is_live
from limedb.storage.range_page import cut_page
from limedb.storage.seal import SEAL_SIZE, seal_of

_T = TypeVar("_T")


class OverBudgetError(Exception):
    """A scan has read more records than it may on the event loop; it belongs in a thread."""


class Reader:
    """Reads records: single keys also from the memtable, ranges from the tables alone. Any method may raise
    lmdb.Error, and RecordDamagedError for damaged records. damage: takes note of damaged records. strays:
    takes places that belong to no key.
    """

    def __init__(self, tables: Tables, memtable: Memtable, damage: Damage, strays: list[bytes]) -> None:
        self._tables, self._memtable, self._damage, self._strays = tables, memtable, damage, strays

    def get(self, key: str) -> Record | None:
        """The record of a key."""
        data = self.stored_at(key)
        return None if data is None else decode_for(key, data)

    def stored_at(self, key: str) -> bytes | None:
        """The bytes of a key's record, verified."""
        (found,) = self.stored((key,))
        if isinstance(found, RecordDamagedError):
            raise found
        return found

    def get_many(self, keys: Sequence[str]) -> list[Held]:
        """The records of keys, all from one moment; an error for a damaged one."""
        return [
            decode_for(key, data) if isinstance(data, bytes) else data
            for key, data in zip(keys, self.stored(keys), strict=True)
        ]

    def stored(self, keys: Sequence[str]) -> list[bytes | RecordDamagedError | None]:
        """The verified bytes of the records of keys, all from one moment; an error for a damaged one."""
        places, tokens = _places_of(keys), self._tables.tokens
        found: list[bytes | RecordDamagedError | None] = []
        take, recent = found.append, self._memtable.get if self._memtable else None
        with self.begin() as txn:  # getmulti is slower, and leaves out missing keys
            get = txn.get
            for place in places:
                if recent is not None and (data := recent(place)) is not None:
                    take(data if data[0] else None)  # purged: `plan.gone`
                    continue
                # The usual cases of sound.sound_at, inlined: the call would cost more than the work.
                if (stored := get(place)) is not None:
                    data = stored[SEAL_SIZE:]
                    if (
                        stored.startswith(seal_of(data))
                        and data.startswith(place, 11)
                        and data[10] == len(place)
                    ):
                        take(data)
                        continue
                elif len(place) <= PREFIX_SIZE and get(token_prefix(place) + place, None, tokens) is None:
                    take(None)
                    continue
                take(self._looked_at(txn, keys[len(found)], place))
        return found

    def _looked_at(
        self, txn: "lmdb.Transaction[bytes]", key: str, place: bytes
    ) -> bytes | RecordDamagedError | None:
        """As `stored`, for one key, with all checks."""
        try:
            data = sound_at(self._tables, txn, place, key_bytes(key))
        except UnsoundError as error:
            self._damage.note((key,), error.why)
            return RecordDamagedError((key,), self._damage.why(key, error.why))
        if data is not None and is_long(place):
            decode_for(key, data)  # of two long keys with one digest, the other may be there
        return data

    def begin(self) -> "lmdb.Transaction[bytes]":
        """A read transaction on the main table; keep it short, for it stops the reuse of pages."""
        return self._tables.env.begin(db=self._tables.main)

    def scan_keys(
        self, after: str | None, limit: int, now_ms: int, skip: int, budget: int = sys.maxsize
    ) -> list[Record]:
        """As Store.scan_keys. budget: the most records to read, including dead ones; OverBudgetError
        beyond.
        """
        with self.begin() as txn, self._checking(txn) as checking:
            start = "" if after is None else behind(after)
            found = checking.open(_bounded(_from(txn.cursor(), start_at(start)), budget))
            items = in_key_order(found, start)
            live = (item for item in items if is_live(peek(item[1]), now_ms))
            return [decode(data) for _, data in islice(live, skip, skip + limit)]

    def scan_range(self, keys: KeyRange, limit: int, max_bytes: int, budget: int = sys.maxsize) -> RangePage:
        """As Store.scan_range. budget: the most bytes to read; OverBudgetError beyond."""
        with self.begin() as txn, self._checking(txn) as checking:
            stored = checking.open(_from(txn.cursor(), start_at(keys.start)))
            items = in_key_order(stored, keys.start)
            found = ((decode(data), len(data)) for _, data in _within(items, budget))
            return cut_page(takewhile(lambda pair: keys.holds(pair[0].key), found), limit, max_bytes)

    def scan_tokens(self, start: int, end: int, limit: int) -> list[tuple[int, Record]]:
        """As Store.scan_tokens."""
        found = [(t, decode(data)) for t, data in self.stored_tokens(start, end, limit)]
        found.sort(
            key=lambda pair: (pair[0], pair[1].key)
        )  # long keys of one token come in the order of their digests
        return found

    def stored_tokens(self, start: int, end: int, limit: int) -> list[tuple[int, bytes]]:
        """As `scan_tokens`, but as bytes, and with the keys of one token in no order."""
        found: list[tuple[int, bytes]] = []
        with self.begin() as txn, self._checking(txn) as checking:
            for entry, _ in _from(txn.cursor(self._tables.tokens), number(start)):
                token, place = number_of(entry[:8]), entry[8:]
                if token > end or (len(found) >= limit and (not found or found[-1][0] != token)):
                    break
                if (stored := txn.get(place)) is None:
                    checking.note(place, None, MISSING)
                else:
                    found += [(token, data) for _, data in checking.open([(place, stored)])]
        return found

    @contextmanager
    def _checking(self, txn: "lmdb.Transaction[bytes]") -> Iterator[Checking]:
        """Note all damage that a block meets, and raise it after the block, so that all of it is mended at
        once.
        """
        checking = Checking(self._tables, txn, self._strays)
        yield checking
        self._damage.note(checking.keys, checking.why)
        checking.finish()

    def size(self) -> int:
        """Bytes of the pages of records and their index."""
        with self._tables.env.begin() as txn:
            found = [txn.stat(table) for table in (self._tables.main, self._tables.tokens)]
        return sum(s["psize"] * (s["branch_pages"] + s["leaf_pages"] + s["overflow_pages"]) for s in found)


def _places_of(keys: Sequence[str]) -> list[bytes]:
    """The stored keys of keys. InvalidKeyError, MalformedRequestError."""
    try:
        places = [key.encode() for key in keys]
    except UnicodeEncodeError:
        return [*map(key_bytes, keys)]  # it raises
    if not all(places) or max(map(len, places), default=0) > PREFIX_SIZE:
        return [stored_key(key_bytes(key)) for key in keys]
    return places


def _from(cursor: "lmdb.Cursor[bytes]", start: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The entries of a table from a key on. A cursor that found nothing would iterate from the first."""
    return cursor.iternext() if cursor.set_range(start) else iter(())


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
