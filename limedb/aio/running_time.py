"""The time in which this process ran: pauses of the process hardly count.

It owns that time, and notices by itself that the process stood still: because it was stopped (SIGSTOP), its
machine slept, or it got no processor. It must never be used to compare clocks: there, all time counts.

A node that stood still heard nothing in that time, since it didn't listen. So code that measures the silence
of others, or how long they owe an answer, uses this time: the peers are as alive as they were.

This is safe: this time never runs faster than real time, so a wait by it is at least as long as requested. It
may be used wherever acting late is safe (to consider a node dead, to remove it, to purge, to give up), and
must not be used where a right expires by itself: no node has such a right.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

TICK_SECONDS = 0.1
STEP_SECONDS = 0.3
"""The most that counts of the time between two ticks."""
TIMER_SLACK_SECONDS = 0.001
"""A moment that is no further away than this has come: timers may fire too early by a rounding error, and
nothing useful fits into the rest.
"""


class Running(Protocol):
    """A clock of such time."""

    def monotonic(self) -> float:
        """Seconds since some moment; it never runs backwards."""


class RunningTime:
    """All time counts until `start` and after `stop`. Any thread may read it.



    clock: seconds since some moment. stood_still: called with the seconds that were left out, each time.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        stood_still: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self._clock, self._stood_still = clock, stood_still
        self._lost_and_latest = 0.0, float("inf")  # in one, for threads that read it
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> float:
        """Seconds since some moment; it never runs backwards."""
        lost, latest = self._lost_and_latest
        return min(self._clock(), latest) - lost

    def start(self) -> None:
        """Tick on the running loop until `stop`."""
        self._tick()

    def stop(self) -> None:
        """Tick no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._lost_and_latest = self._lost_and_latest[0], float("inf")

    def _tick(self) -> None:
        now, (lost, latest) = self._clock(), self._lost_and_latest
        missed = max(0.0, now - latest)
        self._lost_and_latest = lost + missed, now + STEP_SECONDS
        self._timer = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)
        if missed:
            self._stood_still(missed)


@asynccontextmanager
async def timeout(clock: Running, seconds: float) -> AsyncIterator[None]:
    """As asyncio.timeout, by running time: the block has `seconds` in which this process runs.
    TimeoutError.
    """
    async with asyncio.timeout(None) as scope:
        alarm = _Alarm(clock, seconds, scope)
        try:
            yield
        finally:
            alarm.call_off()


class _Alarm:
    """Lets a scope expire when its time is up by the clock, however late it is by the loop's."""

    def __init__(self, clock: Running, seconds: float, scope: asyncio.Timeout) -> None:
        self._clock, self._due, self._scope = clock, clock.monotonic() + seconds, scope
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(seconds, self._look)

    def call_off(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        left = self._due - self._clock.monotonic()
        if left < TIMER_SLACK_SECONDS:
            self._scope.reschedule(self._loop.time())
        else:
            self._timer = self._loop.call_later(left, self._look)
