"""Scans through the client.

Tests limedb/client/feed_calls.py.
"""

import asyncio

import pytest

import limedb
from limedb.client import Entry
from limedb.errors import InvalidRequestError, RangeUnreachableError, UnsupportedError
from limedb.rpc.server.checks import Checks
from limedb.rpc.server.cluster import ClusterServicer
from limedb.rpc.server.deadlines import Deadlines
from tests.rpc.cluster_sources import FakeCluster
from tests.rpc.peers import serving
from tests.support.clusters import RunningCluster
from tests.support.keys import new_key
from tests.support.ports import free_port


async def test_a_scan_reports_what_is_in_its_range_in_order(cluster: RunningCluster) -> None:
    prefix = new_key()
    keys = [f"{prefix}/{name}" for name in ("a", "b", "é", "🍋")]
    async with limedb.connect(cluster.nodes[0].address) as db:
        receipts = await db.set_many(dict(zip(keys, ("1", b"\xff", "", "€"), strict=True)))
        await db.set(f"{prefix}/deleted", "x")
        await db.delete(f"{prefix}/deleted")
        entries = [entry async for entry in db.scan(prefix)]
        assert entries == [
            Entry(key, value, size, receipts[key].version, 0)
            for key, value, size in zip(keys, ("1", b"\xff", "", "€"), (1, 1, 0, 3), strict=True)
        ]
        part = [e.key async for e in db.scan(prefix, start=keys[1], end=keys[3], limit=1, keys_only=True)]
        assert part == [keys[1]]


@pytest.mark.parametrize("through", ["node", "envoy"])
async def test_a_long_scan_reports_each_key_once(cluster: RunningCluster, through: str) -> None:
    prefix = new_key()
    address = cluster.nodes[0].address if through == "node" else cluster.envoy_address
    async with limedb.connect(address, follow_ring=through == "node") as db:
        keys = [f"{prefix}/{n:05}" for n in range(3000)]
        await db.set_many({key: key[-9:] * 10 for key in keys})
        assert [entry.key async for entry in db.scan(prefix)] == keys


async def test_what_makes_no_sense_is_refused(cluster: RunningCluster) -> None:
    async with limedb.connect(cluster.nodes[0].address, consistency="linearizable") as db:
        with pytest.raises(InvalidRequestError, match="linearizable"):
            await anext(db.scan(consistency="linearizable"))
        with pytest.raises(InvalidRequestError, match="limit"):
            await anext(db.scan(limit=0))
        assert [entry async for entry in db.scan("no such prefix")] == []


async def test_a_node_of_a_version_without_scans_says_so() -> None:
    cluster = FakeCluster()
    service = ClusterServicer(cluster.sources(), Checks(10), Deadlines(cluster.clock, 10.0))
    with free_port() as port:
        async with serving(f"127.0.0.1:{port}", service), limedb.connect(f"127.0.0.1:{port}") as db:
            with pytest.raises(UnsupportedError):
                await anext(db.scan())


async def test_a_scan_outlives_the_nodes_that_serve_it(broken: RunningCluster) -> None:
    """Through the nodes one by one: what it told before is not told again."""
    keys = [f"k{n:04}" for n in range(1000)]
    addresses = ",".join(node.address for node in broken.nodes)
    async with limedb.connect(addresses, timeout=20) as db:
        await db.set_many(dict.fromkeys(keys, "v" * 100), consistency="all")
        scan = db.scan()
        found = [(await anext(scan)).key for _ in range(150)]
        for node in broken.nodes:
            await asyncio.to_thread(broken.kill, node.name)
            found += [(await anext(scan)).key for _ in range(150)]
            await asyncio.to_thread(broken.restart, node.name)
        found += [entry.key async for entry in scan]
        assert found == keys
        for node in broken.nodes[1:]:
            await asyncio.to_thread(broken.kill, node.name)
        with pytest.raises(RangeUnreachableError):
            [entry async for entry in db.scan(timeout=2)]
