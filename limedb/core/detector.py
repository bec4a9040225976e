"""Which nodes are alive, judged by the arrival of their heartbeats.

It owns the suspicion of silent nodes: one node's opinion, which changes no ownership. It must never read a
clock, nor know how heartbeats travel.

Source: Hayashibara, Défago, Yared, Katayama 2004, "The phi accrual failure detector". The intervals between a
node's heartbeats are taken to be normally distributed; phi is -log10 of the probability that a live node
stays silent for as long as this one. So phi 3 is wrong once in 1,000 heartbeats, phi 8 once in 10**8,
whatever the network's quality.
"""

import math
from collections import deque
from enum import StrEnum

STALE_PHI = 3.0
DEAD_PHI = 8.0
WINDOW = 100
"""Intervals remembered of a node: minutes of history, so that one outage weighs little."""
DEVIATION = 0.5
"""The estimated deviation, and the least one for even the most regular node, as a part of the gossip
interval.
"""
DEVIATION_PER_DOUBLING = 0.16
"""The same with many nodes: news takes one more round each time their number doubles."""


class Status(StrEnum):
    """The state that a node is taken to be in. stale: silent for longer than usual. dead: silent for too long
    to be alive.
    """

    ACTIVE = "active"
    STALE = "stale"
    DEAD = "dead"


class Detector:
    """Suspicion of each watched node, based on how regularly its heartbeats came before.

    interval: seconds between the heartbeats that a node sends. In a cluster of up to eight nodes, a node that
    kept to the interval is stale after 2.5 intervals of silence and dead after 3.8; in one of 100 nodes after
    4.3 and 7, as heartbeats then pass through many nodes. A node that was never heard counts as one that kept
    to the interval. Methods raise LookupError for a node that isn't watched. `now` is in seconds and never
    runs backwards.
    """

    __slots__ = ("_histories", "_interval")

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._histories: dict[str, _History] = {}

    def watch(self, url: str, now: float) -> None:
        """Measure a node's silence from now on, if it isn't watched yet."""
        if url not in self._histories:
            self._histories[url] = _History(self._interval, now)

    def forget(self, url: str) -> None:
        """Stop watching a node."""
        self._histories.pop(url, None)

    @property
    def watched(self) -> tuple[str, ...]:
        """All nodes that are watched."""
        return tuple(self._histories)

    def heard(self, url: str, now: float) -> None:
        """Note that a new heartbeat of a node has arrived."""
        self.watch(url, now)
        self._histories[url].add(now, self._least_deviation())

    def lag(self, url: str, now: float) -> float:
        """Seconds since a new heartbeat arrived; if none ever did, since the node has been watched."""
        return max(0.0, now - self._histories[url].last)

    def phi(self, url: str, now: float) -> float:
        """The suspicion: at most 0.3 while no heartbeat is due, infinite after a very long silence."""
        return self._histories[url].phi(self.lag(url, now), self._least_deviation())

    def status(self, url: str, now: float) -> Status:
        """The state that the node should be taken to be in."""
        phi = self.phi(url, now)
        if phi < STALE_PHI:
            return Status.ACTIVE
        return Status.STALE if phi < DEAD_PHI else Status.DEAD

    def _least_deviation(self) -> float:
        nodes = len(self._histories) + 1
        return self._interval * max(DEVIATION, DEVIATION_PER_DOUBLING * math.log2(nodes))


class _History:
    """The last intervals of a node; at first, as many estimated ones."""

    __slots__ = ("_deviation", "_heard", "_intervals", "_mean", "last")

    def __init__(self, interval: float, now: float) -> None:
        self.last = now
        self._heard = False
        spread = DEVIATION * interval
        estimate = [interval - spread, interval + spread] * (WINDOW // 2)
        self._intervals = deque(estimate, maxlen=WINDOW)
        self._mean, self._deviation = self._measured()

    def add(self, now: float, least_deviation: float) -> None:
        """Remember an interval; an outage counts no more than the time after which a node is dead, or it
        would hide the next one.
        """
        if self._heard:
            mean, deviation = self._normal(least_deviation)
            self._intervals.append(min(now - self.last, mean + 6 * deviation))  # phi 8 is at 5.6
            self._mean, self._deviation = (
                self._measured()
            )  # kept, since each request asks which nodes are alive
        self._heard, self.last = True, now

    def phi(self, silence: float, least_deviation: float) -> float:
        mean, deviation = self._normal(least_deviation)
        later = 0.5 * math.erfc((silence - mean) / deviation / math.sqrt(2))
        return -math.log10(later) if later > 0 else math.inf

    def _normal(self, least_deviation: float) -> tuple[float, float]:
        return self._mean, max(least_deviation, self._deviation)

    def _measured(self) -> tuple[float, float]:
        mean = sum(self._intervals) / len(self._intervals)
        variance = sum((i - mean) ** 2 for i in self._intervals) / len(self._intervals)
        return mean, math.sqrt(variance)
