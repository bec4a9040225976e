"""A node's figures: its requests, its process, its store and its peers, sampled each second.

It owns the sampling, and the copies for the thread that exports metrics. It must never change the things that
it counts.
"""

import asyncio
from collections.abc import Callable, Collection

from limedb.core.detector import Status
from limedb.core.membership import NodeLoad
from limedb.core.report import GossipReport
from limedb.observability.metrics import ProcessStats, RequestStats
from limedb.observability.slow_requests import SlowRequests
from limedb.ports import Clock, NodeHealth, Store, StoreStats

SAMPLE_SECONDS = 1.0


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
