"""Lets batches that arrive together reach the writer together.

It owns batches until the writer takes them. It must never wait when nobody else writes.

A transaction costs the event loop several turns of the interpreter's lock, so a few large ones are cheaper
than many small ones: a batch waits while each turn of the loop brings another, and while the writer works.
Alone it waits for one turn, some microseconds. The idea is PostgreSQL's commit_delay, measured in turns.
"""

import asyncio
from collections.abc import Callable

from limedb.storage.lmdb_writer import Job

MAX_WAIT = 0.005  # seconds, where every turn brings another batch
MAX_JOBS = 512


class Gather:
    """Collects jobs on the event loop. submit: takes them, in their order, and never waits."""

    def __init__(self, loop: asyncio.AbstractEventLoop, submit: Callable[[Job], None]) -> None:
        self._loop, self._submit = loop, submit
        self._jobs: list[Job] = []
        self._seen = 0
        self._started = 0.0
        self._is_looking = False
        self._is_writing = False

    @property
    def waiting(self) -> int:
        """How many jobs it holds."""
        return len(self._jobs)

    def add(self, job: Job) -> None:
        """Take a job; it is submitted soon."""
        self._jobs.append(job)
        self._start_looking()

    def writer_is_idle(self) -> None:
        """Hear that all that was submitted is done."""
        self._is_writing = False
        self._start_looking()

    def flush(self) -> None:
        """Submit what is collected now."""
        jobs, self._jobs = self._jobs, []
        for job in jobs:
            self._is_writing = True
            self._submit(job)

    def _start_looking(self) -> None:
        if self._jobs and not self._is_looking and not self._is_writing:
            self._is_looking, self._seen, self._started = True, 0, self._loop.time()
            self._loop.call_soon(self._look)

    def _look(self) -> None:
        """Go on waiting as long as the last turn brought a job, within the limits."""
        is_late = self._loop.time() - self._started >= MAX_WAIT
        if len(self._jobs) > self._seen and len(self._jobs) < MAX_JOBS and not is_late:
            self._seen = len(self._jobs)
            self._loop.call_soon(self._look)
        else:
            self._is_looking = False
            self.flush()
