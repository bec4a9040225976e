"""Nodes whose data was set aside join the one cluster that they wait for, and hold no other up."""

import asyncio
from dataclasses import replace

from limedb.cluster.topology.rejoining import waits_for
from limedb.core.membership import NodeState
from limedb.core.topology import Member, Phase, join
from limedb.ports import Saved
from tests.cluster.client import Client
from tests.cluster.network import url_of
from tests.cluster.nodes import Cluster, Disk
from tests.cluster.virtual import run_virtual, wait_until

OTHER = "00000000000000ab"


def test_a_node_that_waits_for_another_cluster_is_not_invited() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            first = cluster.start(1)
            await wait_until(lambda: cluster.is_steady(url_of(1)), limit=5)
            cluster.disks[url_of(2)] = Disk(cluster.rng, Saved("anew", rejoins=OTHER))
            second = cluster.start(2, seeds=[1])
            await asyncio.sleep(60)
            assert first.topology_store.topology.epoch == 1
            assert second.topology_store.topology.is_fresh
            await Client(cluster).write_many(first, "k", 20)

    run_virtual(scenario())


def test_it_joins_once_it_waits_for_that_cluster() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            first = cluster.start(1)
            await wait_until(lambda: cluster.is_steady(url_of(1)), limit=5)
            rejoins = first.topology_store.topology.cluster_id
            cluster.disks[url_of(2)] = Disk(cluster.rng, Saved("anew", rejoins=rejoins))
            cluster.start(2, seeds=[1])
            await wait_until(lambda: cluster.is_steady(url_of(1), url_of(2)), limit=30)

    run_virtual(scenario())


def test_a_join_of_one_that_will_not_come_is_given_up() -> None:
    """As an older leader began it, which knew nothing of the wait."""

    async def scenario() -> None:
        async with Cluster() as cluster:
            first = cluster.start(1)
            await wait_until(lambda: cluster.is_steady(url_of(1)), limit=5)
            saved = first.topology_store.saved
            during = join(saved.topology, Member("anew", url_of(2), virtual_nodes=8))
            await cluster.kill(first.url)
            cluster.disks[first.url].saved = replace(saved, topology=during)
            cluster.disks[url_of(2)] = Disk(cluster.rng, Saved("anew", rejoins=OTHER))
            again = cluster.start(1)
            cluster.start(2, seeds=[1])
            await wait_until(lambda: again.topology_store.topology.phase is Phase.STEADY, limit=60)
            await asyncio.sleep(60)
            assert again.topology_store.topology.epoch == during.epoch + 1
            assert [member.url for member in again.topology_store.topology.members] == [url_of(1)]

    run_virtual(scenario())


def test_it_says_which_cluster_it_hears_instead() -> None:
    of_it, of_another = NodeState(url_of(1), cluster_id=OTHER), NodeState(url_of(2), cluster_id="cd")
    assert f"cluster {OTHER} must let it join" in waits_for(OTHER, [])
    assert waits_for(OTHER, [of_it, of_another]) == waits_for(OTHER, [])
    assert f"{url_of(2)} in cluster cd" in waits_for(OTHER, [of_another])
    assert "move its new .lmdb folder away" in waits_for(OTHER, [of_another])
