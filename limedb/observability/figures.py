"""A node's figures: its requests, its process, its store and its peers, sampled each second.

It owns the sampling, and what is set aside for the thread that exports metrics. It must never change what it
counts.
"""

import asyncio
from collections.abc import Callable

from limedb.cluster.report import GossipReport
from limedb.core.detector import Status
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
