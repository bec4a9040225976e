"""Lets batches that arrive together reach the disk together.

It owns batches until they are taken. It must never wait when nobody writes: a batch waits for a lull, and
while others are on their way. A sync costs the loop several turns of the interpreter's lock, so a few large
groups are cheaper than many small ones.
"""

import asyncio
from collections.abc import Callable

from limedb.aio.batch_window import BatchWindow
from limedb.storage.lmdb.writer import WriteGroup

LONGEST_LINGER_SECONDS = 0.005
"""Seconds that a batch waits while more keep coming."""


class GroupCommit:
    """Collects jobs on the event loop. submit: takes some, in their order, and never waits; until
    `writer_is_idle` is called it is given no more. jobs: those that wait.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, submit: Callable[[list[WriteGroup]], None]) -> None:
        self._submit = submit
        self._window = BatchWindow(loop, self.flush, LONGEST_LINGER_SECONDS)
        self.jobs: list[WriteGroup] = []
        self._is_busy = False  # the writer works

    def add(self, job: WriteGroup) -> None:
        """Take a job; it is submitted soon."""
        self.jobs.append(job)
        if not self._is_busy:
            self._window.notify()

    def writer_is_idle(self) -> None:
        """Hear that all that was submitted is done. Who was answered may write again at once."""
        self._is_busy = False
        if self.jobs:
            self._window.notify(len(self.jobs))

    def flush(self) -> None:
        """Submit what is collected, now or once the writer is idle."""
        if self._is_busy or not self.jobs:
            return
        jobs, self.jobs = self.jobs, []
        self._is_busy = True
        self._submit(jobs)
