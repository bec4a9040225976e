"""A time that never steps back, even if the clock under it is set back.

It owns how the lead over the clock shrinks. It must never read a clock: the caller passes the times.

When a clock that was ahead is set right, the node has already given versions and judged expiries by the time
that the clock had shown. If the time stepped back, new versions would be lower than stored ones, and expired
values would return. So the time continues from where it was, slower than real time until the clock has caught
up, as NTP slews a clock instead of stepping it (Mills 1991, "Internet Time Synchronization"). At 0.9 a lead
of a minute is gone after ten minutes, and a value with a time to live of a minute lives for 67 s meanwhile.
"""

RATE = 0.9
"""Milliseconds of this time per real millisecond, while it leads."""
MAX_LEAD_MS = 100 * 365 * 24 * 3600 * 1000.0
"""Milliseconds (100 years): a lead that is larger comes from an error, not from a clock."""
STEP_MS = 20.0
"""The time follows a clock that goes back by no more than this: two readings may differ by as much."""


class SlewedTime:
    """The time, in milliseconds since 1970. now_ms: of the clock; at: seconds of a monotonic clock, the same
    moment; lead_ms: how far the time is ahead of the clock at first.
    """

    __slots__ = ("_at", "_last")

    def __init__(self, now_ms: float, at: float, lead_ms: float = 0.0) -> None:
        self._last, self._at = now_ms + lead_ms, at

    def floor(self, at: float) -> float:
        """The lower bound of the time at a later moment; the time is later if the clock is."""
        return self._last + (at - self._at) * 1000 * RATE

    def lead(self, now_ms: float, at: float) -> float:
        """The milliseconds by which the time is ahead of the clock; 0: it is the clock's."""
        ahead = self.floor(at) - now_ms
        return ahead if ahead > STEP_MS else 0.0

    def set(self, now_ms: float, at: float) -> None:
        """Continue from a time."""
        self._last, self._at = now_ms, at
