"""Whether the process has memory and time enough to serve.

It owns the looks at both, and what is said of them. It must never end anything: who serves asks `is_short`.
"""

import asyncio
import time
from collections.abc import Callable, Iterator

from limedb.core.problems import Problem

LOOK_SECONDS = 0.25
"""How often it looks."""
SHORT_SHARE = 0.25
"""How much of MAX_MEMORY the process may have grown by, beyond what it had at its start and KEPT_BYTES,
before it is short: as much as large requests may have. What answers and streams hold makes it short sooner,
as it should.
"""
KEPT_BYTES = 384 << 20
"""What a node holds besides requests: what waits for the tables, the log of changes, hints."""
TRIM_SECONDS, MOST_TRIM_SECONDS = 5.0, 40.0
"""The time between two returns of freed memory: the least, and the most where there was little to return."""
TRIM_BYTES = 16 << 20
"""How much a process must hold beyond what it had at its start for that; and what is little."""
LATE_SECONDS = 0.5
"""A turn of the event loop that takes as long is told of: requests wait for it."""
STUCK_SECONDS = 2.0
"""With turns that take as long, no request is answered in time: the node doesn't serve."""
FORGET_SECONDS = 10.0
"""How long a late turn is remembered."""
TIMES = 3
"""How many turns of that kind, within FORGET_SECONDS, say that the node is stuck, and was not only held
up.
"""


class Watchman:
    """Looks while `run` runs. most: MAX_MEMORY; read: the bytes that the process holds; trim: makes the C
    library return what was freed.
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
        """Take in by how many seconds a turn of the event loop was late."""
        self._late = [(at, by) for at, by in self._late if now - at < FORGET_SECONDS]
        if late >= LATE_SECONDS:
            self._late.append((now, late))

    def problems(self) -> Iterator[Problem]:
        """That requests wait for the processor, or that there is no memory for large ones."""
        worst = max((by for _, by in self._late), default=0.0)
        stuck = sum(by >= STUCK_SECONDS for _, by in self._late) >= TIMES
        if worst:
            yield Problem(
                f"requests wait: a turn of the node's work took {worst:.1f} s within the last"
                f" {FORGET_SECONDS:.0f} s; the machine has too few processors, or somebody asks for too much",
                stops_serving=stuck,
            )
        if self._is_much(self._seen):
            yield Problem(
                f"memory is short: the node holds {self._seen >> 20} MiB, {self._base >> 20} MiB of them"
                f" since its start, and MAX_MEMORY is {self._most >> 20} MiB: large requests are refused"
                " until it has less; raise MAX_MEMORY, or send less at once"
            )
