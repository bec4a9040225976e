"""The changes that nodes make by themselves: they let nodes in, and take dead ones out, in virtual time.

Tests limedb/cluster/topology/liveness.py.
"""

import asyncio

import pytest

from limedb.errors import TopologyChangeError
from tests.cluster.client import Client
from tests.cluster.network import url_of
from tests.cluster.nodes import Cluster, formed
from tests.cluster.virtual import run_virtual, wait_until

pytestmark = pytest.mark.simulation


@pytest.mark.parametrize("seed", range(5))
def test_a_node_joins_under_writes_and_no_acknowledged_write_is_lost(seed: int) -> None:
    async def scenario() -> None:
        async with Cluster(seed) as cluster:
            nodes = await formed(cluster, 4)
            client = Client(cluster)
            await client.write_many(nodes[0], "before", 500)
            writing = asyncio.create_task(client.write_on(lambda: nodes, "during"))
            fifth = cluster.start(5, seeds=[1])
            await wait_until(lambda: cluster.is_steady(*map(url_of, range(1, 6))), limit=30)
            writing.cancel()
            for node in (nodes[1], fifth):
                await client.check(node)
            assert client.failed <= 2
            assert len(client.acked) > 520
            held = fifth.disk.store.count()
            assert held > 0.3 * len(client.acked)

    run_virtual(scenario())


@pytest.mark.parametrize("seed", range(3))
def test_a_join_over_a_bad_network_ends_well(seed: int) -> None:
    async def scenario() -> None:
        async with Cluster(seed, delay=0.1, loss=0.05) as cluster:
            nodes = [cluster.start(i, seeds=[1]) for i in range(1, 6)]
            client = Client(cluster)
            await wait_until(lambda: cluster.is_steady(*map(url_of, range(1, 6))), limit=120)
            await client.write_many(nodes[0], "k", 300)
            cluster.start(6, seeds=[2])
            await wait_until(lambda: cluster.is_steady(*map(url_of, range(1, 7))), limit=240)
            cluster.loss = 0
            await client.check(nodes[3])

    run_virtual(scenario())


@pytest.mark.parametrize("seed", range(3))
def test_a_dead_node_is_removed_and_comes_back_as_a_new_one(seed: int) -> None:
    async def scenario() -> None:
        async with Cluster(seed) as cluster:
            nodes = await formed(cluster, 5)
            client = Client(cluster)
            await client.write_many(nodes[0], "before", 300)
            old_id = nodes[2].topology_store.node_id
            await cluster.kill(nodes[2].url)
            await asyncio.sleep(40)
            assert nodes[0].topology_store.topology.epoch == 1
            left = [url_of(i) for i in (1, 2, 4, 5)]
            await wait_until(lambda: cluster.is_steady(*left), limit=60)
            await client.check(nodes[1])
            back = await cluster.restart(nodes[2])
            await wait_until(lambda: back.topology_manager.departed == "removed", limit=10)
            fresh = await cluster.restart(back, aside=True)
            await wait_until(lambda: cluster.is_steady(*map(url_of, range(1, 6))), limit=30)
            assert fresh.topology_store.node_id != old_id
            await client.check(fresh)

    run_virtual(scenario())


def test_a_join_whose_node_dies_is_cancelled() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            nodes = await formed(cluster, 4, dead_node_timeout=20.0)
            client = Client(cluster)
            await client.write_many(nodes[0], "before", 100)
            fifth = cluster.start(5, seeds=[1], dead_node_timeout=20.0)
            disk = cluster.disks[fifth.url]
            await wait_until(lambda: disk.saved and disk.saved.topology.epoch, limit=10, step=0.002)
            await cluster.kill(fifth.url)
            await wait_until(lambda: cluster.is_steady(*map(url_of, range(1, 5))), limit=60)
            await client.check(nodes[2])
            back = await cluster.restart(fifth)
            await wait_until(lambda: back.topology_manager.departed == "removed", limit=10)

    run_virtual(scenario())


def test_a_node_with_another_replication_factor_is_not_let_in(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            await formed(cluster, 3)
            cluster.start(4, seeds=[1], replication_factor=2)
            await asyncio.sleep(20)
            assert cluster.is_steady(*map(url_of, (1, 2, 3)))

    run_virtual(scenario())
    assert caplog.text.count("its REPLICATION_FACTOR is 2, the cluster's is 3") == 1


@pytest.mark.parametrize("seed", range(3))
def test_a_minority_decides_nothing_and_the_history_stays_one(seed: int) -> None:
    async def scenario() -> None:
        async with Cluster(seed) as cluster:
            nodes = await formed(cluster, 5, dead_node_timeout=15.0)
            client = Client(cluster)
            await client.write_many(nodes[0], "before", 100)
            cluster.split(nodes[:3], nodes[3:])
            await asyncio.sleep(12)
            cluster.cut.clear()
            await asyncio.sleep(10)
            assert cluster.is_steady(*map(url_of, range(1, 6)))
            assert nodes[0].topology_store.topology.epoch == 1
            cluster.split(nodes[:1], nodes[1:])
            await asyncio.sleep(60)
            assert nodes[0].topology_store.topology.epoch == 1
            assert nodes[1].topology_store.topology.epoch == 4
            cluster.cut.clear()
            await wait_until(lambda: nodes[0].topology_manager.departed == "removed", limit=10)
            await client.check(nodes[2])

    run_virtual(scenario())


def test_a_member_that_answers_is_not_removed_though_gossip_takes_it_for_dead() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            nodes = await formed(cluster, 4, dead_node_timeout=15.0)
            silent = nodes[3]
            silent.view.heartbeat = lambda: None  # type: ignore[method-assign]
            await wait_until(lambda: nodes[0].view.dead_for(silent.url) > 20, limit=90)
            await asyncio.sleep(20)
            assert nodes[0].topology_store.topology.epoch == 1
            await cluster.kill(silent.url)
            await wait_until(lambda: cluster.is_steady(*map(url_of, range(1, 4))), limit=60)

    run_virtual(scenario())


def test_no_node_is_removed_whose_data_the_others_may_lack() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            nodes = await formed(cluster, 5, dead_node_timeout=15.0)
            await cluster.kill(url_of(1))
            await cluster.kill(url_of(2))
            await asyncio.sleep(90)
            assert nodes[2].topology_store.topology.epoch == 1
            with pytest.raises(TopologyChangeError, match="bring http://node1:8484 back"):
                await nodes[2].topology_manager.remove(url_of(1), dry_run=False)

    run_virtual(scenario())
