"""The memory store: a dict, lost when the process ends.

It owns its dict and the two orders of its keys. It must never touch a disk except for a snapshot.

Tested in tests/storage/test_contract.py.
"""

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from io import BytesIO
from itertools import islice
from pathlib import Path

from google.protobuf.proto import parse_length_prefixed, serialize_length_prefixed
from typing_extensions import override

from limedb.core.damage import Damage
from limedb.core.key_range import KeyRange
from limedb.core.layout import Span
from limedb.core.record import Record
from limedb.core.ring import token_of
from limedb.encoding.record import encode, from_message, key_bytes, to_message, utf8
from limedb.errors import StoreClosedError, StoreCorruptError
from limedb.ports import Applied, Held, IndexEntry, RangePage, Scrubbed, Store, StoreStats
from limedb.storage import walk as walking
from limedb.storage.entries import is_of, pack
from limedb.storage.files import make_empty_folder, store_error, sync, write_durably
from limedb.storage.memory.token_order import SortedLazily, TokenOrder
from limedb.storage.merge import decide
from limedb.storage.range_page import cut_page, ordered_range, record_size
from limedbpb.v1.record_pb2 import Record as Message

SNAPSHOT_NAME = "records.pb"


class MemoryStore(Store):
    """Records in memory (`ports.Store`). The first scan after writes of new keys costs O(n)."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        """records: the initial content, one of each key, as `read_snapshot` returns them."""
        self._records: dict[str, Record] = {}
        self.damage = Damage()
        self._keys: SortedLazily[str] = SortedLazily()  # text sorts by code points, as its UTF-8 does
        self._tokens: SortedLazily[tuple[int, str]] = SortedLazily()
        self._packed: dict[str, bytes] = {}  # packed entries, once computed
        self._index = TokenOrder(self._places, lambda place: self._pack(place[1]))
        self._count = self._high_water = self._size = 0
        self._is_closed = False
        self._merge(list(records), 0)

    @override
    async def get(self, key: str) -> Record | None:
        """As Store.get. InvalidKeyError: the key is empty."""
        return self._find(key)

    @override
    async def get_many(self, keys: Sequence[str]) -> list[Held]:
        """As Store.get_many. InvalidKeyError: a key is empty."""
        self._check_open()
        return [self._find(key) for key in keys]

    @override
    async def apply(self, records: Sequence[Record], now_ms: int) -> list[Applied]:
        """As Store.apply. InvalidKeyError: a key is empty."""
        self._check_open()
        for record in records:
            key_bytes(record.key)
        return self._merge(records, now_ms)

    @override
    async def scan_keys(self, after: str | None, limit: int, now_ms: int, skip: int = 0) -> list[Record]:
        self._check_open()
        keys = self._keys.sorted()
        first = 0 if after is None else bisect_right(keys, utf8(after).decode())
        found = (self._records[keys[i]] for i in range(first, len(keys)))
        return list(islice((record for record in found if record.is_live(now_ms)), skip, skip + limit))

    @override
    async def scan_range(self, keys: KeyRange, limit: int, max_bytes: int) -> RangePage:
        self._check_open()
        found = (self._records[key] for key in ordered_range(self._keys.sorted(), keys))
        return cut_page(((record, record_size(record)) for record in found), limit, max_bytes)

    @override
    async def scan_tokens(self, start: int, end: int, limit: int) -> list[tuple[int, Record]]:
        self._check_open()
        tokens = self._tokens.sorted()
        first = bisect_left(tokens, (start, ""))
        last = bisect_left(tokens, (end + 1, ""))
        if limit < last - first:
            last = bisect_left(tokens, (tokens[first + limit - 1][0] + 1, "")) if limit else first
        return [(token, self._records[key]) for token, key in tokens[first:last]]

    @override
    async def digests(self, spans: Sequence[Span], cutoff_ms: int) -> list[int]:
        return await walking.digests(self._index, spans, cutoff_ms)

    @override
    async def entries(self, spans: Sequence[Span]) -> list[IndexEntry]:
        """As Store.entries. ResponseTooLargeError: over walking.MAX_LIST_SIZE."""
        return await walking.entries(self._index, spans)

    @override
    async def garbage(self, span: Span, cutoff_ms: int, limit: int) -> tuple[list[IndexEntry], int]:
        return await walking.garbage(self._index, span, cutoff_ms, limit)

    @override
    async def purge(self, entries: Sequence[IndexEntry]) -> int:
        """As Store.purge; O(n)."""
        self._check_open()
        gone = {e.key for e in entries if e.key in self._records and self._is_still(e)}
        self._keys.remove(gone)
        self._tokens.remove({(token_of(key), key) for key in gone})
        for key in gone:
            self._forget(key)
        return len(gone)

    @override
    async def mend(self, key: str, record: Record | None) -> None:
        """As Store.mend: nothing here is ever found damaged."""
        self._check_open()
        if record is not None:
            self._merge([record], 0)

    @override
    async def scrub(self, place: bytes, size: int) -> Scrubbed:
        """As Store.scrub: records in memory have no checksums, so there is nothing to check."""
        self._check_open()
        return Scrubbed(b"", 0, 0)

    @override
    def count(self) -> int:
        """As Store.count; O(1)."""
        self._check_open()
        return self._count

    @override
    def high_water(self) -> int:
        self._check_open()
        return self._high_water

    @override
    def stats(self) -> StoreStats:
        """As Store.stats. size: of keys and values."""
        self._check_open()
        return StoreStats("memory", self._count, self._size)

    @override
    async def snapshot(self, path: str) -> None:
        """As Store.snapshot: one file, records.pb, of limedb.v1.Record messages, each after its length (a
        varint: protobuf's own delimited form), in no order. `read_snapshot` reads it.

        StoreError: the folder isn't empty. StoreFullError: no room there.
        """
        self._check_open()
        await asyncio.to_thread(_write_snapshot, Path(path), list(self._records.values()))

    @override
    async def close(self) -> None:
        """As Store.close: the records are gone."""
        self._is_closed = True
        self._records.clear()

    def _check_open(self) -> None:
        if self._is_closed:
            raise StoreClosedError

    def _find(self, key: str) -> Record | None:
        self._check_open()
        key_bytes(key)
        return self._records.get(key)

    def _merge(self, records: Sequence[Record], now_ms: int) -> list[Applied]:
        return [self._merge_one(record, now_ms) for record in records]

    def _merge_one(self, record: Record, now_ms: int) -> Applied:
        stored = self._records.get(record.key)
        replaces, change, applied = decide(record, stored, lambda: self._records[record.key], now_ms)
        if replaces:
            self._put(record, stored)
            self._count += change
        return applied

    def _places(self) -> list[tuple[int, str]]:
        self._check_open()
        return self._tokens.sorted()

    def _pack(self, key: str) -> bytes:
        packed = self._packed.get(key)
        if packed is None:
            record = self._records[key]
            packed = self._packed[key] = pack(record, encode(record))
        return packed

    def _is_still(self, entry: IndexEntry) -> bool:
        return is_of(self._pack(entry.key), entry.version, entry.checksum)

    def _forget(self, key: str) -> None:
        record = self._records.pop(key)
        self._packed.pop(key, None)
        self._size -= record_size(record)
        self._count -= not record.is_tombstone

    def _put(self, record: Record, stored: Record | None) -> None:
        self._records[record.key] = record
        self._packed.pop(record.key, None)
        self._high_water = max(self._high_water, record.version)
        self._size += record_size(record) - (0 if stored is None else record_size(stored))
        if stored is None:
            self._keys.add(record.key)
            self._tokens.add((token_of(record.key), record.key))


def read_snapshot(folder: Path) -> list[Record]:
    """The records of a snapshot of a memory store. StoreError: it doesn't exist. StoreCorruptError."""
    path = folder / SNAPSHOT_NAME
    try:
        data = BytesIO(path.read_bytes())
    except OSError as error:
        raise store_error(f"snapshot {path}", error) from error
    try:
        return [from_message(message) for message in iter(lambda: parse_length_prefixed(Message, data), None)]
    except Exception as error:
        raise StoreCorruptError(f"snapshot {path} is damaged: {error}") from error


def _write_snapshot(folder: Path, records: list[Record]) -> None:
    make_empty_folder(folder)
    data = BytesIO()
    for record in records:
        serialize_length_prefixed(to_message(record), data)
    try:
        write_durably(folder / SNAPSHOT_NAME, data.getvalue())
        sync(folder)
    except OSError as error:
        raise store_error(f"snapshot in {folder}", error) from error
