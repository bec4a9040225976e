"""Checks whether the process has enough memory and time to serve.

It owns these checks, and the texts of the problems. It must never end anything: the server asks `is_short`.
"""

import asyncio
import time
from collections.abc import Callable, Iterator

from limedb.core.problems import Problem

LOOK_SECONDS = 0.25
"""How often it looks."""
SHORT_SHARE = 0.25
"""The part of MAX_MEMORY by which the process may grow, beyond its memory at the start and KEPT_BYTES, before
it is short: as much as large requests may hold. Answers and streams make it short sooner, as they should.
"""
KEPT_BYTES = 384 << 20
"""Bytes that a node holds besides requests: writes waiting for the tables, the log of changes, hints."""
TRIM_SECONDS, MOST_TRIM_SECONDS = 5.0, 40.0
"""The time between two returns of freed memory: the least, and the most if there was little to return."""
TRIM_BYTES = 16 << 20
"""Memory is returned only if the process holds so many bytes more than at its start; a smaller return counts
as little.
"""
LATE_SECONDS = 0.5
"""A turn of the event loop that takes this long is reported: requests wait for it."""
STUCK_SECONDS = 2.0
"""With turns that take this long, no request is answered in time: the node doesn't serve."""
FORGET_SECONDS = 10.0
"""How long a late turn is remembered."""
TIMES = 3
"""How many such turns within FORGET_SECONDS mean that the node is stuck, not only delayed."""


class Watchman:
    """Checks while `run` runs. most: MAX_MEMORY; read: returns the bytes that the process holds; trim: makes
    the C library return freed memory.
    """

    def __init__(self, most: int, read: Callable[[], int], trim: Callable[[], None]) -> None:
        self._most, self._read, self._trim = most, read, trim
        self._base = self._seen = read()
        self._trim_at, self._pause = time.monotonic() + TRIM_SECONDS, TRIM_SECONDS
        self._late: list[tuple[float, float]] = []

    @property
    def used(self) -> int:
        """Bytes that the process holds."""
        return self._read()

    def is_short(self) -> bool:
        """Whether the process has grown by more than requests, answers and streams should make it grow."""
        return self._is_much(self._read())

    def _is_much(self, used: int) -> bool:
        return used > self._base + KEPT_BYTES + SHORT_SHARE * self._most

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(LOOK_SECONDS)
            now, self._seen = time.monotonic(), self._read()
            self.note_turn(now, now - before - LOOK_SECONDS)
            if now >= self._trim_at and self._read() > self._base + TRIM_BYTES:
                await self._return_freed()

    async def _return_freed(self) -> None:
        before = self._read()
        await asyncio.to_thread(self._trim)
        was_much = before - self._read() > TRIM_BYTES
        self._pause = TRIM_SECONDS if was_much else min(2 * self._pause, MOST_TRIM_SECONDS)
        self._trim_at = time.monotonic() + self._pause

    def note_turn(self, now: float, late: float) -> None:
        """Note by how many seconds a turn of the event loop was late."""
        self._late = [(at, by) for at, by in self._late if now - at < FORGET_SECONDS]
        if late >= LATE_SECONDS:
            self._late.append((now, late))

    def problems(self) -> Iterator[Problem]:
        """The problems that requests wait for the processor, and that large ones find no memory."""
        worst = max((by for _, by in self._late), default=0.0)
        stuck = sum(by >= STUCK_SECONDS for _, by in self._late) >= TIMES
        if worst:
            yield Problem(
                f"requests wait: a turn of the node's work took {worst:.1f} s within the last"
                f" {FORGET_SECONDS:.0f} s; the machine has too few processors, or clients ask for too much",
                stops_serving=stuck,
            )
        if self._is_much(self._seen):
            yield Problem(
                f"memory is short: the node holds {self._seen >> 20} MiB, {self._base >> 20} MiB of them"
                f" since its start, and MAX_MEMORY is {self._most >> 20} MiB: large requests are refused"
                " until it holds less; raise MAX_MEMORY, or send less at once"
            )
