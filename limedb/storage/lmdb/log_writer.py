"""The one thread that writes to the write-ahead log.

It owns the log from its first segment to its last. It must never touch a future or the event loop, except to
post results.

Jobs that are submitted together are one write and one sync, however many batches and callers. They are
appended as a whole or not at all, so none needs a new plan.

Tested in tests/storage/test_checkpoints.py and tests/storage/test_failing_callbacks.py.
"""

import logging
import time
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread

from limedb.encoding.varint import head
from limedb.ports import IndexEntry
from limedb.storage.lmdb.writer import WriteGroup
from limedb.storage.write_ahead_log import NoRoomError, WriteAheadLog
from limedbpb.v1.log_pb2 import LogGroup, Purge

log = logging.getLogger(__name__)

SYNC_INTERVAL_SECONDS = 1.0
"""Seconds between syncs if DURABILITY is interval."""
_RECORD = b"\x0a"  # the tag of an item of LogGroup.records

Post = Callable[[Callable[[], None]], None]
"""Makes the event loop call a function; for any thread."""


class LogWriter:
    """Carries out requests in a thread, in order, and posts the results. Its methods never wait.

    is_synced_later: sync each SYNC_INTERVAL_SECONDS. failure: set once, if the disk failed; nothing is
    written afterwards. appends: the number of appended groups. is_empty: after `finish`, whether no segment
    is left.
    """

    def __init__(self, segments: WriteAheadLog, is_synced_later: bool, post: Post) -> None:
        self._log, self._is_synced_later, self._post = segments, is_synced_later, post
        self.failure: Exception | None = None
        self.appends = 0
        self.is_empty = False
        self._sync_due: float | None = None
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="limedb-log", daemon=True)
        self._thread.start()

    def append(self, jobs: list[WriteGroup], done: Callable[[list[WriteGroup], bool], None]) -> None:
        """Append the writes of jobs. done: gets the outcome. False: there is no room, or the disk failed."""
        self._queue.put(partial(self._append, jobs, done))

    def rotate(self, done: Callable[[int], None]) -> None:
        """Begin a new segment. done: gets the number of the previous one, which contains all earlier appends;
        0: there is no room for a segment, or the disk failed.
        """
        self._queue.put(partial(self._rotate, done))

    def drop(self, number: int) -> None:
        """Remove the segments up to a number, whose content is in the tables, on disk."""
        self._queue.put(partial(self._drop, number))

    def finish(self) -> None:
        """Carry out the queued requests, then end the thread and wait for it. Submit nothing afterwards."""
        self._queue.put(None)
        self._thread.join()
        self.is_empty = self._log.close()

    def _run(self) -> None:
        while self._do_next():
            pass

    def _do_next(self) -> bool:
        """Carry out the next request; False after the last. While the thread waits, it holds no references to
        earlier ones.
        """
        is_ending = False
        try:
            work = self._queue.get(timeout=self._seconds_to_sync())
            is_ending = work is None
        except Empty:
            work = None
        if work is not None:
            work()
        self._sync_if_due(is_ending)
        return not is_ending

    def _append(self, jobs: list[WriteGroup], done: Callable[[list[WriteGroup], bool], None]) -> None:
        taken_at = time.perf_counter()
        is_done = self.failure is None and self._try(lambda: self._append_groups(jobs))
        synced_at = time.perf_counter()
        for job in jobs:
            job.taken_at, job.synced_at = taken_at, synced_at
        self._post(partial(done, jobs, is_done))

    def _append_groups(self, jobs: list[WriteGroup]) -> None:
        if groups := groups_of(jobs):
            self._log.append(groups)
            self.appends += 1
            if self._is_synced_later and self._sync_due is None:
                self._sync_due = time.monotonic() + SYNC_INTERVAL_SECONDS

    def _rotate(self, done: Callable[[int], None]) -> None:
        ended: list[int] = []
        if self._sync_due is not None:  # afterwards nothing would sync the old segment
            self._sync()
        if self.failure is None:
            self._try(lambda: ended.append(self._log.rotate()))
        self._post(partial(done, ended[0] if ended else 0))

    def _try(self, work: Callable[[], None]) -> bool:
        """Whether work that may find no room succeeded. After any other error the log is given up."""
        try:
            work()
        except NoRoomError:
            return False
        except Exception as error:
            self.failure = error
            return False
        return True

    def _drop(self, number: int) -> None:
        try:
            self._log.drop(number)
        except OSError as error:  # they will be replayed, and change nothing
            log.warning("segments of the write-ahead log can't be removed: %s", error)

    def _seconds_to_sync(self) -> float | None:
        return None if self._sync_due is None else max(0.0, self._sync_due - time.monotonic())

    def _sync_if_due(self, is_ending: bool) -> None:
        if self._sync_due is not None and (is_ending or self._sync_due <= time.monotonic()):
            self._sync()

    def _sync(self) -> None:
        self._sync_due = None
        if self.failure is None and not self._try(self._log.sync):
            self._post(_nothing)  # the event loop looks for a failure at each post


def _nothing() -> None:
    pass


def groups_of(jobs: list[WriteGroup]) -> list[bytes]:
    """The writes of jobs as LogGroups. A purging job gets its own group: in a group, purges come last."""
    groups: list[bytes] = []
    parts: list[bytes] = []
    for job in jobs:
        writes = job.plan.writes
        if not job.items.purged:
            for data in writes.values():
                parts += (head(_RECORD, len(data)), data)
            continue
        purges = [_purge_of(item.purged) for item in job.items if item.purged and item.key in writes]
        groups += (b"".join(parts), LogGroup(purges=purges).SerializeToString())
        parts = []
    return [group for group in (*groups, b"".join(parts)) if group]


def _purge_of(entry: IndexEntry) -> Purge:
    return Purge(key=entry.key, version=entry.version, checksum=entry.checksum)
