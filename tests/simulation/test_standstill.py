"""A node that stands still for a while and goes on, and those beside it."""

import asyncio
from functools import partial
from typing import Any

import pytest

from limedb.core.quorum import Level
from limedb.errors import LimeDBError
from tests.simulation.clusters import Form, start_cluster, topology_of
from tests.simulation.faults import TIME_OF_THE_MACHINE
from tests.simulation.network import Weather
from tests.simulation.node import SimNode
from tests.simulation.search import search
from tests.simulation.seeds import seeds_of
from tests.simulation.sim import Sim, run_sim
from tests.simulation.workloads import now, read

PAUSES = (0.3, 1.0, 3.0, 8.0, 17.0)
NOTICED = 1.0  # seconds in which the others find out
ROUNDS = 5


async def standstill(sim: Sim, **settings: Any) -> None:
    """One node after the other stands still. The others take all writes once they know, and one that goes
    on takes them at once, with those that wait for it: nobody is taken for dead by who has slept himself.
    """
    await start_cluster(sim, Form(3), dead_node_timeout=20.0, **settings)
    sim.network.weather = Weather()
    rng, acked = sim.rng("standstill"), dict[str, str]()
    epoch = _epochs(sim)
    for i in range(ROUNDS):
        victim, seconds = rng.choice(sim.up), rng.choice(PAUSES)
        over = now() + seconds
        victim.stop()
        waiting = asyncio.create_task(_write(victim, f"waiting {i}", acked, seconds + 2 * NOTICED + 2.0))
        await asyncio.sleep(rng.uniform(0, seconds))
        for node in sim.up:
            if node is not victim:
                await _until_taken(node, f"beside {i} {node.url}", acked)
        await asyncio.sleep(max(0.0, over - now()))
        victim.resume()
        await asyncio.gather(_write(victim, f"after {i}", acked), waiting)
        await asyncio.sleep(rng.uniform(0, 3.0))
    for node in sim.up:
        for key, value in acked.items():
            assert await read(node, key, Level.QUORUM) == value
    assert _epochs(sim) == epoch, "the topology has changed"


def _epochs(sim: Sim) -> set[object]:
    return {topology_of(node) for node in sim.up}


async def _write(node: SimNode, key: str, acked: dict[str, str], timeout: float = 2.0) -> None:
    deadline = node.clock.monotonic() + timeout
    await node.ask(lambda program: program.write(key, node.url, Level.QUORUM, deadline), timeout + 0.1)
    acked[key] = node.url


async def _until_taken(node: SimNode, key: str, acked: dict[str, str]) -> None:
    """Write, again for a while: at first nobody knows who stands still."""
    end = now() + NOTICED
    while True:
        try:
            return await _write(node, key, acked)
        except LimeDBError:
            if now() > end:
                raise
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("seed", seeds_of("standstill", share=7))
def test_a_node_that_stood_still_takes_nobody_for_dead(seed: int) -> None:
    run_sim(seed, standstill)


def test_a_node_that_counts_the_time_in_which_it_stood_still_is_found() -> None:
    search(partial(standstill, **TIME_OF_THE_MACHINE), shows="known to be down")
