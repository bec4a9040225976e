"""A node's part in changes of the topology, whatever happens to it meanwhile, in virtual time.

Tests limedb/cluster/topology/answers.py.
"""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress

import pytest

from limedb.core.report import ChangePlan
from limedb.core.topology import MemberState, Phase
from limedb.errors import LimeDBError
from tests.cluster.client import Client
from tests.cluster.network import url_of
from tests.cluster.nodes import Cluster, formed
from tests.cluster.virtual import run_virtual, wait_until

pytestmark = pytest.mark.simulation


@pytest.mark.parametrize("seed", range(3))
def test_a_node_that_lost_its_disk_rejoins_and_counts_only_then(seed: int) -> None:
    async def scenario() -> None:
        async with Cluster(seed) as cluster:
            nodes = await formed(cluster, 4)
            client = Client(cluster)
            await client.write_many(nodes[0], "before", 300)
            fresh = await cluster.restart(nodes[3], wiped=True)
            living = [*nodes[:3], fresh]
            writing = asyncio.create_task(client.write_on(lambda: nodes[:3], "during"))
            await wait_until(lambda: fresh.topology_store.is_member, limit=20)
            assert fresh.url not in {
                u for _, o in fresh.topology_store.layout.segments() for u in o.natural
            } or cluster.is_steady(*[n.url for n in living])
            await wait_until(lambda: cluster.is_steady(*[n.url for n in living]), limit=30)
            writing.cancel()
            await client.check(fresh)
            await cluster.kill(nodes[0].url)
            await client.check(fresh)

    run_virtual(scenario())


def test_a_join_killed_half_way_continues_where_it_was() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            nodes = await formed(cluster, 4)
            client = Client(cluster)
            await client.write_many(nodes[0], "before", 300)
            fifth = cluster.start(5, seeds=[1])
            await wait_until(lambda: fifth.handoff.progress().spans_done > 0, limit=10, step=0.002)
            assert not fifth.handoff.progress().is_done
            node_id = fifth.topology_store.node_id
            fifth = await cluster.restart(fifth)
            await wait_until(lambda: cluster.is_steady(*map(url_of, range(1, 6))), limit=30)
            assert fifth.topology_store.node_id == node_id
            await client.check(fifth)

    run_virtual(scenario())


def test_a_node_that_leaves_while_it_is_cut_off_for_a_moment_knows_afterwards_that_it_left() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            nodes = await formed(cluster, 5)
            leaver = nodes[4]
            cluster.cut |= {frozenset((leaver.url, node.url)) for node in nodes[:4]}
            await nodes[0].topology_manager.decommission(leaver.url, dry_run=False)
            await wait_until(
                lambda: nodes[0].topology_store.topology.phase is Phase.HANDOVER, limit=20, step=0.01
            )
            await asyncio.sleep(0.5)
            cluster.cut.clear()
            await wait_until(lambda: bool(leaver.topology_manager.departed), limit=20)
            assert leaver.topology_manager.departed == "left"
            await wait_until(lambda: cluster.is_steady(*map(url_of, range(1, 5))), limit=20)

    run_virtual(scenario())


@pytest.mark.parametrize("seed", range(6))
def test_nodes_that_come_and_go_leave_one_history_and_lose_nothing(seed: int) -> None:
    async def scenario() -> None:
        async with Cluster(seed, delay=0.05, loss=0.01) as cluster:
            nodes = await formed(cluster, 5)
            client = Client(cluster)
            await client.write_many(nodes[0], "before", 100)
            writing = asyncio.create_task(
                client.write_on(
                    lambda: [n for n in cluster.nodes.values() if n.topology_store.is_member] or nodes, "d"
                )
            )
            for _ in range(8):
                victim = cluster.rng.choice([n for n in cluster.nodes.values() if n.url != url_of(6)])
                what = cluster.rng.choice(["restart", "join", "leave", "cut", "cancel"])
                if what == "restart":
                    await cluster.restart(victim)
                elif what == "join" and url_of(6) not in cluster.nodes:
                    cluster.start(6, seeds=[1, 2])
                elif what == "cut":
                    others = [n for n in cluster.nodes.values() if n is not victim]
                    cluster.split([victim], others)
                    await asyncio.sleep(cluster.rng.uniform(0, 8))
                    cluster.cut.clear()
                elif what == "leave" and url_of(6) in cluster.nodes:
                    await _try(victim.topology_manager.decommission(url_of(6), dry_run=False))
                elif what == "cancel":
                    await _try(victim.topology_manager.cancel(dry_run=False))
                await asyncio.sleep(cluster.rng.uniform(0, 6))
            cluster.loss = 0
            await asyncio.sleep(30)
            writing.cancel()
            topologies = {n.topology_store.topology for n in cluster.nodes.values()}
            assert len(topologies) == 1
            [topology] = topologies
            assert all(m.standing is MemberState.NORMAL for m in topology.members)
            await client.check(cluster.nodes[url_of(1)])
            assert len(client.acked) > 500

    run_virtual(scenario())


async def _try(change: Awaitable[ChangePlan]) -> None:
    with suppress(LimeDBError):
        await change
