"""What a node says of its standing while it founds, joins, leaves and waits, in virtual time."""

import pytest

from limedb.cluster.topology.standing import Standing
from limedb.ports import Saved
from tests.cluster.network import url_of
from tests.cluster.nodes import Cluster, Disk, Node, formed
from tests.cluster.virtual import run_virtual, wait_until

pytestmark = pytest.mark.simulation
OTHER = "00000000000000ab"


def blocking(node: Node) -> str:
    """Why a node takes no requests."""
    standing = Standing(node.topology_store, node.topology_manager, node.verifier, node.view)
    return " ".join(problem.text for problem in standing.problems() if problem.stops_serving)


def test_a_node_says_that_it_belongs_to_no_cluster_until_it_does() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            node = cluster.start(1)
            assert blocking(node) == "the node belongs to no cluster yet"
            await wait_until(lambda: cluster.is_steady(url_of(1)), limit=5)
            assert blocking(node) == ""

    run_virtual(scenario())


def test_a_node_that_joins_says_so_until_it_has_its_keys() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            await formed(cluster, 3)
            fourth = cluster.start(4, seeds=[1])
            await wait_until(lambda: fourth.topology_store.is_member, limit=10, step=0.002)
            assert blocking(fourth) == "the node is joining: it fetches its share of the keys"
            await wait_until(lambda: cluster.is_steady(*map(url_of, range(1, 5))), limit=20)
            assert blocking(fourth) == ""

    run_virtual(scenario())


def test_a_decommissioned_node_says_that_it_was_and_what_lets_it_join_anew() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            nodes = await formed(cluster, 4)
            await nodes[0].topology_manager.decommission(url_of(4), dry_run=False)
            await wait_until(lambda: nodes[3].topology_manager.departed == "left", limit=20)
            assert blocking(nodes[3]).startswith("the node was decommissioned; to let it rejoin, stop it")
            assert blocking(nodes[0]) == ""

    run_virtual(scenario())


def test_a_node_that_waits_for_a_cluster_names_it() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            cluster.disks[url_of(1)] = Disk(cluster.rng, Saved("anew", rejoins=OTHER))
            assert OTHER in blocking(cluster.start(1))

    run_virtual(scenario())
