"""A real node stands still for a while (SIGSTOP) and continues: it, its peers, and all clients."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

import limedb
from limedb.client import Change
from tests.scenarios.history import Outcome
from tests.scenarios.load import Load, Nodes, nodes, write_one, write_unique
from tests.support.clusters import RunningCluster, running_cluster

PAUSES = [3.0, *(pytest.param(seconds, marks=pytest.mark.torture) for seconds in (0.3, 1.0, 8.0, 17.0))]
PATIENT_SECONDS = 60.0
WATCHED_SECONDS = 15.0


@pytest.mark.parametrize("seconds", PAUSES)
async def test_a_node_that_stood_still_continues_at_once_and_nobody_else_waits(
    tmp_path: Path, seconds: float
) -> None:
    with running_cluster(tmp_path, nodes=3, envoy=False) as running:
        addresses = [node.address for node in running.nodes]
        async with nodes(addresses) as cluster, limedb.connect(addresses[1]) as db:
            found, stands = list[Change](), asyncio.Event()
            watch = asyncio.create_task(_gather(db, found, stands))
            async with asyncio.timeout(PATIENT_SECONDS):
                await stands.wait()  # what is written before need not be reported
            load, stop = Load(), asyncio.Event()
            beside = asyncio.create_task(
                write_unique(cluster.only(addresses[1:]), load, stop, writers=4, pause=0.02)
            )
            versions = await _stand_still(running, cluster, seconds)
            stop.set()
            await beside
            versions |= {d.version for d in load.operations if d.outcome is Outcome.DONE}
            await _wait_told(versions, found, watch)
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch


async def _stand_still(running: RunningCluster, cluster: Nodes, seconds: float) -> set[int]:
    """Let the first node stand still, until the others have taken a write and so many seconds are over. It
    answers the waiting requests as soon as it continues, and those that come just then; return the versions
    of their writes.
    """
    first, (address, *others) = running.pid(running.nodes[0].name), cluster.addresses
    await write_one(cluster, 0, address, "warm", "v", PATIENT_SECONDS)
    os.kill(first, signal.SIGSTOP)
    over = asyncio.create_task(asyncio.sleep(seconds))  # the pause itself
    waiting = asyncio.gather(
        *(write_one(cluster, i, address, f"waits {i}", "v", PATIENT_SECONDS) for i in range(3))
    )
    for other in others:
        await _until_taken(cluster, other)
    await over
    os.kill(first, signal.SIGCONT)
    late = [write_one(cluster, i, address, f"late {i}", "v", PATIENT_SECONDS) for i in range(3)]
    done = [*await asyncio.gather(*late), *await waiting]
    assert [d.error for d in done] == [""] * 6
    return {d.version for d in done}


async def _until_taken(cluster: Nodes, address: str) -> None:
    """Write until it is acknowledged, while one node of three stands still."""
    async with asyncio.timeout(PATIENT_SECONDS / 2):
        for count in range(1000):
            done = await write_one(cluster, 0, address, f"beside {address} {count}", "v", PATIENT_SECONDS)
            if done.outcome is Outcome.DONE:
                return


async def _gather(db: "limedb.Client", found: list[Change], stands: asyncio.Event) -> None:
    async for page in db.watch_pages(prefix=""):
        stands.set()
        found += page


async def _wait_told(versions: set[int], found: list[Change], watch: "asyncio.Task[None]") -> None:
    """Return when all versions were told; a watch that ends raises here."""
    end = asyncio.get_running_loop().time() + WATCHED_SECONDS
    while left := versions - {change.version for change in found}:
        if watch.done():
            watch.result()
        places = [sorted(versions).index(version) for version in sorted(left)[:5]]
        assert asyncio.get_running_loop().time() < end, (
            f"{len(left)} of {len(versions)} were not told; by age they are number {places}"
        )
        await asyncio.sleep(0.1)
    told = [(change.key, change.version) for change in found]
    assert len(told) == len(set(told))
