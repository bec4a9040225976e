"""How fresh nodes make a cluster, in virtual time."""

import asyncio

import pytest

from tests.cluster.network import url_of
from tests.cluster.nodes import Cluster
from tests.cluster.virtual import run_virtual, wait_until

pytestmark = pytest.mark.simulation


@pytest.mark.parametrize("seed", range(10))
def test_four_nodes_started_together_are_one_cluster_in_under_4_seconds(seed: int) -> None:
    async def scenario() -> float:
        async with Cluster(seed) as cluster:
            nodes = [cluster.start(i, seeds=[1]) for i in range(1, 5)]
            seconds = await wait_until(lambda: cluster.is_steady(*[n.url for n in nodes]), limit=10)
            assert nodes[0].topology_store.topology.epoch == 1
            return seconds

    assert run_virtual(scenario()) < 4


def test_a_lone_node_founds_its_own_cluster() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            cluster.start(1)
            await wait_until(lambda: cluster.is_steady(url_of(1)), limit=3)

    run_virtual(scenario())


def test_nodes_that_may_not_found_wait_for_a_cluster_say_so_and_are_let_in() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            nodes = [cluster.start(i, seeds=[2, 3], may_found=False) for i in (2, 3)]
            await asyncio.sleep(60)
            assert all(node.topology_store.topology.is_fresh for node in nodes)
            assert all("MAY_FOUND=no" in node.topology_manager.lonely for node in nodes)
            assert all(node.topology_manager.pledge(url_of(1)) == "" for node in nodes)
            cluster.start(1)
            await wait_until(lambda: cluster.is_steady(url_of(1)), limit=3)
            cluster.start(4, seeds=[1, 2])
            await wait_until(lambda: cluster.is_steady(*map(url_of, (1, 2, 3, 4))), limit=60)
            noted = [url for url, node in cluster.nodes.items() if node.topology_store.saved.founded_ms]
            assert noted == [url_of(1)]  # the others weren't there

    run_virtual(scenario())


def test_nodes_started_one_after_another_become_one_cluster() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            for i in (1, 2, 3):
                cluster.start(i, seeds=[1])
                await asyncio.sleep(5)
            await wait_until(lambda: cluster.is_steady(*map(url_of, (1, 2, 3))), limit=20)

    run_virtual(scenario())
