"""A clock that shows the cluster's time, for all that compares it with versions and generations.

It owns only the substitution. Code that judges clocks must never get it.

Versions, generations of gossip and the ages of tombstones all come from the cluster's time. Where such a
stamp is compared with the machine's clock, it lies in the future for as long as that time leads the clocks.

Tested in tests/replication/test_clock_guard.py.
"""

from typing_extensions import override

from limedb.ports import Clock
from limedb.replication.clock_guard import ClockSkewGuard


class ClusterClock(Clock):
    """A node's clocks, with the cluster's time as the wall clock."""

    def __init__(self, clock: Clock, skew: ClockSkewGuard) -> None:
        self._clock, self._skew = clock, skew

    @override
    def wall_ms(self) -> int:
        return self._skew.now_ms()

    @override
    def monotonic(self) -> float:
        return self._clock.monotonic()

    @override
    def elapsed(self) -> float:
        return self._clock.elapsed()

    @override
    def worked(self) -> float:
        return self._clock.worked()
