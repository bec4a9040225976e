"""Three replicas of each key on real processes: what is acknowledged stays, whatever one node does."""

import asyncio
from pathlib import Path
from random import Random

import pytest

from tests.scenarios.history import Outcome
from tests.scenarios.load import Load, complaints, nodes, write_unique
from tests.support.clusters import USUAL, RunningCluster, running_cluster

SEED = 20260
LASTS = [25.0, pytest.param(120.0, marks=pytest.mark.torture)]
LEAST = 5


@pytest.mark.long
@pytest.mark.parametrize("seconds", LASTS)
async def test_no_acknowledged_write_is_lost_while_nodes_are_killed_and_paused(
    tmp_path: Path, seconds: float
) -> None:
    rng, load, stop = Random(SEED), Load(), asyncio.Event()
    with running_cluster(tmp_path, nodes=5, env=USUAL, envoy=False) as running:
        async with nodes([node.address for node in running.nodes]) as cluster:
            async with asyncio.TaskGroup() as group:
                group.create_task(write_unique(cluster, load, stop))
                broken = await break_for(seconds, running, rng)
                stop.set()
            print(f"seed {SEED}, {broken} failures; {load.report()}")  # noqa: T201 (shown by pytest -s)
            assert load.ledger.counts[Outcome.DONE] > 15 * seconds
            assert await complaints(cluster, load.ledger) == []


async def break_for(seconds: float, running: RunningCluster, rng: Random) -> int:
    """Kill or pause one node after another, each for some seconds; how many: LEAST at least."""
    loop, broken = asyncio.get_running_loop(), 0
    end = loop.time() + seconds
    while loop.time() < end or broken < LEAST:
        await break_one(running, rng)
        broken += 1
    return broken


async def break_one(running: RunningCluster, rng: Random) -> None:
    """Kill, or pause, one node for some seconds; return when it serves again."""
    name, kills = rng.choice(running.nodes).name, rng.random() < 0.5
    await asyncio.to_thread(running.kill if kills else running.pause, name)
    await asyncio.sleep(rng.uniform(1, 4))  # as long as the failure lasts
    await asyncio.to_thread(running.restart if kills else running.resume, name)
    await asyncio.sleep(rng.uniform(0, 1))
