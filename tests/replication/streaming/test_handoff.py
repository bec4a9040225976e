"""What a gaining node fetches, when, and what a restart leaves of it; the copying is in test_transfer.py."""

import asyncio

from tests.cluster.client import Client
from tests.cluster.network import url_of
from tests.cluster.nodes import Cluster, formed
from tests.cluster.virtual import run_virtual, wait_until


def test_a_range_is_not_fetched_before_enough_owners_know_the_epoch() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            nodes = await formed(cluster, 4)
            await Client(cluster).write_many(nodes[0], "k", 50)
            for node in nodes[:3]:
                node.in_flight.enter(1)  # a write that hangs
            fifth = cluster.start(5, seeds=[1])
            await wait_until(lambda: fifth.topology_store.is_member, limit=10)
            await asyncio.sleep(20)
            progress = fifth.handoff.progress()
            assert progress.keys == 0
            assert not progress.is_done
            assert "missing: http://node" in progress.waiting_for
            for node in nodes[:3]:
                node.in_flight.leave(1)
            await wait_until(lambda: cluster.is_steady(*map(url_of, range(1, 6))), limit=20)

    run_virtual(scenario())


def test_what_was_fetched_is_not_fetched_again_after_a_restart() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            nodes = await formed(cluster, 4)
            await Client(cluster).write_many(nodes[0], "k", 400)
            fifth = cluster.start(5, seeds=[1])
            disk = cluster.disks[fifth.url]
            await wait_until(lambda: disk.saved and disk.saved.fetched, limit=10, step=0.001)
            cluster.cut |= {frozenset((fifth.url, node.url)) for node in nodes}
            before = sum(span.size for span in fifth.topology_store.saved.fetched)
            again = await cluster.restart(fifth)
            done = again.handoff.progress().spans_done
            assert sum(span.size for span in again.topology_store.saved.fetched) <= before
            assert done > 0
            cluster.cut.clear()
            await wait_until(lambda: cluster.is_steady(*map(url_of, range(1, 6))), limit=30)

    run_virtual(scenario())
