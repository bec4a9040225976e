"""Hybrid logical clock: versions that follow the wall clock and never run backwards.

It owns how a version is made. It must never read a clock: the caller passes the time.

A version is 64 bits: 48 of milliseconds since 1970 (enough until the year 10889), then 16 of counter.
Source: Kulkarni, Demirbas et al. 2014, "Logical Physical Clocks and Consistent Snapshots in Globally
Distributed Databases"; the counter overflows into the milliseconds instead of being bounded apart.

Counters from FIRST_BALLOT on are for ballots, the versions of conditional writes (`core/conditional.py`): the
clock never gives one, so that no other write has the version of a conditional one. The other 15 bits of a
ballot are random, so that two coordinators rarely choose the same.
"""

from collections.abc import Sequence

COUNTER_BITS = 16
MAX_VERSION = (1 << 64) - 1
FIRST_BALLOT = 1 << 15
"""The lowest counter of a ballot."""
_COUNTER = (1 << COUNTER_BITS) - 1


def version_at(wall_ms: int, counter: int = 0) -> int:
    """The version of a time and a counter."""
    return (wall_ms << COUNTER_BITS) | counter


def wall_ms_of(version: int) -> int:
    """The milliseconds since 1970 in a version."""
    return version >> COUNTER_BITS


def is_ballot(version: int) -> bool:
    """Whether a version is that of a conditional write."""
    return version & FIRST_BALLOT != 0


def ballot_above(above: int, now_ms: int, chance: int) -> int:
    """A ballot above a version, of about that time, milliseconds since 1970. chance: 15 random bits."""
    return version_at(max(now_ms, wall_ms_of(above) + 1), FIRST_BALLOT | chance)


class HybridClock:
    """Gives versions, each greater than all versions that it gave or observed before, and none of them a
    ballot.
    """

    __slots__ = ("_last",)

    def __init__(self, last: int = 0) -> None:
        self._last = last

    @property
    def last(self) -> int:
        """The greatest version given or observed: the high-water mark to keep across restarts."""
        return self._last

    def tick(self, wall_ms: int) -> int:
        """A new version: that of the time, or the successor of the last one when that is greater."""
        self._last = self._next(wall_ms)
        return self._last

    def tick_many(self, wall_ms: int, count: int) -> Sequence[int]:
        """`count` new versions, the same ones that as many calls of `tick` give."""
        first = self._next(wall_ms)
        if (first & _COUNTER) + count > FIRST_BALLOT:
            return [self.tick(wall_ms) for _ in range(count)]
        if count:
            self._last = first + count - 1
        return range(first, first + count)

    def _next(self, wall_ms: int) -> int:
        following = max(self._last + 1, wall_ms << COUNTER_BITS)
        return following if not following & FIRST_BALLOT else version_at(wall_ms_of(following) + 1)

    def lower(self, version: int) -> None:
        """Give versions from that one on again, if the clock is above it: only one node's fast clock led it
        there.
        """
        self._last = min(self._last, version)

    def observe(self, version: int) -> None:
        """Make later versions greater than one seen elsewhere."""
        self._last = max(self._last, version)
