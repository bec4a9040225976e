"""A node's figures: its requests, its process, its store and its peers, sampled each second.

It owns the sampling, and what is set aside for the thread that exports metrics. It must never change what it
counts.
"""

import asyncio
from collections.abc import Callable

from limedb.core.detector import Status
from limedb.core.membership import NodeLoad
from limedb.core.report import GossipReport
from limedb.observability.metrics import ProcessStats, RequestStats
from limedb.ports import Clock, NodeHealth, Store, StoreStats

SAMPLE_SECONDS = 1.0


class Figures:
    """Figures from the start of the process. requests: where servicers count."""

    def __init__(self, clock: Clock, store: Store) -> None:
        self._clock, self._store = clock, store
        self.requests = RequestStats(clock.monotonic())
        self._process = ProcessStats(clock.monotonic())
        self.peers: dict[str, int] = {status.value: 0 for status in Status}
        self.stored: StoreStats = store.stats()

    def health(self) -> NodeHealth:
        """How the node does, now."""
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
        """What the node tells the others of its health, now."""
        health = self.health()
        return NodeLoad(
            disk_bytes=health.store.size,
            memory_bytes=round(health.memory_mb * (1 << 20)),
            cpu_percent=health.cpu_percent,
            requests_per_second=health.requests.requests_per_second,
            gets_per_second=health.requests.gets_per_second,
            sets_per_second=health.requests.sets_per_second,
            dels_per_second=health.requests.dels_per_second,
            average_latency_ms=health.requests.average_latency_ms,
            error_rate=health.requests.error_rate,
        )

    async def run(self, report: Callable[[], GossipReport]) -> None:
        """Sample until cancelled. report: what was heard of the peers."""
        while True:
            await asyncio.sleep(SAMPLE_SECONDS)
            now = self._clock.monotonic()
            self.requests.sample(now)
            self._process.sample(now)
            heard = report()
            self.peers = {status.value: heard.count(status) for status in Status}
            self.stored = self._store.stats()
