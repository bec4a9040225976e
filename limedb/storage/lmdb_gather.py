"""Lets batches that arrive together reach the writer together.

It owns batches until the writer takes them. It must never wait when nobody writes: a batch waits for a lull,
and while the writer works. A transaction costs the loop several turns of the interpreter's lock, so a few
large ones are cheaper than many small ones.
"""

import asyncio
from collections.abc import Callable

from limedb.lull import Lull
from limedb.storage.lmdb_writer import Job

MOST = 0.005
"""Seconds that a batch waits while more keep coming."""


class Gather:
    """Collects jobs on the event loop. submit: takes some, in their order, and never waits."""

    def __init__(self, loop: asyncio.AbstractEventLoop, submit: Callable[[list[Job]], None]) -> None:
        self._submit = submit
        self._lull = Lull(loop, self._flush_if_idle, MOST)
        self._jobs: list[Job] = []
        self._is_busy = False  # the writer works

    @property
    def waiting(self) -> int:
        """How many jobs it holds."""
        return len(self._jobs)

    def add(self, job: Job) -> None:
        """Take a job; it is submitted soon."""
        self._jobs.append(job)
        if not self._is_busy:
            self._lull.came()

    def writer_is_idle(self) -> None:
        """Hear that all that was submitted is done. Who was answered may write again at once."""
        self._is_busy = False
        if self._jobs:
            self._lull.came(len(self._jobs))

    def flush(self) -> None:
        """Submit what is collected now."""
        jobs, self._jobs = self._jobs, []
        if jobs:
            self._is_busy = True
            self._submit(jobs)

    def _flush_if_idle(self) -> None:
        if not self._is_busy:
            self.flush()
