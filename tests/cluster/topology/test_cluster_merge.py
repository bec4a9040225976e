"""Clusters that meet, in virtual time."""

import pytest

from tests.cluster.client import Client
from tests.cluster.network import url_of
from tests.cluster.nodes import Cluster
from tests.cluster.virtual import run_virtual, wait_until

pytestmark = pytest.mark.simulation


@pytest.mark.parametrize("seed", range(5))
def test_two_empty_clusters_that_meet_become_one(seed: int) -> None:
    async def scenario() -> None:
        async with Cluster(seed) as cluster:
            left = [cluster.start(i, seeds=[1]) for i in (1, 2)]
            right = [cluster.start(i, seeds=[3]) for i in (3, 4)]
            cluster.split(left, right)
            await wait_until(
                lambda: cluster.is_steady(url_of(1), url_of(2)) and cluster.is_steady(url_of(3), url_of(4)),
                limit=15,
            )
            cluster.cut.clear()
            left[0].view.add([right[0].url])
            await wait_until(lambda: cluster.is_steady(*map(url_of, range(1, 5))), limit=60)

    run_virtual(scenario())


@pytest.mark.parametrize("seed", range(5))
def test_an_empty_cluster_gives_way_to_one_with_data(seed: int) -> None:
    async def scenario() -> None:
        async with Cluster(seed) as cluster:
            left = [cluster.start(i, seeds=[1]) for i in (1, 2)]
            right = [cluster.start(i, seeds=[3]) for i in (3, 4)]
            cluster.split(left, right)
            await wait_until(
                lambda: cluster.is_steady(url_of(1), url_of(2)) and cluster.is_steady(url_of(3), url_of(4)),
                limit=15,
            )
            client = Client(cluster)
            await client.write_many(right[0], "k", 50)
            kept = right[0].topology_store.topology.cluster_id
            cluster.cut.clear()
            left[0].view.add([right[0].url])
            await wait_until(lambda: cluster.is_steady(*map(url_of, range(1, 5))), limit=60)
            assert left[0].topology_store.topology.cluster_id == kept
            await client.check(left[0])

    run_virtual(scenario())


def test_two_clusters_with_data_refuse_each_other_and_say_so() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            left, right = [cluster.start(1)], [cluster.start(2)]
            cluster.split(left, right)
            await wait_until(lambda: cluster.is_steady(url_of(1)) and cluster.is_steady(url_of(2)), limit=15)
            clients = [Client(cluster), Client(cluster)]
            for client, node in zip(clients, (left[0], right[0]), strict=True):
                await client.write_many(node, "k", 5)
            cluster.cut.clear()
            left[0].view.add([right[0].url])
            await wait_until(
                lambda: bool(left[0].topology_manager.conflict and right[0].topology_manager.conflict),
                limit=20,
            )
            assert cluster.is_steady(url_of(1))
            assert cluster.is_steady(url_of(2))
            assert "both hold data" in left[0].topology_manager.conflict

    run_virtual(scenario())
