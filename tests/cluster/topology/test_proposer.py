"""How the next epoch is decided between nodes, in virtual time."""

import asyncio
from functools import partial

import pytest

from limedb.core.topology import Topology, leave
from limedb.errors import TopologyChangeError, UnavailableError
from tests.cluster.network import url_of
from tests.cluster.nodes import Cluster, Node, formed
from tests.cluster.virtual import run_virtual, wait_until


def leaving(node: Node, who: Node) -> "asyncio.Task[Topology]":
    step = partial(leave, node_id=who.topology_store.node_id)
    return asyncio.ensure_future(node.topology_proposer.decide(step))


def test_a_decision_is_pushed_to_all_at_once() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            nodes = await formed(cluster, 5)
            await leaving(nodes[0], nodes[4])
            await wait_until(
                lambda: all(n.topology_store.topology.epoch >= 2 for n in nodes), limit=0.2, step=0.01
            )

    run_virtual(scenario())


@pytest.mark.parametrize("seed", range(8))
def test_of_those_who_propose_at_once_one_wins_and_the_others_learn_it(seed: int) -> None:
    async def scenario() -> None:
        async with Cluster(seed, delay=0.1) as cluster:
            nodes = await formed(cluster, 5)
            tasks = [leaving(nodes[i], nodes[(i + 1) % 5]) for i in range(5)]
            results = await asyncio.gather(*tasks, return_exceptions=True)
            won = [r for r in results if isinstance(r, Topology)]
            assert len(won) == 1
            assert all(isinstance(r, (Topology, TopologyChangeError)) for r in results)

    run_virtual(scenario())


def test_without_a_majority_nothing_is_decided_and_who_is_missing_is_named() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            nodes = await formed(cluster, 4)
            cluster.split(nodes[:2], nodes[2:])
            with pytest.raises(UnavailableError, match=r"needs 3 of 4 nodes.*http://node3:8484"):
                await leaving(nodes[0], nodes[1])
            assert nodes[0].topology_store.topology.epoch == 1

    run_virtual(scenario())


def test_voters_that_are_there_by_turns_decide() -> None:
    """Three of four must say yes, one is dead, and of the others one is cut off at each moment."""

    async def scenario() -> None:
        async with Cluster() as cluster:
            nodes = await formed(cluster, 4)
            await cluster.kill(url_of(4))
            first, second = ({frozenset((nodes[0].url, nodes[i].url))} for i in (1, 2))
            cluster.cut |= first
            task = leaving(nodes[0], nodes[1])
            while not task.done():
                await asyncio.sleep(1.0)
                cluster.cut ^= first | second
            assert (await task).epoch == 2

    run_virtual(scenario())


@pytest.mark.parametrize("seed", range(5))
def test_a_proposer_that_dies_half_way_leaves_what_it_may_have_decided_to_the_next(seed: int) -> None:
    async def scenario() -> None:
        async with Cluster(seed, delay=0.2) as cluster:
            nodes = await formed(cluster, 3)
            task = leaving(nodes[0], nodes[1])
            await asyncio.sleep(cluster.rng.uniform(0.1, 0.8))
            task.cancel()
            await cluster.kill(url_of(1))
            results = await asyncio.gather(leaving(nodes[1], nodes[2]), return_exceptions=True)
            assert isinstance(results[0], (Topology, TopologyChangeError))
            await wait_until(
                lambda: nodes[1].topology_store.topology == nodes[2].topology_store.topology, limit=10
            )

    run_virtual(scenario())


def test_a_voter_whose_disk_fails_does_not_count() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            nodes = await formed(cluster, 3)
            cluster.disks[url_of(2)].fails = cluster.disks[url_of(3)].fails = True
            with pytest.raises(UnavailableError, match="the disk fails"):
                await leaving(nodes[0], nodes[1])
            cluster.disks[url_of(2)].fails = cluster.disks[url_of(3)].fails = False
            assert (await leaving(nodes[0], nodes[1])).epoch == 2

    run_virtual(scenario())
