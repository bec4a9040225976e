"""A time that never steps back, although the clock under it may be set back.

It owns how the lead over the clock is worked off. It must never read a clock: the caller passes the times.

When a clock was ahead and is set right, versions and expiries were given and judged by the time that it had
shown: were the time to step back, new versions would be lower than stored ones, and values that had expired
would be there again. So the time continues from where it was, slower than real time until the clock has
caught up, as NTP slews a clock instead of stepping it (Mills 1991, "Internet Time Synchronization"). At 0.9 a
lead of a minute is gone after ten, and a value that is to live for a minute meanwhile lives for 67 s.
"""

RATE = 0.9
"""Milliseconds of this time in a real one, while it leads."""
STEP_MS = 20.0
"""A clock that goes back by no more than this is followed: reading it twice may give as much."""


class SlewedTime:
    """The time, in milliseconds since 1970. now_ms: of the clock; at: seconds of a monotonic clock, the same
    moment; lead_ms: how far the time is ahead of the clock at first.
    """

    __slots__ = ("_at", "_last")

    def __init__(self, now_ms: float, at: float, lead_ms: float = 0.0) -> None:
        self._last, self._at = now_ms + lead_ms, at

    def floor(self, at: float) -> float:
        """The least that the time may be at a later moment; more where the clock shows more."""
        return self._last + (at - self._at) * 1000 * RATE

    def lead(self, now_ms: float, at: float) -> float:
        """By how many ms the time is ahead of the clock; 0: it is the clock's."""
        ahead = self.floor(at) - now_ms
        return ahead if ahead > STEP_MS else 0.0

    def set(self, now_ms: float, at: float) -> None:
        """Go on from a time."""
        self._last, self._at = now_ms, at
