"""The one thread that writes to the tables of an LMDB environment.

It owns write transactions, and the counters that change with them. It must never touch a future or the event
loop.

Jobs that are submitted together are one transaction. A batch stays all or none: if a group finds no room, its
batches are tried again one by one, and only those that find no room themselves fail.

A job comes with its plan, made on the event loop: every read in this thread releases the GIL and, on a busy
loop, waits long to get it back, while `putmulti` and commit release it once. Plans build on each other, so
jobs that are tried one by one are planned again, here.

Tested in tests/storage/lmdb/test_store.py and tests/storage/test_failing_callbacks.py.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

from limedb.encoding.record import decode, utf8
from limedb.errors import StoreError
from limedb.ports import Applied
from limedb.storage.entries import pack_stored
from limedb.storage.lmdb.counters import counters, put_counters
from limedb.storage.lmdb.env import PAGE_BYTES_PER_WRITE, Tables, broken, full_error, is_no_room
from limedb.storage.lmdb.layout import LOGGED, PREFIX_SIZE, packed_count, token_prefix
from limedb.storage.lmdb.lookup import StoredRecords
from limedb.storage.lmdb.plan import EncodedBatch, Lookup, WritePlan, gone_name, plan, plan_mending
from limedb.storage.lmdb.sound import was_live
from limedb.storage.seal import sealed

if TYPE_CHECKING:
    import lmdb


@dataclass(slots=True)
class WriteGroup:
    """A batch to write."""

    items: EncodedBatch
    now_ms: int
    plan: WritePlan
    waiter: "asyncio.Future[Sequence[Applied]]"
    """Gets the answer; the thread only passes it on."""
    size: int
    """Bytes of the records."""
    error: StoreError | None = None
    """Set if the batch failed."""
    logged: int = 0
    """The log segment up to which the tables are complete with this batch; 0: unknown."""
    is_mending: bool = False
    """Whether the one item replaces a damaged record."""
    submitted_at: float = 0.0
    taken_at: float = 0.0
    synced_at: float = 0.0
    """When the log's thread was asked, took it, and had it on disk (`time.perf_counter`); 0: it didn't."""

    def answer(self) -> None:
        """Resolve the waiter, unless it was cancelled."""
        if self.waiter.done():
            return
        if self.error is None:
            self.waiter.set_result(self.plan.answers)
        else:
            self.waiter.set_exception(self.error)


def plan_of(job: WriteGroup, tables: Tables, txn: "lmdb.Transaction[bytes]", lookup: Lookup) -> WritePlan:
    """The changes that a job makes to the tables, as a transaction sees them. RecordDamagedError,
    StoreCorruptError.
    """
    if not job.is_mending:
        return plan(job.items, job.now_ms, lookup)
    (item,) = job.items
    return plan_mending(job.items, lookup, was_live(tables, txn, token_prefix(item.name) + item.key))


class TableWriter:
    """Carries out jobs in a thread, in order.

    count, high_water: as committed. commits: the number of write transactions. failure: set once, if the disk
    failed; no write is tried afterwards.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self.count, self.high_water = counters(tables)
        self.commits = 0
        self.failure: Exception | None = None
        self._queue: SimpleQueue[tuple[list[WriteGroup], Callable[[], None]] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="limedb-tables", daemon=True)
        self._thread.start()

    def submit(self, jobs: list[WriteGroup], done: Callable[[], None]) -> None:
        """Queue jobs, whose plans are right once earlier jobs are done. done: called in the thread when they
        are done. It never waits.
        """
        self._queue.put((jobs, done))

    def finish(self) -> None:
        """Carry out the queued jobs, then end the thread and wait for it. Submit nothing afterwards."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while self._do_next():
            pass

    def _do_next(self) -> bool:
        """Carry out the next jobs; False at the end. While the thread waits, it holds no references to
        earlier jobs, which may be 32 MiB.
        """
        work = self._queue.get()
        if work is None:
            return False
        jobs, done = work
        try:
            self._carry_out(jobs)
        except Exception as error:  # an error during recovery: no caller may wait for a dead thread
            self.failure = self.failure or error
            for job in jobs:
                job.error = broken(self._tables.folder, self.failure)
        done()
        return True

    def _carry_out(self, jobs: list[WriteGroup]) -> None:
        try:
            if self.failure is not None:
                raise broken(self._tables.folder, self.failure)
            self._commit(jobs)
        except Exception as error:
            self._recover(jobs, error)

    def _recover(self, jobs: list[WriteGroup], error: Exception) -> None:
        """Find the job that failed; give up permanently if the disk failed."""
        if not isinstance(error, StoreError) and not self._is_no_room(jobs, error):
            self.failure = error
        for job in jobs:
            if self.failure is not None:
                job.error = broken(self._tables.folder, self.failure)
            elif len(jobs) > 1:
                self._carry_out_alone(job)
            else:
                job.error = error if isinstance(error, StoreError) else full_error(error, self._tables.folder)

    def _carry_out_alone(self, job: WriteGroup) -> None:
        try:
            job.plan = self._planned(job)
        except StoreError as error:  # damaged bytes under one of its keys
            job.error = error
        else:
            self._carry_out([job])

    def _is_no_room(self, jobs: list[WriteGroup], error: Exception) -> bool:
        written = sum(2 * job.size + PAGE_BYTES_PER_WRITE * len(job.plan.writes) for job in jobs)
        return is_no_room(error, self._tables.folder, written + (1 << 20))

    def _commit(self, jobs: list[WriteGroup]) -> None:
        writes: dict[bytes, bytes] = {}
        for job in jobs:
            writes.update(job.plan.writes)
        logged = max(job.logged for job in jobs)
        if not writes and not logged:
            return
        count = self.count + sum(job.plan.live_change for job in jobs)
        high_water = max([self.high_water, *[job.plan.high_water for job in jobs]])
        write_items(self._tables, writes, count, high_water, logged)
        self.count, self.high_water = count, high_water
        self.commits += 1

    def _planned(self, job: WriteGroup) -> WritePlan:
        with self._tables.env.begin(db=self._tables.main) as txn:
            return plan_of(job, self._tables, txn, StoredRecords(self._tables, txn))


def write_items(
    tables: Tables, writes: dict[bytes, bytes], count: int, high_water: int, logged: int = 0
) -> None:
    """Write records by their stored keys in one transaction, in order, as neighbours share pages. logged: as
    in WriteGroup. lmdb.Error.
    """
    puts = {key: data for key, data in writes.items() if data[0]}  # without those of `gone`
    records = sorted([(key, sealed(data)) for key, data in puts.items()])
    entries = sorted([(_index_key(key, data), pack_stored(data)) for key, data in puts.items()])
    with tables.env.begin(write=True) as txn:
        txn.cursor(tables.main).putmulti(records)
        txn.cursor(tables.tokens).putmulti(entries)
        for key, data in writes.items() if len(puts) < len(writes) else ():
            if name := gone_name(data):
                txn.delete(key, db=tables.main)
                txn.delete(token_prefix(name) + key, db=tables.tokens)
        put_counters(tables, txn, count, high_water)
        if logged:
            txn.put(LOGGED, packed_count(logged), db=tables.meta)


def _index_key(key: bytes, data: bytes) -> bytes:
    """The key in the tokens table for a record."""
    return (token_prefix(key) if len(key) <= PREFIX_SIZE else token_prefix(utf8(decode(data).key))) + key
