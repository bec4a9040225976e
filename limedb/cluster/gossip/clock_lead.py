"""How far the cluster's time leads its clocks, after fast clocks were set right.

It owns that agreement. It must never judge clocks (`clock_skew.py` does), nor versions.

With each answer to a SYN a node sends its time (`core/slewed_time.py`); the receiver measures it, like the
peer's clock, against its own monotonic clock. The cluster's time is the latest that a majority of the members
has reached. So a single node whose clock was ahead neither draws the others along nor stays ahead of them,
and a node that was restarted, or was away, follows the others. While it has heard too few members, a node
keeps its own time: stepping back would bring expired values back.
"""

from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from limedb.core.quorum import majority
from limedb.core.slewed_time import MAX_LEAD_MS, RATE
from limedb.ports import Clock

RECENT_INTERVALS = 10
"""The least intervals for which a measurement counts."""
INTERVALS_PER_PEER = 3
"""Additional intervals for each peer: a node meets one peer per interval."""


class _Sample(NamedTuple):
    """A peer's time at a moment."""

    time_ms: float
    """Milliseconds since 1970."""
    at: float
    """The moment, in seconds of the monotonic clock."""


class ClockLead:
    """Measures the peers' times and agrees with them on the lead. members: URLs of the topology's nodes.
    tolerance_ms: leads that differ by less count as equal. interval: of gossip, seconds.
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
        """Note that a peer's time was time_ms (0: not given) at some moment of the last round_trip
        seconds.
        """
        if time_ms:
            now = self._clock.elapsed()
            self._samples[url] = _Sample(time_ms, now - round_trip / 2)

    def agreed_ms(self, own: float, now_ms: float) -> float:
        """The lead that this node should have if its own is `own`. now_ms: its clock, corrected by its known
        skew. Afterwards `is_settled` shows whether the other members were taken into account.
        """
        leads = sorted([own, *self._leads(now_ms)], reverse=True)
        need = majority(len(self._members()) or 1)
        if len(leads) < need:
            waited = self._clock.elapsed() - self._started
            self.is_settled = own <= self._tolerance or waited > RECENT_INTERVALS * self._interval
            return min(own, MAX_LEAD_MS)
        self.is_settled = True
        agreed = max(0.0, leads[need - 1])
        return min(own if abs(agreed - own) <= self._tolerance else agreed, MAX_LEAD_MS)

    def _leads(self, now_ms: float) -> Iterator[float]:
        """By how many ms the other members are ahead of now_ms, by their recent answers."""
        now, members = self._clock.elapsed(), self._members()
        oldest = now - self._interval * (RECENT_INTERVALS + INTERVALS_PER_PEER * len(members))
        for url, sample in self._samples.items():
            if url in members and url != self._own_url and sample.at >= oldest:
                yield sample.time_ms + (now - sample.at) * 1000 * RATE - now_ms
