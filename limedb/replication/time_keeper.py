"""Stores the cluster's time on disk, so that it doesn't step back across a restart either.

It owns the moments at which that happens. It must never judge the time (`clock_guard.py` does).

A value that expired was absent for everybody who read it. If the clocks were ahead then, and are set right
while the node is stopped, the node would take the value for alive again. The versions in the store don't show
how late it was: the last write may be long ago, and a version that is far ahead may be an error. So the node
keeps its own account: the time on disk is behind by at most KEEP_MS. A node that stops in an orderly way
writes the exact time; after a crash the next run adds these KEEP_MS, but only if the clock was set back. Then
values with less remaining time to live than that expire early.
"""

import asyncio

from limedb.ports import SeenTime, TimeMark
from limedb.replication.clock_guard import ClockSkewGuard

KEEP_MS = 30_000
"""The most milliseconds by which the time on disk is behind."""
LOOK_SECONDS = 1.0
"""The time between two checks: a clock that jumps ahead is noticed by then."""


class TimeKeeper:
    """Keeps the time of a node. mark: the file; None: nowhere."""

    def __init__(self, skew: ClockSkewGuard, mark: TimeMark | None) -> None:
        self._skew, self._mark = skew, mark
        self._kept_ms = -KEEP_MS

    async def run(self) -> None:
        """Store the time again and again, until cancelled."""
        if self._mark is None:
            await asyncio.Event().wait()
            return
        while True:
            now_ms = self._skew.now_ms()
            if self._skew.is_established and not 0 <= now_ms - self._kept_ms < KEEP_MS:
                await self._mark.save(SeenTime(now_ms, KEEP_MS))
                self._kept_ms = now_ms
            await asyncio.sleep(LOOK_SECONDS)

    async def close(self) -> None:
        """Store the exact time, when nobody asks for it any longer."""
        now_ms = self._skew.now_ms()
        if self._mark is not None and self._skew.is_established:
            await self._mark.save(SeenTime(now_ms, 0))
