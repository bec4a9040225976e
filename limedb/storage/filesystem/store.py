"""The filesystem store: one JSON file per node, readable by people.

It owns when the file is read and written: at every operation, in one thread, so one after the other. It must
never overwrite a file that it could not read. It is meant for few keys and human readers: each operation
costs O(n).
"""

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

from typing_extensions import override

from limedb.core.damage import Damage
from limedb.core.key_range import KeyRange
from limedb.core.layout import Span
from limedb.core.record import Record
from limedb.core.ring import token_of
from limedb.encoding.record import encode, key_bytes, utf8
from limedb.errors import RecordDamagedError, StoreClosedError, StoreError
from limedb.ports import Applied, Held, IndexEntry, RangePage, Scrubbed, Store, StoreStats
from limedb.storage import walk as walking
from limedb.storage.entries import is_of, pack
from limedb.storage.files import FileLock, make_empty_folder, make_folder, replace_durably, store_error
from limedb.storage.filesystem.json_file import Content, parse, serialize
from limedb.storage.memory.token_order import TokenOrder
from limedb.storage.merge import decide
from limedb.storage.range_page import cut_page, ordered_range, record_size

_T = TypeVar("_T")


class FilesystemStore(Store):
    """Records in a JSON file (`ports.Store`, `json_file`). A write is on disk before it is answered,
    whatever DURABILITY says. Made inside the running event loop.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, and make it and its folder if missing. Its lock is PATH.lock.

        StoreError: it can't be read, or is open elsewhere. StoreCorruptError: LimeDB didn't write it.
        """
        make_folder(path.parent)
        self._path = path
        self._lock = FileLock(path.with_name(path.name + ".lock"), path)
        self._count = self._high_water = self._size = 0
        self.damage = Damage()
        try:
            self._load()
            if not path.exists():  # so that its loss is noticed later
                self._replace(Content(path, {}))
        except StoreError:
            self._lock.release()
            raise
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="limedb-file")
        self._closing: asyncio.Task[None] | None = None

    @override
    async def get(self, key: str) -> Record | None:
        """As Store.get; the file is read. InvalidKeyError: the key is empty."""
        (found,) = await self.get_many((key,))
        if isinstance(found, RecordDamagedError):
            raise found
        return found

    @override
    async def get_many(self, keys: Sequence[str]) -> list[Held]:
        """As Store.get_many; the file is read once. InvalidKeyError: a key is empty."""
        self._check_open()
        for key in keys:
            key_bytes(key)
        return await self._in_thread(partial(self._held, tuple(keys)))

    @override
    async def apply(self, records: Sequence[Record], now_ms: int) -> list[Applied]:
        """As Store.apply; the file is read, and replaced if something changed. InvalidKeyError: a key is
        empty. StoreFullError: no room, the old file stays.
        """
        self._check_open()
        for record in records:
            key_bytes(record.key)
        return await self._in_thread(partial(self._apply, tuple(records), now_ms))

    @override
    async def mend(self, key: str, record: Record | None) -> None:
        await self._in_thread(partial(self._mend, key, record))

    @override
    async def scrub(self, place: bytes, size: int) -> Scrubbed:
        """As Store.scrub: the whole file in one step."""
        records = await self._in_thread(self._check_all)
        self.damage.checked += records
        return Scrubbed(b"", records, self._size)

    @override
    async def scan_keys(self, after: str | None, limit: int, now_ms: int, skip: int = 0) -> list[Record]:
        """As Store.scan_keys, but O(n)."""
        self._check_open()
        start = None if after is None else utf8(after).decode()
        return await self._in_thread(lambda: _scan_keys(self._load(), start, limit, now_ms, skip))

    @override
    async def scan_range(self, keys: KeyRange, limit: int, max_bytes: int) -> RangePage:
        """As Store.scan_range, but O(n)."""
        return await self._in_thread(lambda: _scan_range(self._load(), keys, limit, max_bytes))

    @override
    async def scan_tokens(self, start: int, end: int, limit: int) -> list[tuple[int, Record]]:
        """As Store.scan_tokens, but O(n)."""
        return await self._in_thread(lambda: _scan_tokens(self._load(), start, end, limit))

    @override
    async def digests(self, spans: Sequence[Span], cutoff_ms: int) -> list[int]:
        """As Store.digests; the file is read once."""
        return await walking.digests(await self._index(spans), spans, cutoff_ms)

    @override
    async def entries(self, spans: Sequence[Span]) -> list[IndexEntry]:
        """As Store.entries; the file is read once. ResponseTooLargeError: over walking.MAX_LIST_SIZE."""
        return await walking.entries(await self._index(spans), spans)

    @override
    async def garbage(self, span: Span, cutoff_ms: int, limit: int) -> tuple[list[IndexEntry], int]:
        """As Store.garbage; the file is read once."""
        return await walking.garbage(await self._index([span]), span, cutoff_ms, limit)

    @override
    async def purge(self, entries: Sequence[IndexEntry]) -> int:
        """As Store.purge; the file is read, and replaced if something changed."""
        return await self._in_thread(partial(self._purge, tuple(entries)))

    @override
    def count(self) -> int:
        """As Store.count, as of the last operation."""
        self._check_open()
        return self._count

    @override
    def high_water(self) -> int:
        """As Store.high_water, as of the last operation."""
        self._check_open()
        return self._high_water

    @override
    def stats(self) -> StoreStats:
        """As Store.stats, as of the last operation. size: of the file."""
        self._check_open()
        return StoreStats("filesystem", self._count, self._size, str(self._path), "always")

    @override
    async def snapshot(self, path: str) -> None:
        """As Store.snapshot: a file of the same name in the folder.

        StoreError: the folder holds something. StoreFullError: no room there.
        """
        await self._in_thread(partial(self._copy, Path(path)))

    @override
    async def close(self) -> None:
        """As Store.close. A second call waits for the first."""
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        await asyncio.to_thread(self._thread.shutdown)
        self._lock.release()

    def _check_open(self) -> None:
        if self._closing is not None:
            raise StoreClosedError

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        self._check_open()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except RecordDamagedError as error:
            self.damage.note(error.keys, error.why)
            raise

    def _load(self) -> Content:
        try:
            data = self._path.read_bytes() if self._path.exists() else b"{}"
        except OSError as error:
            raise store_error(f"{self._path} can't be read", error) from error
        content = parse(self._path, data)
        self._note(content, len(data))
        return content

    def _note(self, content: Content, size: int) -> None:
        self._count, self._size = content.count, size
        self._high_water = max(self._high_water, content.high_water)  # it may have been purged

    def _held(self, keys: Sequence[str]) -> list[Held]:
        content = self._load()
        return [self._held_in(content, key) for key in keys]

    def _held_in(self, content: Content, key: str) -> Held:
        try:
            return content.get(key)
        except RecordDamagedError as error:
            self.damage.note(error.keys, error.why)
            return error

    def _check_all(self) -> int:
        content = self._load()
        for key in content.entries:
            self._held_in(content, key)
        return len(content.entries)

    def _mend(self, key: str, record: Record | None) -> None:
        content = self._load()
        is_damaged = isinstance(self._held_in(content, key), RecordDamagedError)
        if is_damaged:
            content.remove(key)
        if record is not None:
            replaces, change, _ = decide(record, content.header(key), partial(content.at, key), 0)
            if replaces:
                content.put(record, change)
        if is_damaged or record is not None:
            self._replace(content)

    def _apply(self, records: Sequence[Record], now_ms: int) -> list[Applied]:
        content = self._load()
        for record in records:
            content.get(record.key)  # a damaged record must not be merged with
        answers = []
        is_changed = False
        for record in records:
            replaces, change, applied = decide(
                record, content.header(record.key), partial(content.at, record.key), now_ms
            )
            answers.append(applied)
            if replaces:
                content.put(record, change)
                is_changed = True
        if is_changed:
            self._replace(content)
        return answers

    async def _index(self, spans: Sequence[Span]) -> TokenOrder:
        """The entries of some spans, by the present file."""
        packed = await self._in_thread(lambda: _packed(self._load(), spans))
        places = sorted(packed)
        return TokenOrder(lambda: places, lambda place: packed[place])

    def _purge(self, entries: Sequence[IndexEntry]) -> int:
        content = self._load()
        known = {e.key: self._held_in(content, e.key) for e in entries}
        gone = {e.key for e in entries if isinstance(held := known[e.key], Record) and _is_still(held, e)}
        for key in gone:
            content.remove(key)
        if gone:
            self._replace(content)
        return len(gone)

    def _replace(self, content: Content) -> None:
        data = serialize(content)
        try:
            replace_durably(self._path, data)
        except OSError as error:
            raise store_error(f"{self._path} can't be written", error) from error
        self._note(content, len(data))

    def _copy(self, folder: Path) -> None:
        make_empty_folder(folder)
        try:
            replace_durably(folder / self._path.name, serialize(self._load()))
        except OSError as error:
            raise store_error(f"snapshot in {folder}", error) from error


def _scan_keys(content: Content, after: str | None, limit: int, now_ms: int, skip: int) -> list[Record]:
    keys = sorted(content.entries)  # text sorts by code points, as its UTF-8 does
    behind = keys[0 if after is None else bisect_right(keys, after) :]
    live = (key for key in behind if content.is_live(key, now_ms))
    return [content.at(key) for key in islice(live, skip, skip + limit)]


def _scan_range(content: Content, keys: KeyRange, limit: int, max_bytes: int) -> RangePage:
    found = map(content.at, ordered_range(sorted(content.entries), keys))
    return cut_page(((record, record_size(record)) for record in found), limit, max_bytes)


def _scan_tokens(content: Content, start: int, end: int, limit: int) -> list[tuple[int, Record]]:
    pairs = sorted((token, key) for key in content.entries if start <= (token := token_of(key)) <= end)
    last = pairs[limit - 1][0] if 0 < limit < len(pairs) else end
    return [(token, content.at(key)) for token, key in pairs if limit and token <= last]


def _packed(content: Content, spans: Sequence[Span]) -> dict[tuple[int, str], bytes]:
    """Packed entries by place, of all keys from the first span to the last."""
    first, last = min((s.first for s in spans), default=0), max((s.last for s in spans), default=-1)
    places = ((token_of(key), key) for key in content.entries)
    wanted = [place for place in places if first <= place[0] <= last]
    return {place: pack(record := content.at(place[1]), encode(record)) for place in wanted}


def _is_still(record: Record, entry: IndexEntry) -> bool:
    return is_of(pack(record, encode(record)), entry.version, entry.checksum)
