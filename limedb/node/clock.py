"""The machine's clocks, as a node reads them.

It owns the only reads of real time. It must never judge it.

Tested in tests/node/test_clock.py.
"""

import logging
import time

from typing_extensions import override

from limedb.aio.running_time import RunningTime
from limedb.ports import Clock

log = logging.getLogger(__name__)

LONG_STAND_SECONDS = 1.0
"""The seconds after which a process that stood still logs a warning."""


class SystemClock(Clock):
    """The machine's clocks. running: the time in which this process ran."""

    def __init__(self) -> None:
        self.running = RunningTime(stood_still=note_stand)

    @override
    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000

    @override
    def monotonic(self) -> float:
        return self.running.now()

    @override
    def elapsed(self) -> float:
        return time.monotonic()

    @override
    def worked(self) -> float:
        return time.thread_time()


def note_stand(seconds: float) -> None:
    """Log that the process stood still for some seconds."""
    level = logging.WARNING if seconds >= LONG_STAND_SECONDS else logging.DEBUG
    log.log(
        level, "this process stood still for %.1f s: that time doesn't count against other nodes", seconds
    )
