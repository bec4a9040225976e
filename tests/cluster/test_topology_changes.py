"""Nodes that form a cluster, join it, leave it, die and come back, in virtual time."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress

import pytest

from limedb.core.report import ChangePlan
from limedb.core.topology import MemberState, Phase
from limedb.errors import InvalidRequestError, LimeDBError, TopologyChangeError
from tests.cluster.network import url_of
from tests.cluster.nodes import Client, Cluster, Node
from tests.cluster.virtual import run_virtual, wait_until

pytestmark = pytest.mark.simulation


async def formed(cluster: Cluster, count: int, **setup: object) -> list[Node]:
    """A steady cluster of nodes 1 to count."""
    nodes = [cluster.start(i, seeds=[1], **setup) for i in range(1, count + 1)]
    await wait_until(lambda: cluster.is_steady(*[n.url for n in nodes]), limit=10)
    return nodes


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


def test_nodes_started_one_after_another_become_one_cluster() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            for i in (1, 2, 3):
                cluster.start(i, seeds=[1])
                await asyncio.sleep(5)
            await wait_until(lambda: cluster.is_steady(*map(url_of, (1, 2, 3))), limit=20)

    run_virtual(scenario())


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


@pytest.mark.parametrize("seed", range(3))
def test_a_node_that_lost_its_disk_joins_anew_and_counts_only_then(seed: int) -> None:
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


def test_a_join_killed_half_way_goes_on_where_it_was() -> None:
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


def test_a_dry_run_tells_what_a_join_moves() -> None:
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


def test_a_node_with_another_replication_factor_is_not_let_in(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            await formed(cluster, 3)
            cluster.start(4, seeds=[1], replication_factor=2)
            await asyncio.sleep(20)
            assert cluster.is_steady(*map(url_of, (1, 2, 3)))

    run_virtual(scenario())
    assert caplog.text.count("its REPLICATION_FACTOR is 2, the cluster's is 3") == 1


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


def test_nodes_compare_their_clocks_as_they_gossip() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            nodes = await formed(cluster, 4)
            await asyncio.sleep(10)
            for node in nodes:
                assert set(node.clocks.offsets()) == {n.url for n in nodes if n is not node}
                assert node.clocks.problem() == ""

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
