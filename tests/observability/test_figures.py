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


def test_each_ten_seconds_a_step_is_kept_with_what_it_had() -> None:
    async def scenario() -> None:
        store, clock = MemoryStore(), VirtualClock()
        figures = Figures(clock, store)
        sampling = asyncio.create_task(figures.run(FakeCluster().gossip_report))
        await asyncio.sleep(11)
        kept = len(figures.history)
        figures.requests.record("KVService/Get", "OK", 0.003)
        figures.requests.record("KVService/Session (set)", "INTERNAL", 0.003)
        figures.requests.count_operations("get", 20)
        await store.apply([text("a")], NOW)
        await asyncio.sleep(40)
        assert len(figures.history) == kept + 4
        points = figures.history.points(0, clock.wall_ms(), 10_000)
        assert {point.at_ms % 10_000 for point in points} == {0}
        (busy,) = (point for point in points if point.latencies)
        assert (busy.requests_per_second, busy.error_rate, busy.gets_per_second) == (0.2, 0.5, 2.0)
        assert [one.operation for one in busy.latencies] == ["get", "set"]
        assert 2.5 < busy.latencies[0].p50_ms <= 5
        assert points[-1].keys == 1
        assert points[-1].memory_bytes > 0
        sampling.cancel()

    run_virtual(scenario())
