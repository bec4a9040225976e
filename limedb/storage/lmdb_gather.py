"""Lets batches that arrive together reach the writer together.

It owns batches until the writer takes them. It must never wait when nobody writes: a batch waits for the
rest of its turn of the event loop, and while the writer works. A transaction costs the loop several turns of
the interpreter's lock, so a few large ones are cheaper than many small ones.
"""

import asyncio
from collections.abc import Callable

from limedb.storage.lmdb_writer import Job


class Gather:
    """Collects jobs on the event loop. submit: takes them, in their order, and never waits."""

    def __init__(self, loop: asyncio.AbstractEventLoop, submit: Callable[[Job], None]) -> None:
        self._loop, self._submit = loop, submit
        self._jobs: list[Job] = []
        self._is_busy = False  # the writer works, or a flush is on its way

    @property
    def waiting(self) -> int:
        """How many jobs it holds."""
        return len(self._jobs)

    def add(self, job: Job) -> None:
        """Take a job; it is submitted soon."""
        self._jobs.append(job)
        if not self._is_busy:
            self._is_busy = True
            self._loop.call_soon(self.flush)

    def writer_is_idle(self) -> None:
        """Hear that all that was submitted is done."""
        self._is_busy = False
        if self._jobs:
            self.flush()

    def flush(self) -> None:
        """Submit what is collected now."""
        jobs, self._jobs = self._jobs, []
        for job in jobs:
            self._is_busy = True
            self._submit(job)
