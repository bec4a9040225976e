"""A node's figures, sampled each second in virtual time."""

import asyncio

from limedb.core.detector import Status
from limedb.observability.figures import Figures
from limedb.storage.memory.store import MemoryStore
from tests.cluster.virtual import VirtualClock, run_virtual
from tests.rpc.cluster_sources import DEAD, OTHER, FakeCluster
from tests.storage.kinds import NOW, text


def test_requests_peers_and_store_are_as_of_the_last_sample() -> None:
    async def scenario() -> None:
        store, cluster = MemoryStore(), FakeCluster()
        figures = Figures(VirtualClock(), store)
        sampling = asyncio.create_task(figures.run(cluster.gossip_report))
        await asyncio.sleep(1.5)
        figures.requests.count_operations("get", 20)
        await store.apply([text("a")], NOW)
        assert (figures.stored.keys, figures.peers[Status.ACTIVE.value]) == (0, 1)
        cluster.statuses = {OTHER: Status.DEAD, DEAD: Status.DEAD}
        await asyncio.sleep(1)
        assert (figures.stored.keys, figures.peers[Status.ACTIVE.value]) == (1, 0)
        assert figures.peers[Status.DEAD.value] == 2
        load = figures.load()
        assert load.gets_per_second > 0 == load.sets_per_second
        sampling.cancel()

    run_virtual(scenario())


def test_health_is_of_this_moment() -> None:
    async def scenario() -> None:
        store = MemoryStore()
        figures = Figures(VirtualClock(), store)
        await store.apply([text("a")], NOW)
        await asyncio.sleep(3)
        health = figures.health()
        assert (health.store.keys, health.uptime_seconds) == (1, 3.0)
        assert health.memory_mb > 0

    run_virtual(scenario())
