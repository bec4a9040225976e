"""The log of slow requests: a line for each, with what it waited for.

It owns the threshold, the form of a line, and how many there are. It must never name a key or a value, nor
cost a request that isn't slow more than a comparison.

Stages say how long a write waited until it was sent, for each replica, for others to join it, for the log's
thread, for the disk, and for its turn on the event loop. Beside them stands what may have held up all of
them: passes of the garbage collector, and times in which the event loop stood still.
"""

import asyncio
import gc
import logging
from collections import deque
from collections.abc import Callable, Collection, Iterable
from time import perf_counter
from typing import TypedDict

from limedb.aio.stages import Span, Stages, current_stages

log = logging.getLogger(__name__)

SESSION = "KVService/Session"
MAX_A_SECOND = 20
"""The most lines in a second; the next line says how many were left out."""
LOOK_SECONDS = 0.02
"""The time between two looks at whether the event loop stands still."""
STALL_SECONDS = 0.01
"""A look that comes later than this is a stall."""
LEAST_PASS_SECONDS = 0.001
"""Shorter passes of the garbage collector aren't kept."""
KEPT = 1000
"""How many stalls and how many passes are kept."""


class StageFacts(TypedDict):
    """A stage of a request as the log has it, in milliseconds; `at` is when it began."""

    stage: str
    at: float
    ms: float


class SlowRequests:
    """Logs requests that take longer than a threshold. threshold: seconds; 0: off. streams: methods whose
    durations their clients or the data decide on, as on that of a session, but not of a request in it.
    """

    def __init__(
        self, threshold: float, streams: Collection[str] = (), now: Callable[[], float] = perf_counter
    ) -> None:
        self.threshold = threshold or float("inf")
        self._streams, self._now = {*streams, SESSION}, now
        self._second = self._lines = self._left_out = 0
        self._passes: deque[Span] = deque(maxlen=KEPT)
        self._stalls: deque[Span] = deque(maxlen=KEPT)
        self._pass_began, self._due = 0.0, float("inf")
        self._longest = 0.0

    def report(self, method: str, code: str, seconds: float) -> None:
        """Log a request that has just ended, within its task. code: the name of its status."""
        stages = current_stages()
        if method in self._streams and (stages is None or not stages.name):
            return
        now = self._now()
        if not self._has_turn(int(now)):
            self._left_out += 1
            return
        waits = _waits(now - seconds, stages)
        pauses = self._pauses(now - seconds, now)
        request = f"{method} ({stages.name})" if stages is not None and stages.name else method
        facts: dict[str, object] = {"method": method, "code": code, "ms": _ms(seconds)}
        if stages is not None:
            facts["stages"] = waits
        facts |= pauses
        if stages is not None and stages.name:
            facts["operation"] = stages.name
        if self._left_out:
            facts["leftOut"] = self._left_out
        log.warning(
            "slow: %s took %.1f ms and ended with %s: %s",
            *(request, 1000 * seconds, code, _spelled(waits, pauses, self._left_out)),
            extra={"facts": facts},
        )
        self._left_out = 0

    async def watch_pauses(self) -> None:
        """Note passes of the garbage collector and stalls of the event loop, until cancelled."""
        gc.callbacks.append(self._collected)
        try:
            while True:
                self._due = self._now() + LOOK_SECONDS
                await asyncio.sleep(LOOK_SECONDS)
                self._longest = max(self._longest, self._now() - self._due)
                self._stalls += self._stall()
        finally:
            self._due = float("inf")
            gc.callbacks.remove(self._collected)

    def take_longest(self) -> float:
        """The longest time for which the event loop stood still since the last call, in seconds."""
        longest, self._longest = self._longest, 0.0
        return longest

    def _stall(self) -> list[Span]:
        """The stall that lasts until now, if there is one."""
        now = self._now()
        return [Span("stall", self._due, now)] if now - self._due > STALL_SECONDS else []

    def _collected(self, phase: str, _info: dict[str, int]) -> None:
        now = self._now()
        if phase == "start":
            self._pass_began = now
        elif now - self._pass_began >= LEAST_PASS_SECONDS:
            self._passes.append(Span("gc", self._pass_began, now))

    def _has_turn(self, second: int) -> bool:
        if second != self._second:
            self._second, self._lines = second, 0
        self._lines += 1
        return self._lines <= MAX_A_SECOND

    def _pauses(self, start: float, end: float) -> dict[str, float]:
        """What held up all stages between two moments, in milliseconds."""
        return {
            "gcMs": _ms(_overlap(self._passes, start, end)),
            "stalledMs": _ms(_overlap([*self._stalls, *self._stall()], start, end)),
        }


def _waits(start: float, stages: Stages | None) -> list[StageFacts]:
    """The stages of a request that began at `start`; none where it kept none."""
    if stages is None:
        return []
    spans = [Span("until sent", start, stages.began), *stages.spans]
    return [
        {"stage": name, "at": _ms(begin - start), "ms": _ms(until - begin)}
        for name, begin, until in spans
        if until > start
    ]


def _overlap(spans: Iterable[Span], start: float, end: float) -> float:
    """How much of the time from start to end spans take, which don't overlap each other."""
    return sum([max(0.0, min(span.end, end) - max(span.begin, start)) for span in spans], 0.0)


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 2)


def _spelled(waits: list[StageFacts], pauses: dict[str, float], left_out: int) -> str:
    """The stages for people: each with its milliseconds, and when it began."""
    parts = [f"{one['stage']} {one['ms']:.1f} from {one['at']:.1f}" for one in waits]
    parts += [f"gc {pauses['gcMs']}", f"event loop stalled {pauses['stalledMs']}"]
    if left_out:
        parts.append(f"{left_out} more slow requests not logged")
    return ", ".join(parts)
