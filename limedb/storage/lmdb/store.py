"""The LMDB store: a folder per node, reads on the event loop, writes in separate threads.

It owns the life of the environment, and the conditions of a read: single keys are also looked up in the
memtable, while reads of ranges first wait until the tables have all writes (`write_path.py`). It must never
block the event loop: reads of many records, and every wait for the disk, run in a thread.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ParamSpec, TypeVar

import lmdb
from typing_extensions import override

from limedb.core.damage import Damage
from limedb.core.key_range import KeyRange
from limedb.core.layout import Span
from limedb.core.record import Record
from limedb.errors import RecordDamagedError, StoreClosedError, StoreDamagedError, StoreError
from limedb.ports import Applied, Held, IndexEntry, RangePage, Scrubbed, Store, StoreStats
from limedb.storage import walk as walking
from limedb.storage.files import FileLock, make_empty_folder, make_private_folder, sync
from limedb.storage.lmdb.env import MAP_SIZE, damaged_in_use, explain, is_broken_tree
from limedb.storage.lmdb.folder import close_folder, open_folder
from limedb.storage.lmdb.index import TokenIndex
from limedb.storage.lmdb.mending import Mender, verify_copy
from limedb.storage.lmdb.plan import EncodedBatch, items_of, purges_of
from limedb.storage.lmdb.reader import OverBudgetError, Reader
from limedb.storage.lmdb.write_path import WritePath

_P = ParamSpec("_P")
_T = TypeVar("_T")

SCAN_BUDGET_RECORDS = 512
"""The most records that a scan reads on the event loop: about a millisecond. Longer scans run in a thread."""
PURGE_BATCH_RECORDS = 32
"""How many records are purged in one transaction: each costs the writer two turns of the interpreter's
lock.
"""
RANGE_BUDGET_BYTES = 256 << 10
"""The most bytes of a range that are read on the event loop. Longer reads run in a thread."""
_THREADS = 2


class LmdbStore(Store):
    """Records in LMDB (`ports.Store`). damage: the damage found.

    Made inside the running event loop, the only one that may use it. Opening takes some milliseconds.
    """

    def __init__(
        self,
        folder: Path,
        durability: str,
        on_fatal: Callable[[Exception], None],
        map_size: int = MAP_SIZE,
    ) -> None:
        """Open the store in a folder, which is made if missing and may have any name.

        durability: always, each commit is on disk before it is answered; interval, within a second; none,
        whenever the kernel writes it. on_fatal: called once, on the event loop, if the disk failed: the node
        has to stop, since all writes are refused from then on. map_size: bytes that the data may grow to.

        StoreError: it can't be opened, or is open elsewhere. StoreCorruptError: it isn't a store.
        StoreDamagedError: a part is damaged, missing or outdated.
        """
        make_private_folder(folder)
        self._folder, self._durability = folder, durability
        self._lock = FileLock(folder / "limedb.lock", folder)
        try:
            self._tables, segments, self._state = open_folder(folder, map_size, durability, self._lock)
            self._path = WritePath(self._tables, segments, durability, on_fatal)
        except StoreError:
            self._lock.release()
            raise
        self._loop = asyncio.get_running_loop()
        self.damage = Damage()
        self._path.on_conflict = self.damage.note_conflict
        self._index = TokenIndex(self._tables, self._check_open, self.damage)
        self._reader = Reader(self._tables, self._path.memtable, self.damage, self._index.strays)
        self._mender = Mender(self._tables, self._index, self.damage)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="limedb-lmdb")
        self._closing: asyncio.Task[None] | None = None

    @property
    def commits(self) -> int:
        """Writes to the disk since the store was opened: far fewer than batches, if there are many
        callers.
        """
        return self._path.commits

    @override
    async def get(self, key: str) -> Record | None:
        """As Store.get. InvalidKeyError: the key is empty."""
        return self._read(self._reader.get, key)

    @override
    async def get_many(self, keys: Sequence[str]) -> list[Held]:
        """As Store.get_many. InvalidKeyError: a key is empty."""
        return self._read(self._reader.get_many, keys)

    def stored_at(self, key: str) -> bytes | None:
        """As ports.StoredBytes. InvalidKeyError: the key is empty."""
        return self._read(self._reader.stored_at, key)

    def stored(self, keys: Sequence[str]) -> list[bytes | RecordDamagedError | None]:
        """As ports.StoredBytes. InvalidKeyError: a key is empty."""
        return self._read(self._reader.stored, keys)

    @override
    async def apply(self, records: Sequence[Record], now_ms: int) -> Sequence[Applied]:
        """As Store.apply. Cancelling the call doesn't revoke the batch.

        InvalidKeyError: a key is empty. StoreFullError: map or disk is full. StoreError: the disk failed.
        """
        self._check_open()
        try:
            return await self._write(items_of(records), now_ms)
        except RecordDamagedError as error:
            self.damage.note(error.keys, error.why)
            raise

    @override
    async def mend(self, key: str, record: Record | None) -> None:
        """As Store.mend. Errors of apply."""
        self._check_open()
        items = items_of([record]) if record else purges_of([IndexEntry(key, 0, 0, 0)])
        with self._explained():
            await self._path.mend(items)
        await self._mend_index()

    @override
    async def scrub(self, place: bytes, size: int) -> Scrubbed:
        await self._settle()
        step = self._read(self._mender.step, place, size)
        await self._mend_index()
        self.damage.checked += step.records
        return step

    @override
    async def scan_keys(self, after: str | None, limit: int, now_ms: int, skip: int = 0) -> list[Record]:
        """As Store.scan_keys; keys that share their first 480 bytes are read together, whatever the limit."""
        await self._settle()
        try:
            return self._read(self._reader.scan_keys, after, limit, now_ms, skip, SCAN_BUDGET_RECORDS)
        except OverBudgetError:
            return await self._in_thread(self._reader.scan_keys, after, limit, now_ms, skip)

    @override
    async def scan_range(self, keys: KeyRange, limit: int, max_bytes: int) -> RangePage:
        """As Store.scan_range; keys that share their first 480 bytes are read together."""
        await self._settle()
        if limit <= SCAN_BUDGET_RECORDS:
            with suppress(OverBudgetError):
                return self._read(self._reader.scan_range, keys, limit, max_bytes, RANGE_BUDGET_BYTES)
        return await self._in_thread(self._reader.scan_range, keys, limit, max_bytes)

    @override
    async def scan_tokens(self, start: int, end: int, limit: int) -> list[tuple[int, Record]]:
        await self._settle()
        if limit <= SCAN_BUDGET_RECORDS:
            return self._read(self._reader.scan_tokens, start, end, limit)
        return await self._in_thread(self._reader.scan_tokens, start, end, limit)

    async def stored_tokens(self, start: int, end: int, limit: int) -> list[tuple[int, bytes]]:
        """As ports.StoredBytes."""
        await self._settle()
        return self._read(self._reader.stored_tokens, start, end, limit)

    @override
    async def digests(self, spans: Sequence[Span], cutoff_ms: int) -> list[int]:
        await self._settle()
        with self._explained():
            return await walking.digests(self._index, spans, cutoff_ms)

    @override
    async def entries(self, spans: Sequence[Span]) -> list[IndexEntry]:
        """As Store.entries. ResponseTooLargeError: over walking.MAX_LIST_SIZE."""
        await self._settle()
        try:
            with self._explained():
                return await walking.entries(self._index, spans)
        finally:
            await self._mend_index()

    @override
    async def garbage(self, span: Span, cutoff_ms: int, limit: int) -> tuple[list[IndexEntry], int]:
        await self._settle()
        with self._explained():
            return await walking.garbage(self._index, span, cutoff_ms, limit)

    @override
    async def purge(self, entries: Sequence[IndexEntry]) -> int:
        """As Store.purge, some at a time, so that no write waits long for them. Errors of apply; entries
        purged before an error stay purged.
        """
        purged = 0
        for start in range(0, len(entries), PURGE_BATCH_RECORDS):
            self._check_open()
            answers = await self._write(purges_of(entries[start : start + PURGE_BATCH_RECORDS]), 0)
            purged += sum(answer.existed for answer in answers)
        return purged

    @override
    def count(self) -> int:
        self._check_open()
        return self._path.count

    @override
    def high_water(self) -> int:
        self._check_open()
        return self._path.high_water

    @override
    def stats(self) -> StoreStats:
        """As Store.stats. size: the pages of records and index, and the writes that only the log has."""
        size = self._read(self._reader.size) + self._path.memtable.size
        trouble = (
            f"{self._folder}: there is no room, writes are refused; make room" if self._path.is_full else ""
        )
        return StoreStats("lmdb", self._path.count, size, str(self._folder), self._durability, trouble)

    @override
    async def snapshot(self, path: str) -> None:
        """As Store.snapshot. The folder can be opened as a store; it lacks the free pages.

        StoreError: the folder isn't empty. StoreFullError: no room there. StoreCorruptError: a record in it
        is damaged; the copy stays.
        """
        await self._settle()
        await self._in_thread(self._copy, Path(path))
        await self._in_thread(verify_copy, Path(path))

    @override
    async def close(self) -> None:
        """As Store.close. A second call waits for the first."""
        if self._closing is None:
            self._closing = self._loop.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        await self._path.close()
        await asyncio.to_thread(self._threads.shutdown)  # closing under a read would crash the process
        close_folder(self._tables, self._state, is_clean=self._path.is_log_empty)
        self._lock.release()

    def _check_open(self) -> None:
        if self._closing is not None:
            raise StoreClosedError

    async def _mend_index(self) -> None:
        """Rewrite the index entries that were found to be wrong."""
        if self._mender.has_work:
            await self._in_thread(self._mender.mend)

    async def _settle(self) -> None:
        """Wait until the tables have all acknowledged writes."""
        self._check_open()
        if self._path.memtable:
            await self._path.settle()

    async def _write(self, items: EncodedBatch, now_ms: int) -> Sequence[Applied]:
        if not items:
            return []
        with self._explained():
            return await self._path.write(items, now_ms)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except lmdb.Error as error:
            raise self._explain(error) from error

    def _explain(self, error: lmdb.Error) -> StoreError:
        """The StoreError for an error; if the file is damaged as a whole, the store gives up."""
        if is_broken_tree(error):
            self._path.give_up(StoreDamagedError(damaged_in_use(self._folder, error)))
        return explain(error, self._folder)

    def _read(self, read: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        if self._closing is not None:
            raise StoreClosedError
        try:
            return read(*args, **kwargs)
        except lmdb.Error as error:
            raise self._explain(error) from error

    async def _in_thread(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        self._check_open()

        def run() -> _T:
            return work(*args, **kwargs)

        try:
            return await self._loop.run_in_executor(self._threads, run)
        except lmdb.Error as error:
            raise self._explain(error) from error

    def _copy(self, folder: Path) -> None:
        make_empty_folder(folder)
        data = folder / "data.mdb"
        try:
            self._tables.env.copy(str(folder), compact=True)
            data.chmod(0o600)
            sync(data)
            sync(folder)
        except (OSError, lmdb.Error) as error:
            data.unlink(missing_ok=True)  # a part of a copy would look like a copy
            raise explain(error, folder) from error
