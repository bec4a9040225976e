"""The thread that writes hints.

It owns the write transactions of a hint log. It must never touch the event loop, except to post results, and
never stop because of an error: it drops hints that can't be written.

Tested in tests/storage/lmdb/test_hints.py.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

import lmdb

from limedb.storage.held_file import HeldFile
from limedb.storage.lmdb.env import is_broken_tree, is_no_room

log = logging.getLogger(__name__)

WRITE_INTERVAL_SECONDS = 1.0
"""Seconds for which hints are gathered, as each write of hints is synced."""
_BATCH_BYTES = 4 << 20
_OVERHEAD = 1 << 20


@dataclass(slots=True)
class _HintWrite:
    """One job."""

    node_url: str = ""
    puts: Sequence[tuple[bytes, bytes]] = ()
    """Places and values to write for node_url."""
    removes: Sequence[bytes] = ()
    """Places to delete."""
    waiter: "asyncio.Future[bool] | None" = None
    """Gets the outcome of the removal; a job with a waiter isn't delayed."""
    is_last: bool = False
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = sum(len(place) + len(value) for place, value in self.puts)


class HintWriter:
    """Writes jobs in order, gathered into few transactions.

    failure: the fate of the file, or the failure of the disk, in a way that more room won't fix; from then on
    the file isn't touched, and all hints are dropped. Empty: there is none.
    """

    def __init__(
        self,
        env: lmdb.Environment,
        folder: Path,
        loop: asyncio.AbstractEventLoop,
        lost: Callable[[str, int], None],
    ) -> None:
        """lost: called on the event loop with a node URL and the number of bytes dropped."""
        self._env, self._folder, self._loop, self._lost = env, folder, loop, lost
        self.failure = ""
        self._held = HeldFile(folder / "data.mdb")
        self._queue: SimpleQueue[_HintWrite] = SimpleQueue()
        self._thread = Thread(target=self._run, name="limedb-hints", daemon=True)
        self._thread.start()

    def put(self, node_url: str, items: Sequence[tuple[bytes, bytes]]) -> None:
        """Queue hints for writing. It never waits."""
        self._queue.put(_HintWrite(node_url, items))

    async def flush(self) -> None:
        """Return when all queued hints are written."""
        await self.remove(())

    async def remove(self, places: Sequence[bytes]) -> bool:
        """Remove hints, after all queued writes; whether it succeeded."""
        waiter: asyncio.Future[bool] = self._loop.create_future()
        self._queue.put(_HintWrite(removes=places, waiter=waiter))
        return await waiter

    def is_whole(self) -> bool:
        """Whether the file may be read: it is still there, and no shorter than it was. Call it right before
        each read: LMDB maps the file, and a read of a part that was cut off would kill the process.
        """
        if not self.failure and (loss := self._held.look()) is not None:
            self.give_up(loss.text)
        return not self.failure

    def give_up(self, failure: str) -> None:
        """Stop touching the file."""
        if not self.failure:
            self.failure = failure
            log.error("%s: its hints are lost; their writes are left to repair", failure)

    def finish(self) -> None:
        """Write the rest, and wait for the end of the thread. Queue nothing afterwards."""
        self._queue.put(_HintWrite(is_last=True))
        self._thread.join()

    def _run(self) -> None:
        while self._do_next():
            pass

    def _do_next(self) -> bool:
        """Write the next jobs; False after the last. While the thread waits, it holds no references to
        earlier jobs.
        """
        jobs = self._take()
        is_put = self._write(jobs, [item for job in jobs for item in job.puts], [])
        is_removed = self._write(jobs, [], [place for job in jobs for place in job.removes])
        with suppress(RuntimeError):  # the loop was closed
            self._loop.call_soon_threadsafe(self._deliver, jobs, is_put, is_removed)
        return not jobs[-1].is_last

    def _take(self) -> list[_HintWrite]:
        """The first job, and those of the next second, unless one has a waiter or they grow large."""
        jobs = [self._queue.get()]
        size = jobs[0].size
        end = time.monotonic() + WRITE_INTERVAL_SECONDS
        with suppress(Empty):
            while size < _BATCH_BYTES and not jobs[-1].waiter and not jobs[-1].is_last:
                jobs.append(self._queue.get(timeout=max(0.0, end - time.monotonic())))
                size += jobs[-1].size
        return jobs

    def _write(self, jobs: list[_HintWrite], puts: list[tuple[bytes, bytes]], removes: list[bytes]) -> bool:
        """Write or remove, each in its own transaction: a removal may find room where a write doesn't."""
        if self.failure or not (puts or removes):
            return not self.failure
        if not self.is_whole():
            return False
        try:
            with self._env.begin(write=True) as txn:
                txn.cursor().putmulti(sorted(puts))
                for place in removes:
                    txn.delete(place)
        except Exception as error:
            self._note(error, jobs)
            return False
        return self.is_whole()

    def _note(self, error: Exception, jobs: list[_HintWrite]) -> None:
        size = sum(job.size for job in jobs)
        if is_no_room(error, self._folder, 2 * size + _OVERHEAD):
            count = sum(len(job.puts) for job in jobs)
            log.warning("%s: no room: %d hints are left to repair: %s", self._folder, count, error)
        elif is_broken_tree(error):
            self.give_up(f"{self._folder / 'data.mdb'} was damaged while it was in use ({error})")
        else:
            self.give_up(f"{self._folder}: the disk failed ({error})")

    def _deliver(self, jobs: list[_HintWrite], is_put: bool, is_removed: bool) -> None:
        for job in jobs:
            if job.puts and not is_put:
                self._lost(job.node_url, job.size)
            if job.waiter and not job.waiter.done():
                job.waiter.set_result(is_removed)
