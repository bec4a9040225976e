"""A limit on how many requests a second may come, with room for a burst.

It owns the count of one client's tokens. It must never wait, nor read a clock: `now` is given, in seconds of
a monotonic clock.

Laws: in any span of s seconds, no more than `burst + rate * s` tokens are taken by calls of `take`. A caller
that is refused, and waits for the time that `take` returned while nobody else takes any, is admitted. If a
request turns out to have cost more, that may be charged later: then the bucket is in debt, and admits nothing
until the debt is paid. Source: Turner 1986, "New Directions in Communications"; RFC 2697 has the form used
here.
"""

ROUNDING = 1e-9
"""The part of a token that may be missing, since binary fractions are inexact."""


class TokenBucket:
    """A full bucket at first. rate: tokens that come in a second, more than 0. burst: the most that it holds,
    at least 1.
    """

    __slots__ = ("_at", "_burst", "_level", "_rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate, self._burst = rate, burst
        self._level, self._at = burst, now

    def take(self, now: float) -> float:
        """Take one token; return 0.0. Where there is none, nothing has changed: return the seconds
        until there is one.
        """
        level = self._filled(now)
        if level < 1.0 - ROUNDING:
            return (1.0 - level) / self._rate
        self._level = level - 1.0
        return 0.0

    def charge(self, amount: float, now: float) -> None:
        """Take this many more tokens, even if there are none: for a request that was already admitted."""
        self._level = self._filled(now) - amount

    def is_full(self, now: float) -> bool:
        """Whether it is in the state of a new bucket."""
        return self._filled(now) >= self._burst

    def _filled(self, now: float) -> float:
        """The tokens at a moment. A clock that stands still, or an earlier moment, adds none."""
        if now > self._at:
            self._level = min(self._burst, self._level + (now - self._at) * self._rate)
            self._at = now
        return self._level
