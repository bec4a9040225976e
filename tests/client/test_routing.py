"""Where calls go: straight to replicas, or through the addresses given.

Tests limedb/client/node_connection.py.
"""

import json
from urllib.request import urlopen

import pytest

import limedb
from limedb.errors import UnavailableError
from tests.support.clusters import RunningCluster
from tests.support.clusters import limedb as command
from tests.support.keys import new_key
from tests.support.serving import Pair


def sessions(cluster: RunningCluster) -> dict[str, int]:
    """Keys that each node has read and written for clients so far, by name."""
    counted = {}
    for node in cluster.nodes:
        with urlopen(f"{cluster.envoy_url}/api/v1/health?node={node.url}") as answer:
            counted[node.name] = int(json.load(answer)["total_requests"])
    return counted


async def test_calls_go_to_all_nodes_though_one_address_was_given(cluster: RunningCluster) -> None:
    before = sessions(cluster)
    async with limedb.connect(cluster.nodes[0].address, follow_ring=True) as db:
        for _ in range(20):
            await db.get_many([new_key() for _ in range(60)])
    after = sessions(cluster)
    assert all(after[name] - before[name] >= 20 for name in before)


async def test_through_one_address_only_that_node_is_asked(cluster: RunningCluster) -> None:
    before = sessions(cluster)
    async with limedb.connect(cluster.nodes[0].address, follow_ring=False) as db:
        for _ in range(50):
            await db.get_many([new_key() for _ in range(60)])
    after = sessions(cluster)
    first, *others = cluster.nodes
    assert after[first.name] - before[first.name] >= 50
    assert all(after[node.name] - before[node.name] < 50 for node in others)


@pytest.mark.parametrize("follow", ["auto", False])
async def test_envoy_alone_is_enough(cluster: RunningCluster, follow: str) -> None:
    values = {new_key(): f"v{i}" for i in range(200)}
    async with limedb.connect(cluster.envoy_address, follow_ring=follow) as db:  # type: ignore[arg-type]
        await db.set_many(values)
        assert await db.get_many(values) == values


async def test_nodes_that_cannot_be_reached_are_asked_through_the_address(hidden: str) -> None:
    key = new_key()
    async with limedb.connect(hidden) as db:
        await db.set(key, "v")
        assert await db.get(key) == "v"
    with pytest.raises(UnavailableError, match="follow_ring"):
        await limedb.connect(hidden, follow_ring=True, timeout=3).open()


async def test_a_node_is_reached_at_the_address_that_it_advertises(advertised: Pair) -> None:
    async with limedb.connect(advertised.first, follow_ring=True) as db:
        for _ in range(20):
            await db.get_many([new_key() for _ in range(60)])
    told = command("health", "-o", "json", "--target", advertised.address)
    assert json.loads(told.stdout)["nodeUrl"] == advertised.url
    assert int(json.loads(told.stdout)["total_requests"]) >= 20
