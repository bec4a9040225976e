"""The one thread that writes to an LMDB environment.

It owns write transactions, and the counters that change with them. It must never touch a future or the
event loop, except to post what is done.

Group commit: all that is queued at a moment is one transaction, so that a slow disk costs each caller one
or two syncs and not a turn in a queue. A batch stays all or none: where a group finds no room, its batches
are tried again one by one, and only those that find none themselves fail.

A job brings its plan along, made on the event loop: every read in this thread gives the GIL away and, on a
busy loop, waits long to get it back, while `putmulti` and commit give it away once. Plans build on each
other, so when a job fails, those behind it are planned again, here, until the queue was empty once.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread

import lmdb

from limedb.errors import StoreError
from limedb.ports import Applied
from limedb.storage.lmdb_env import Tables, full_error, is_no_room
from limedb.storage.lmdb_layout import COUNT, HIGH_WATER, number, number_of
from limedb.storage.lmdb_plan import Item, Plan, plan

SYNC_INTERVAL = 1.0  # seconds between syncs where DURABILITY is interval
_GROUP_BYTES = 32 << 20  # a group ends here, so that one transaction holds neither memory nor callers long
_PAGES_A_WRITE = 32 << 10  # bytes of tree pages that one record may dirty in both tables, and some more


@dataclass(slots=True)
class Job:
    """A batch to write. waiter: whom to tell, only handed on. error: set when it failed."""

    items: list[Item]
    now_ms: int
    plan: Plan
    waiter: "asyncio.Future[list[Applied]]"
    error: StoreError | None = None

    @property
    def size(self) -> int:
        """Bytes of its records, repeated ones too."""
        return sum(len(item.data) for item in self.items)


class Writer:
    """Carries out jobs in a thread, in their order, and posts them when they are done.

    count, high_water: as committed. commits: transactions that wrote. failure: set once, when the disk
    failed; no write is tried afterwards. replan: whether plans may be wrong; the event loop clears it when
    no job is on its way.
    """

    def __init__(self, tables: Tables, durability: str, post: Callable[[list[Job]], None]) -> None:
        """post: called in the thread with jobs that are done, or with none after a sync that failed."""
        self._tables, self._post = tables, post
        with tables.env.begin(db=tables.meta) as txn:
            self.count, self.high_water = (number_of(txn.get(key, b"")) for key in (COUNT, HIGH_WATER))
        self.commits, self.replan = 0, False
        self.failure: Exception | None = None
        self._syncs = durability == "interval"
        self._sync_due: float | None = None
        self._is_ending = False
        self._queue: SimpleQueue[list[Job] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="limedb-writer", daemon=True)
        self._thread.start()

    def submit(self, jobs: list[Job]) -> None:
        """Queue jobs, together: each put wakes the thread, which then waits for the lock. It never waits."""
        for group in _groups(jobs):
            self._queue.put(group)

    def finish(self) -> None:
        """Carry out what is queued, then end the thread, and wait for that. Submit nothing afterwards."""
        self._queue.put(None)
        self._thread.join()

    def broken(self) -> StoreError:
        """What to tell a caller after the failure; a new error each time, since each gets a traceback."""
        return StoreError(
            f"{self._tables.folder}: the disk failed ({self.failure}); no more is written there"
        )

    def _run(self) -> None:
        while not self._is_ending:
            if jobs := self._take():
                self._carry_out(jobs)
                self._post(jobs)
            self._sync_if_due()

    def _take(self) -> list[Job]:
        """What is queued, waiting for the first; none when a sync is due or the end has come."""
        jobs: list[Job] = []
        size = 0
        try:
            more = self._queue.get(timeout=self._seconds_to_sync())
            while more is not None:
                jobs += more
                size += sum(job.size for job in more)
                if size >= _GROUP_BYTES:
                    return jobs
                more = self._queue.get_nowait()
            self._is_ending = True
        except Empty:
            pass
        return jobs

    def _carry_out(self, jobs: list[Job]) -> None:
        try:
            if self.failure is None:
                self._commit(jobs)
            else:
                self._refuse(jobs)
        except Exception as error:
            self._recover(jobs, error)

    def _recover(self, jobs: list[Job], error: Exception) -> None:
        """Find the job that failed, or give up for ever where the disk did."""
        self.replan = True
        if not isinstance(error, StoreError) and not self._is_no_room(jobs, error):
            self.failure = error
            self._refuse(jobs)
        elif len(jobs) > 1:
            for job in jobs:
                self._carry_out([job])
        else:
            jobs[0].error = error if isinstance(error, StoreError) else full_error(error, self._tables.folder)

    def _refuse(self, jobs: list[Job]) -> None:
        for job in jobs:
            job.error = self.broken()

    def _is_no_room(self, jobs: list[Job], error: Exception) -> bool:
        written = sum(2 * job.size + _PAGES_A_WRITE * len(job.items) for job in jobs)
        return is_no_room(error, self._tables.folder, written + (1 << 20))

    def _commit(self, jobs: list[Job]) -> None:
        with self._tables.env.begin(write=True) as txn:
            if self.replan:
                self._plan_again(txn, jobs)
            writes: dict[bytes, Item] = {}
            for job in jobs:
                writes.update(job.plan.writes)
            if not writes:
                return
            count = self.count + sum(job.plan.live_change for job in jobs)
            high_water = max(self.high_water, *(item.record.version for item in writes.values()))
            self._put(txn, writes, count, high_water)
        self.count, self.high_water = count, high_water
        self.commits += 1
        if self._syncs and self._sync_due is None:
            self._sync_due = time.monotonic() + SYNC_INTERVAL

    def _plan_again(self, txn: "lmdb.Transaction[bytes]", jobs: list[Job]) -> None:
        writes: dict[bytes, Item] = {}

        def lookup(key: bytes) -> bytes | None:
            return writes[key].data or None if key in writes else txn.get(key, db=self._tables.main)

        for job in jobs:
            job.plan = plan(job.items, job.now_ms, lookup)
            writes.update(job.plan.writes)

    def _put(
        self, txn: "lmdb.Transaction[bytes]", writes: dict[bytes, Item], count: int, high_water: int
    ) -> None:
        """Write all, sorted: neighbours share pages."""
        tables = self._tables
        puts = [item for item in writes.values() if item.data]
        txn.cursor(tables.main).putmulti(sorted((item.key, item.data) for item in puts))
        txn.cursor(tables.tokens).putmulti(sorted(item.index_entry() for item in puts))
        for item in writes.values():
            if not item.data:
                txn.delete(item.key, db=tables.main)
                txn.delete(item.index_key(), db=tables.tokens)
        txn.cursor(tables.meta).putmulti([(COUNT, number(count)), (HIGH_WATER, number(high_water))])

    def _seconds_to_sync(self) -> float | None:
        return None if self._sync_due is None else max(0.0, self._sync_due - time.monotonic())

    def _sync_if_due(self) -> None:
        if self._sync_due is None or not (self._is_ending or self._sync_due <= time.monotonic()):
            return
        self._sync_due = None
        try:
            self._tables.env.sync(True)
        except lmdb.Error as error:
            self.failure = error
            self._post([])


def _groups(jobs: list[Job]) -> Iterator[list[Job]]:
    """Jobs in their order, in groups that end behind _GROUP_BYTES."""
    size, start = 0, 0
    for end, job in enumerate(jobs, 1):
        size += job.size
        if size >= _GROUP_BYTES:
            yield jobs[start:end]
            size, start = 0, end
    if start < len(jobs):
        yield jobs[start:]
