"""How far this node's clock is from its peers'.

It owns the measurements that gossip brings, and the judgement of the own clock. It must never set a clock,
nor refuse a version (`replication/clock_guard.py` does).

Source: Cristian 1989, "Probabilistic Clock Synchronization": the peer's answer was made somewhere within the
round trip, so half of it is the uncertainty.
"""

from collections.abc import Callable, Collection
from statistics import median
from typing import NamedTuple

from limedb.core.quorum import majority
from limedb.ports import Clock

RECENT_INTERVALS = 10
"""The least intervals for which a measurement counts."""
INTERVALS_PER_PEER = 3
"""Additional intervals for each peer: a node meets one peer per interval."""
KEPT_SAMPLES = 8
"""Measurements kept of a peer."""
DRIFT_MS = 50.0
"""By how much two measurements of one clock may differ, besides their uncertainties."""
START_INTERVALS = 10
"""Intervals after the start in which a node waits for a first measurement before it judges itself."""


class _Sample(NamedTuple):
    """A comparison of a peer's wall clock with the own monotonic one."""

    ahead: float
    """By how many ms the peer's clock is ahead."""
    uncertainty: float
    """Milliseconds, either way."""
    at: float
    """When it was measured, in seconds of the monotonic clock."""


class ClockSkewMonitor:
    """Compares clocks. max_skew_ms: MAX_CLOCK_SKEW. interval: of gossip, seconds. members: URLs of the
    topology's nodes: only they count.

    It compares peers with the own monotonic clock, so a jump of the own wall clock shows at once.
    """

    def __init__(
        self, clock: Clock, *, max_skew_ms: int, interval: float, members: Callable[[], Collection[str]]
    ) -> None:
        self._clock, self._max_skew_ms, self._interval, self._members = clock, max_skew_ms, interval, members
        self._samples: dict[str, list[_Sample]] = {}
        self._started = clock.elapsed()

    def measured(self, url: str, remote_ms: int, round_trip: float) -> None:
        """Note that a peer's wall clock showed remote_ms (0: not given) at some moment of the last round_trip
        seconds.
        """
        if remote_ms == 0:
            return
        now = self._clock.elapsed()
        half = round_trip / 2
        sample = _Sample(remote_ms - (now - half) * 1000, half * 1000, now)
        same = [
            kept for kept in self._recent(url) if _agree(kept, sample)
        ]  # otherwise its clock was set since
        self._samples[url] = [*same, sample][-KEPT_SAMPLES:]

    def offsets(self) -> dict[str, float]:
        """By how many ms each recently heard peer is ahead of this node; negative: behind."""
        return {url: self._ahead(sample) for url, sample in self._best().items()}

    def skew_ms(self) -> int:
        """The milliseconds to add to the own wall clock for the cluster's time: 0, unless the own clock is
        off.

        It is off if it disagrees with a majority of the heard members by more than the limit.
        """
        heard, far = self._judged()
        if not heard or len(far) < majority(heard):
            return 0
        return round(median(far))

    def problem(self) -> str:
        """The fault of the own clock, as a sentence; empty if there is none."""
        heard, far = self._judged()
        if not heard and self._is_starting():
            return "this node has just started, and has not compared its clock with any peer's yet"
        if not heard or len(far) < majority(heard):
            return ""
        off = -round(median(far))
        return (
            f"this node's clock is {abs(off)} ms {'ahead of' if off > 0 else 'behind'} those of {len(far)} of"
            f" {heard} peers, more than {self._max_skew_ms} ms (MAX_CLOCK_SKEW): set it right (NTP)"
        )

    def _is_starting(self) -> bool:
        """Whether peers must be heard first: a write with a wrong clock's version can't be taken back."""
        is_new = self._clock.elapsed() - self._started < START_INTERVALS * self._interval
        return is_new and len(self._members()) > 1

    def _judged(self) -> tuple[int, list[float]]:
        """How many members were heard, and the offsets of those that are further off than the limit."""
        members = self._members()
        best = {url: sample for url, sample in self._best().items() if url in members}
        far = [
            ahead
            for sample in best.values()
            if abs(ahead := self._ahead(sample)) > self._max_skew_ms + sample.uncertainty
        ]
        return len(best), far

    def _best(self) -> dict[str, _Sample]:
        """The most certain of the recent samples of each peer."""
        recent = {url: self._recent(url) for url in sorted(self._samples)}
        return {url: min(of, key=lambda s: s.uncertainty) for url, of in recent.items() if of}

    def _recent(self, url: str) -> list[_Sample]:
        oldest = self._clock.elapsed() - self._interval * (
            RECENT_INTERVALS + INTERVALS_PER_PEER * len(self._samples)
        )
        return [sample for sample in self._samples.get(url, []) if sample.at >= oldest]

    def _ahead(self, sample: _Sample) -> float:
        return sample.ahead + self._clock.elapsed() * 1000 - self._clock.wall_ms()


def _agree(one: _Sample, other: _Sample) -> bool:
    """Whether two measurements may be of one clock that was not set in between."""
    return abs(one.ahead - other.ahead) <= one.uncertainty + other.uncertainty + DRIFT_MS
