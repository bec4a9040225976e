"""A node's figures: its requests, its process, its store and its peers, sampled each second, and their day.

It owns the sampling, and the copies for the thread that exports metrics. It must never change the things that
it counts.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from limedb.core.detector import Status
from limedb.core.history import STEP_SECONDS, History, Measured
from limedb.core.membership import NodeLoad
from limedb.core.report import GossipReport
from limedb.observability.metrics import Operation, ProcessStats, RequestStats, Usage
from limedb.observability.slow_requests import SlowRequests
from limedb.ports import Clock, NodeHealth, Store, StoreStats

SAMPLE_SECONDS = 1.0
STEP_MS = 1000 * STEP_SECONDS


class Figures:
    """Figures since the start of the process. requests: the counters of the servicers. streams: as
    RequestStats has them. slow_seconds: requests that take longer are logged; 0: none are.
    """

    def __init__(
        self, clock: Clock, store: Store, streams: Collection[str] = (), slow_seconds: float = 0
    ) -> None:
        self._clock, self._store = clock, store
        self.slow = SlowRequests(slow_seconds, streams)
        self.requests = RequestStats(clock.monotonic(), streams, self.slow)
        self._process = ProcessStats(clock.monotonic())
        self.history = History()
        self._before = self._totals()
        self.peers: dict[str, int] = {status.value: 0 for status in Status}
        self.stored: StoreStats = store.stats()

    def health(self) -> NodeHealth:
        """The health figures of this moment."""
        now = self._clock.monotonic()
        process = self._process.figures(now)
        return NodeHealth(
            uptime_seconds=process.uptime_seconds,
            memory_mb=process.memory_allocated_mb,
            cpu_percent=process.cpu_percent,
            requests=self.requests.figures(now),
            store=self._store.stats(),
        )

    def load(self) -> NodeLoad:
        """The load that the node reports to the others, at this moment."""
        health = self.health()
        return NodeLoad(
            disk_bytes=health.store.size,
            memory_bytes=round(health.memory_mb * (1 << 20)),
            cpu_percent=health.cpu_percent,
            **health.requests.rates(),
        )

    async def run(self, report: Callable[[], GossipReport]) -> None:
        """Sample until cancelled. report: returns the gossip report of the peers."""
        while True:
            await asyncio.sleep(SAMPLE_SECONDS)
            now = self._clock.monotonic()
            self.requests.sample(now)
            self._process.sample(now)
            heard = report()
            self.peers = {status.value: heard.count(status) for status in Status}
            self.stored = self._store.stats()
            self._keep_step(now)

    def _keep_step(self, now: float) -> None:
        """Keep a step of the history as soon as the wall clock shows the next one."""
        before, at_ms = self._before, self._clock.wall_ms() // STEP_MS * STEP_MS
        if at_ms == before.at_ms:
            return
        self._before = new = self._totals()
        stored = self.stored
        counted, counted_before = new.operations, before.operations
        step = Measured(
            at_ms=at_ms,
            seconds=max(now - before.now, SAMPLE_SECONDS),
            requests=new.requests - before.requests,
            failures=new.failures - before.failures,
            gets=counted["get"] - counted_before["get"],
            sets=counted["set"] - counted_before["set"],
            dels=counted["delete"] - counted_before["delete"],
            cpu_seconds=max(0.0, new.usage.cpu_seconds - before.usage.cpu_seconds),
            memory_bytes=new.usage.memory_bytes,
            disk_bytes=stored.size,
            keys=stored.keys,
            loop_lag=self.slow.take_longest(),
        )
        self.history.add(
            step, {kind: _more(counts, before.buckets.get(kind)) for kind, counts in new.buckets.items()}
        )

    def _totals(self) -> "_Totals":
        requests, failures = self.requests.totals()
        return _Totals(
            self._clock.wall_ms() // STEP_MS * STEP_MS,
            self._clock.monotonic(),
            requests,
            failures,
            self.requests.operations(),
            self._process.usage,
            self.requests.buckets(),
        )


class _Totals(NamedTuple):
    """What was counted up to a moment."""

    at_ms: int
    now: float
    requests: int
    failures: int
    operations: Mapping[Operation, int]
    usage: Usage
    buckets: Mapping[str, list[int]]


def _more(new: list[int], before: list[int] | None) -> list[int]:
    """How much counts have grown."""
    return [a - b for a, b in zip(new, before, strict=True)] if before else new
