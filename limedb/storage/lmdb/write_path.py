"""The path of a write to the disk, and from there into the tables.

It owns the order: a batch is merged, appended to the write-ahead log, answered, and kept in the memtable;
later it goes to the tables, together with all newer batches, as one transaction (a checkpoint), and its log
segments are removed. It must never block the event loop, nor leave a caller waiting: any error in a callback,
a task or a thread counts as a failure of the disk, and becomes the answer of all waiting calls.

If there may be no room for a promise of the log, batches take the direct way, after a checkpoint: into the
tables at once. So a write is acknowledged only once it is stored, and one that finds no room gets an error.

Tested in tests/storage/test_checkpoints.py.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from time import perf_counter
from typing import TypeVar

import lmdb

from limedb.aio.stages import Stages, current_stages
from limedb.errors import StoreError, StoreFullError
from limedb.ports import Applied
from limedb.storage.lmdb.env import Tables, broken, explain
from limedb.storage.lmdb.group_commit import GroupCommit
from limedb.storage.lmdb.log_writer import LogWriter
from limedb.storage.lmdb.lookup import StoredRecords
from limedb.storage.lmdb.memtable import Memtable
from limedb.storage.lmdb.plan import EncodedBatch, WritePlan
from limedb.storage.lmdb.space import Room
from limedb.storage.lmdb.writer import TableWriter, WriteGroup, plan_of
from limedb.storage.write_ahead_log import WriteAheadLog

log = logging.getLogger(__name__)

T = TypeVar("T")

CHECKPOINT_SECONDS = 1.0
"""The longest time that a write is only in the log, if no read needs the tables."""
CHECKPOINT_BYTES = 64 << 20
CHECKPOINT_ITEMS = 50_000
"""Bytes of log, and keys, at which a checkpoint begins; at twice as many, writes wait for it."""
_NOTHING = WritePlan({}, [], 0)
_NO_ITEMS = EncodedBatch((), (), ())
_LOGGED = "others to join", "the log's thread", "the disk", "its turn on the loop"
_DIRECT = "others to join", "the tables"
"""The stages of a write's wait, on either way."""
_GROUP_BYTES = 32 << 20
"""A group of the direct way: one transaction must not hold memory or callers for long."""


class WritePath:
    """Merges batches, makes them durable by the setting, and writes them to the tables.

    memtable: acknowledged writes that aren't in the tables yet. count: keys with a value; high_water: the
    greatest version; both of all acknowledged writes. on_conflict: called with a key if another record with
    the same version was given. on_fatal: called once, on the event loop, if the disk failed. StoreError,
    StoreFullError: the log can't be written.
    """

    def __init__(
        self, tables: Tables, segments: WriteAheadLog, durability: str, on_fatal: Callable[[Exception], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._tables, self._on_fatal = tables, on_fatal
        self._log = LogWriter(segments, durability == "interval", self._post)
        self._writer = TableWriter(tables)
        self._gather = GroupCommit(self._loop, self._submit)
        self._room = Room(tables)
        self.memtable = Memtable()
        self._pending: dict[bytes, bytes] = {}  # the newest of each key on its way to the log
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self.count, self.high_water = self._writer.count, self._writer.high_water
        self._checkpoints: asyncio.Task[None] | None = None
        self._direct: asyncio.Task[None] | None = None
        self._must_plan_again = self._is_fatal_reported = False
        self._under_way: list[WriteGroup] = []  # submitted, but not answered yet
        self._own_failure: Exception | None = None
        self._found_no_room = False
        self._timer: asyncio.TimerHandle | None = None
        self.on_conflict: Callable[[str], None] = lambda key: None

    @property
    def is_log_empty(self) -> bool:
        """After `close`: whether the tables have everything."""
        return self._log.is_empty

    @property
    def is_full(self) -> bool:
        """Whether the last write found no room, and there is none since."""
        return self._found_no_room and not self._room.is_sure(self.memtable.size, len(self.memtable))

    @property
    def commits(self) -> int:
        """The number of appended groups and transactions."""
        return self._log.appends + self._writer.commits

    def check(self) -> None:
        """StoreError: the disk failed."""
        if self._failure is not None:
            raise self._broken()

    async def write(self, items: EncodedBatch, now_ms: int) -> Sequence[Applied]:
        """Merge a batch, all or none. StoreFullError, StoreError, StoreCorruptError, lmdb.Error."""
        self.check()
        while self._is_over(2):
            await asyncio.shield(self._begin_checkpoint())
        return await self._do(WriteGroup(items, now_ms, _NOTHING, self._loop.create_future(), items.size))

    async def mend(self, items: EncodedBatch) -> None:
        """Replace a damaged record by the one item, or by nothing (an item to purge). Errors of `write`."""
        self.check()
        waiter: asyncio.Future[Sequence[Applied]] = self._loop.create_future()
        await self._do(WriteGroup(items, 0, _NOTHING, waiter, items.size, is_mending=True))

    async def _do(self, job: WriteGroup) -> Sequence[Applied]:
        """Plan a job, and make it durable."""
        planned = job.plan = self._plan(job)
        for key in planned.conflicts:
            self.on_conflict(key)
        self._pending.update(planned.writes)
        self._is_idle.clear()
        self._gather.add(job)
        if (stages := current_stages()) is None:
            return await job.waiter
        queued_at = perf_counter()
        try:
            return await job.waiter
        finally:
            _note(stages, job, queued_at)

    async def settle(self) -> None:
        """Return when all writes acknowledged before are in the tables. StoreError, StoreFullError."""
        if self._checkpoints is not None and not self._checkpoints.done():
            await asyncio.shield(self._checkpoints)
        if self.memtable:
            await asyncio.shield(self._begin_checkpoint())

    async def close(self) -> None:
        """Write all accepted batches, and end the threads: closing the tables under them would crash the
        process.
        """
        self._gather.flush()
        await self._is_idle.wait()
        with suppress(StoreError):  # the log has the writes that find no room in the tables
            await self.settle()
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.to_thread(self._log.finish)
        await asyncio.to_thread(self._writer.finish)

    # --- merging

    def _plan(self, job: WriteGroup) -> WritePlan:
        """Merge with the items under way, or else with the stored records."""
        memtable = self.memtable
        with self._tables.env.begin(db=self._tables.main) as txn:
            stored = StoredRecords(self._tables, txn, self._pending, memtable.fresh, memtable.frozen)
            return plan_of(job, self._tables, txn, stored)

    def _plan_again(self, jobs: list[WriteGroup]) -> None:
        """Plan the last jobs under way again, since the items that their plans built on were not stored."""
        self._pending.clear()
        for job in jobs:
            try:
                job.plan = self._plan(job)
            except (StoreError, lmdb.Error) as error:
                job.plan = WritePlan({}, [], 0)
                job.error = explain(error, self._tables.folder) if isinstance(error, lmdb.Error) else error
            self._pending.update(job.plan.writes)

    # --- to the log, or straight to the tables

    def _submit(self, jobs: list[WriteGroup]) -> None:
        self._under_way = jobs
        with self._failing():
            self._send(jobs)

    def _send(self, jobs: list[WriteGroup]) -> None:
        self.check()
        if self._must_plan_again:
            self._must_plan_again = False
            self._plan_again(jobs)
        size, count, now = sum(job.size for job in jobs), sum(len(job.items) for job in jobs), perf_counter()
        for job in jobs:
            job.submitted_at = now
        if self._room.is_sure(self.memtable.size + size, len(self.memtable) + count):
            self._log.append(jobs, self._logged)
        else:
            self._direct = self._loop.create_task(self._write_directly(jobs))

    def _logged(self, jobs: list[WriteGroup], is_done: bool) -> None:
        """Handle the outcome of an append."""
        if self._own_failure is not None:
            return  # the jobs got it as their answer
        if not is_done and self._failure is None:
            self._direct = self._loop.create_task(self._write_directly(jobs))
            return
        self._found_no_room = self._found_no_room and not is_done
        for job in jobs:
            if is_done:
                self.memtable.add(job.plan, job.size)
                self._count(job)
            else:
                job.error = self._broken()
        self._answer(jobs)
        if self._is_over(1):
            self._begin_checkpoint()
        elif self._timer is None and self.memtable:
            self._timer = self._loop.call_later(CHECKPOINT_SECONDS, self._checkpoint_if_due)

    async def _write_directly(self, jobs: list[WriteGroup]) -> None:
        try:
            await self.settle()
            for group in _groups(jobs):
                self._plan_again(group)
                await self._commit(group)
        except StoreError as error:
            for job in jobs:
                job.error = type(error)(str(error))
        except Exception as error:
            self.give_up(error)
            return
        for job in jobs:
            if job.error is None:
                self._count(job)
        self._found_no_room = any(isinstance(job.error, StoreFullError) for job in jobs)
        self._must_plan_again = True  # newer plans may build on failed writes
        self._answer(jobs)

    def _count(self, job: WriteGroup) -> None:
        self.count += job.plan.live_change
        self.high_water = max(self.high_water, job.plan.high_water)

    def _answer(self, jobs: list[WriteGroup]) -> None:
        """Answer the jobs, and let the next ones start."""
        waiting = self._gather.jobs
        self._pending, self._under_way = {}, []
        for job in waiting:
            self._pending.update(job.plan.writes)
        for job in jobs:
            job.answer()
        if not waiting:
            self._is_idle.set()
        self._gather.writer_is_idle()

    # --- into the tables

    def _is_over(self, times: int) -> bool:
        memtable = self.memtable
        return (
            len(memtable.fresh) >= times * CHECKPOINT_ITEMS or memtable.fresh_size >= times * CHECKPOINT_BYTES
        )

    def _checkpoint_if_due(self) -> None:
        self._timer = None
        if self.memtable:
            self._begin_checkpoint()

    def _begin_checkpoint(self) -> "asyncio.Task[None]":
        """The running checkpoint, or a new one."""
        if self._checkpoints is None or self._checkpoints.done():
            self._checkpoints = self._loop.create_task(self._checkpoint())
            self._checkpoints.add_done_callback(self._checkpointed)
        return self._checkpoints

    def _checkpointed(self, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and self._failure is None:
            log.warning("the content of the write-ahead log can't be written to the tables yet: %s", error)
        if self.memtable and self._timer is None and self._failure is None:
            self._timer = self._loop.call_later(CHECKPOINT_SECONDS, self._checkpoint_if_due)

    async def _checkpoint(self) -> None:
        """Write all acknowledged batches to the tables, and remove their log segments."""
        rotated: asyncio.Future[int] = self._loop.create_future()
        self._log.rotate(partial(_resolve, rotated))
        number = await rotated
        self.check()
        frozen, size = self.memtable.freeze(), self.memtable.size
        job = WriteGroup(_NO_ITEMS, 0, frozen, self._loop.create_future(), size, logged=number)
        await self._commit([job])
        if job.error is not None:
            self.memtable.thaw()
            raise job.error
        self.memtable.melt()
        if number:
            self._log.drop(number)

    async def _commit(self, jobs: list[WriteGroup]) -> None:
        """Write jobs to the tables; afterwards they carry their errors."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._writer.submit(jobs, lambda: self._post(partial(_resolve, done, None)))
        await done

    # --- the threads' results

    @property
    def _failure(self) -> Exception | None:
        return self._own_failure or self._log.failure or self._writer.failure

    def _broken(self) -> StoreError:
        return broken(self._tables.folder, self._failure)

    def _post(self, call: Callable[[], None]) -> None:
        """Make the event loop call a function, from a thread."""

        def run() -> None:
            with self._failing():
                self._report_failure()
                call()

        with suppress(RuntimeError):  # the loop was closed, so nothing waits any longer
            self._loop.call_soon_threadsafe(run)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Let an error in a callback fail the store and its waiting calls, instead of getting lost."""
        try:
            yield
        except Exception as error:
            self.give_up(error)

    def give_up(self, error: Exception) -> None:
        """Give up permanently: all jobs under way, and all later ones, fail with this error."""
        if self._own_failure is None:
            is_known = isinstance(error, OSError | StoreError | lmdb.Error)
            log.error("%s", broken(self._tables.folder, error), exc_info=None if is_known else error)
        self._own_failure = self._own_failure or error
        self._report_failure()
        jobs = self._under_way
        for job in jobs:
            job.error = self._broken()
        self._answer(jobs)

    def _report_failure(self) -> None:
        if self._failure is not None and not self._is_fatal_reported:
            self._is_fatal_reported = True
            self._on_fatal(self._broken())


def _note(stages: Stages, job: WriteGroup, queued_at: float) -> None:
    """Note the stages of a job's wait, in the order of its way."""
    now = perf_counter()
    if job.synced_at:
        stages.add(_LOGGED, (queued_at, job.submitted_at, job.taken_at, job.synced_at, now))
    else:
        stages.add(_DIRECT, (queued_at, job.submitted_at or now, now))


def _resolve(waiter: "asyncio.Future[T]", value: T) -> None:
    if not waiter.done():  # it was cancelled
        waiter.set_result(value)


def _groups(jobs: list[WriteGroup]) -> Iterator[list[WriteGroup]]:
    """Jobs in order, in groups that end after _GROUP_BYTES."""
    size, start = 0, 0
    for end, job in enumerate(jobs, 1):
        size += job.size
        if size >= _GROUP_BYTES:
            yield jobs[start:end]
            size, start = 0, end
    if start < len(jobs):
        yield jobs[start:]
