"""How far the cluster's time leads its clocks, after clocks that were ahead were set right.

It owns that agreement. It must never judge clocks (`clock_skew.py` does), nor versions.

With each answer to a SYN a node says what time it has (`core/slewed_time.py`), which is measured as its clock
is: against the own monotonic clock. What a majority of the members has reached, at least, is the cluster's
time: so one node, whose clock alone was ahead, neither draws the others along nor stays ahead of them, and
one that was restarted, or was away, follows the others. While too few were heard, a node keeps its own time:
stepping back would bring back what has expired.
"""

from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from limedb.core.quorum import majority
from limedb.core.slewed_time import RATE
from limedb.ports import Clock

RECENT = 10  # intervals that a measurement counts for, at least
PER_PEER = 3  # intervals more for each peer: one is met in an interval
MAX_LEAD_MS = 24 * 3600 * 1000.0
"""A day: what is further ahead than that is no time that a clock showed, but an error."""


class _Sample(NamedTuple):
    """time_ms: what a peer had at seconds `at` of the monotonic clock."""

    time_ms: float
    at: float


class ClockLead:
    """members: URLs of the nodes of the topology. tolerance_ms: leads that differ by less are the same.
    interval: of gossip, seconds.
    """

    def __init__(
        self,
        own_url: str,
        clock: Clock,
        *,
        members: Callable[[], Collection[str]],
        tolerance_ms: float,
        interval: float,
    ) -> None:
        self._own_url, self._clock, self._members = own_url, clock, members
        self._tolerance, self._interval = tolerance_ms, interval
        self._samples: dict[str, _Sample] = {}
        self._started = clock.elapsed()
        self.is_settled = False

    def measured(self, url: str, time_ms: int, round_trip: float) -> None:
        """A peer's time was time_ms (0: not told) within the round_trip seconds until now."""
        if time_ms:
            now = self._clock.elapsed()
            self._samples[url] = _Sample(time_ms, now - round_trip / 2)

    def agreed_ms(self, own: float, now_ms: float) -> float:
        """The lead that this node is to have, where its own is `own`. now_ms: of its clock, set right by what
        is known of it. `is_settled` says afterwards whether the others had their say.
        """
        leads = sorted([own, *self._leads(now_ms)], reverse=True)
        need = majority(len(self._members()) or 1)
        if len(leads) < need:
            waited = self._clock.elapsed() - self._started
            self.is_settled = own <= self._tolerance or waited > RECENT * self._interval
            return min(own, MAX_LEAD_MS)
        self.is_settled = True
        agreed = max(0.0, leads[need - 1])
        return min(own if abs(agreed - own) <= self._tolerance else agreed, MAX_LEAD_MS)

    def _leads(self, now_ms: float) -> Iterator[float]:
        """By how much the other members are ahead of now_ms, by what was heard of them lately."""
        now, members = self._clock.elapsed(), self._members()
        oldest = now - self._interval * (RECENT + PER_PEER * len(members))
        for url, sample in self._samples.items():
            if url in members and url != self._own_url and sample.at >= oldest:
                yield sample.time_ms + (now - sample.at) * 1000 * RATE - now_ms
