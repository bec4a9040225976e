"""Changes of the topology that people ask for, in virtual time.

Also what these move: limedb/cluster/topology/planning.py.
"""

import asyncio

import pytest

from limedb.errors import InvalidRequestError, TopologyChangeError
from tests.cluster.client import Client
from tests.cluster.network import url_of
from tests.cluster.nodes import Cluster, formed
from tests.cluster.virtual import run_virtual, wait_until

pytestmark = pytest.mark.simulation


@pytest.mark.parametrize("seed", range(3))
def test_a_decommissioned_node_hands_its_keys_over_and_stays_out(seed: int) -> None:
    async def scenario() -> None:
        async with Cluster(seed) as cluster:
            nodes = await formed(cluster, 4)
            client = Client(cluster)
            await client.write_many(nodes[0], "before", 300)
            writing = asyncio.create_task(client.write_on(lambda: nodes[:3], "during"))
            plan = await nodes[0].topology_manager.decommission(url_of(4), dry_run=False)
            assert plan.epoch == 2
            await wait_until(lambda: cluster.is_steady(*map(url_of, (1, 2, 3))), limit=20)
            await wait_until(lambda: nodes[3].topology_manager.departed == "left", limit=5)
            writing.cancel()
            again = await cluster.restart(nodes[3])
            await asyncio.sleep(20)
            assert again.topology_manager.departed == "left"
            assert cluster.is_steady(*map(url_of, (1, 2, 3)))
            await client.check(nodes[1])

    run_virtual(scenario())


def test_a_join_is_cancelled_on_demand_and_its_node_stays_out() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            nodes = await formed(cluster, 4)
            await Client(cluster).write_many(nodes[0], "before", 100)
            fifth = cluster.start(5, seeds=[1])
            await wait_until(lambda: fifth.topology_store.is_member, limit=10, step=0.002)
            status = await nodes[1].topology_manager.change_status()
            assert status is not None
            assert fifth.url in status.progress
            await nodes[1].topology_manager.cancel(dry_run=False)
            await wait_until(lambda: cluster.is_steady(*map(url_of, range(1, 5))), limit=10)
            await wait_until(lambda: fifth.topology_manager.departed == "cancelled", limit=10)
            await asyncio.sleep(30)
            assert cluster.is_steady(*map(url_of, range(1, 5)))

    run_virtual(scenario())


def test_what_makes_no_sense_is_refused_in_words() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            nodes = await formed(cluster, 3)
            topology_manager = nodes[0].topology_manager
            with pytest.raises(InvalidRequestError, match="its members are http://node1"):
                await topology_manager.decommission("http://nobody:1", dry_run=True)
            with pytest.raises(TopologyChangeError, match="is alive: decommission it"):
                await topology_manager.remove(url_of(2), dry_run=True)
            with pytest.raises(TopologyChangeError, match="nothing to cancel"):
                await topology_manager.cancel(dry_run=True)
            plan = await topology_manager.decommission(url_of(2), dry_run=True)
            assert "2 replicas instead of 3" in plan.what
            assert plan.epoch == 0
            assert nodes[0].topology_store.topology.epoch == 1

    run_virtual(scenario())


def test_a_dry_run_reports_what_a_join_moves() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            nodes = await formed(cluster, 4, virtual_nodes=64)
            plan = await nodes[0].topology_manager.plan_join("http://node5:8484", "", 64)
            moves = {move.node_url: move for move in plan.moves}
            assert moves["http://node5:8484"].share_before == 0
            assert moves["http://node5:8484"].share_after == pytest.approx(3 / 5, rel=0.25)
            assert plan.streamed == pytest.approx(moves["http://node5:8484"].share_after)
            assert sum(m.share_after for m in plan.moves) == pytest.approx(3)

    run_virtual(scenario())
