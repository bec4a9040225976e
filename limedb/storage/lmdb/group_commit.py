"""Writes batches that arrive together to disk together.

It owns batches until they are submitted. It must never wait needlessly: a batch waits only for a lull, and
while others are being written. A sync costs the loop several turns of the interpreter's lock, so a few large
groups are cheaper than many small ones.

Tested in tests/storage/test_checkpoints.py.
"""

import asyncio
from collections.abc import Callable

from limedb.aio.batch_window import BatchWindow
from limedb.storage.lmdb.writer import WriteGroup

LONGEST_LINGER_SECONDS = 0.005
"""Seconds that a batch waits while more keep coming."""


class GroupCommit:
    """Collects jobs on the event loop. submit: takes jobs in order, and never waits; it isn't called again
    before `writer_is_idle`. jobs: those that wait.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, submit: Callable[[list[WriteGroup]], None]) -> None:
        self._submit = submit
        self._window = BatchWindow(loop, self.flush, LONGEST_LINGER_SECONDS)
        self.jobs: list[WriteGroup] = []
        self._is_busy = False  # whether the writer works

    def add(self, job: WriteGroup) -> None:
        """Take a job; it is submitted soon."""
        self.jobs.append(job)
        if not self._is_busy:
            self._window.notify()

    def writer_is_idle(self) -> None:
        """Note that all submitted jobs are done. Callers that got answers may write again at once."""
        self._is_busy = False
        if self.jobs:
            self._window.notify(len(self.jobs))

    def flush(self) -> None:
        """Submit the collected jobs, now or once the writer is idle."""
        if self._is_busy or not self.jobs:
            return
        jobs, self.jobs = self.jobs, []
        self._is_busy = True
        self._submit(jobs)
