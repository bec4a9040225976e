"""A real node that stands still for a while (SIGSTOP) and goes on: it, its peers, and the clients of all."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

import limedb
from limedb.client import Change
from tests.scenarios.history import Outcome
from tests.scenarios.load import Load, Nodes, nodes, write_one, write_unique
from tests.support.clusters import RunningCluster, running_cluster

PAUSES = [3.0, *(pytest.param(seconds, marks=pytest.mark.torture) for seconds in (0.3, 1.0, 8.0, 17.0))]
NOTICED_SECONDS = 1.5
"""In which all know of a node that stands still; writes that were on their way to it are unknown."""
WATCHED_SECONDS = 15.0


@pytest.mark.parametrize("seconds", PAUSES)
async def test_a_node_that_stood_still_goes_on_at_once_and_nobody_else_waits(
    tmp_path: Path, seconds: float
) -> None:
    with running_cluster(tmp_path, nodes=3, envoy=False) as running:
        addresses = [node.address for node in running.nodes]
        async with nodes(addresses) as cluster, limedb.connect(addresses[1]) as db:
            found: list[Change] = []
            watch = asyncio.create_task(_gather(db, found))
            load, stop = Load(), asyncio.Event()
            beside = asyncio.create_task(_load_beside(cluster, addresses[1:], load, stop))
            await asyncio.sleep(0.5)  # it runs
            versions = await _stand_still(running, cluster, seconds)
            stop.set()
            await beside
            assert load.longest_outage() < NOTICED_SECONDS, load.report()
            versions |= {d.version for d in load.operations if d.outcome is Outcome.DONE}
            await _wait_told(versions, found, watch)
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch


async def _stand_still(running: RunningCluster, cluster: Nodes, seconds: float) -> set[int]:
    """Let the first node stand still. Who waited for it is answered as soon as it goes on, and who comes just
    then; the versions of their writes.
    """
    first, timeout = running.nodes[0], seconds + 10.0
    await write_one(cluster, 0, first.address, "warm", "v", timeout)
    running.pause(first.name)
    waiting = [
        asyncio.create_task(write_one(cluster, i, first.address, f"waits {i}", "v", timeout))
        for i in range(3)
    ]
    await asyncio.sleep(seconds)
    running.resume(first.name)
    late = [write_one(cluster, i, first.address, f"late {i}", "v", timeout) for i in range(3)]
    done = await asyncio.gather(*late, *waiting)
    assert [d.error for d in done] == [""] * 6
    return {d.version for d in done}


async def _load_beside(cluster: Nodes, addresses: list[str], load: Load, stop: asyncio.Event) -> None:
    await write_unique(cluster.only(addresses), load, stop, writers=4, pause=0.02)


async def _gather(db: "limedb.Client", found: list[Change]) -> None:
    async for page in db.watch_pages(prefix=""):
        found += page


async def _wait_told(versions: set[int], found: list[Change], watch: "asyncio.Task[None]") -> None:
    """Return when all versions were told; a watch that ends raises here."""
    end = asyncio.get_running_loop().time() + WATCHED_SECONDS
    while left := versions - {change.version for change in found}:
        if watch.done():
            watch.result()
        assert asyncio.get_running_loop().time() < end, f"{len(left)} of {len(versions)} were not told"
        await asyncio.sleep(0.1)
    told = [(change.key, change.version) for change in found]
    assert len(told) == len(set(told))
