"""Watches of a simulated cluster whose nodes fail, and come and go.

It owns these scenarios. A watch that fails for good must end the run, not only itself.
"""

import asyncio
from collections.abc import Awaitable
from functools import partial
from typing import Any

from tests.simulation.changes import Director
from tests.simulation.clusters import Form, form_of, serves, start_cluster, wait_formed
from tests.simulation.nemesis import Nemesis
from tests.simulation.program import EngineProgram
from tests.simulation.scenarios import MILD
from tests.simulation.sim import Sim
from tests.simulation.watchers import Watching, Writes, wait_all_told, write_some
from tests.simulation.workloads import beside, wait_until

WATCHERS = 3
NETWORK = ("stop", "partition", "one_way", "isolate", "disk", "loss", "clock")
SETTLE_SECONDS = 15.0


async def watches(sim: Sim, *, seconds: float = 60.0, **settings: Any) -> list[Watching]:
    """Clients follow a prefix while nodes crash and, at the same time, disks, clocks or the network fail."""
    await start_cluster(sim, form_of(sim), **settings)
    least = sim.rng("pace").choice([0.5, 2.0, 6.0])
    crashes = Nemesis(sim, ("crash",), pause=(least, 4 * least), length=(0.1, 2.0), name="crashes")
    network = Nemesis(sim, NETWORK, pause=(0.5, 2 * least), length=(0.5, 8.0))
    writes = Writes()
    work = beside(crashes, beside(network, write_some(sim, writes, seconds=seconds, pause=0.1)))
    return await _watch(sim, writes, work)


async def moving_watches(sim: Sim, *, count: int = 3, **settings: Any) -> list[Watching]:
    """The same, while members come and go and lesser things fail."""
    options, form = {"dead_node_timeout": 8.0, **settings}, form_of(sim, nodes=4)
    await start_cluster(sim, form, **options)
    director = Director(sim, partial(EngineProgram, replication_factor=form.factor, **options), form)
    nemesis = Nemesis(sim, MILD, pause=(2.0, 10.0), length=(0.1, 3.0))
    writes = Writes()

    async def change() -> None:
        writers = asyncio.create_task(write_some(sim, writes, seconds=1e6, pause=0.2))
        try:
            await director.run(count)
        finally:
            writers.cancel()
            await asyncio.wait([writers])

    return await _watch(sim, writes, beside(nemesis, change()))


async def rolling_watches(sim: Sim, *, rounds: int = 2, **settings: Any) -> list[Watching]:
    """Nodes are stopped and started in turn, each as soon as the one before takes requests."""
    await start_cluster(sim, form_of(sim), **settings)
    rng, writes = sim.rng("restarts"), Writes()

    async def restart() -> None:
        writers = asyncio.create_task(write_some(sim, writes, seconds=1e6, pause=0.1))
        try:
            for url in sorted(sim.nodes) * rounds:
                await sim.nodes[url].end()
                await asyncio.sleep(rng.uniform(0.05, 2.0))
                sim.nodes[url].start()
                await wait_until(f"{url} to serve", partial(serves, sim.nodes[url]), 60)
                await asyncio.sleep(rng.uniform(0.0, 2.0))
        finally:
            writers.cancel()
            await asyncio.wait([writers])

    return await _watch(sim, writes, restart())


async def crashing_watches(sim: Sim, *, rounds: int = 2, **settings: Any) -> list[Watching]:
    """Nodes crash or are stopped in turn, each as soon as the one before takes requests. What crashes does so
    only when all others count for watches; what is stopped waits for that itself. Clients that are behind may
    have a gap all the same, when they change to another node: these are not.
    """
    await start_cluster(sim, Form(3), **settings)
    rng, writes = sim.rng("restarts"), Writes()

    async def restart() -> None:
        writers = asyncio.create_task(write_some(sim, writes, seconds=1e6, pause=0.1))
        try:
            for url in sorted(sim.nodes) * rounds:
                node = sim.nodes[url]
                if rng.random() < 0.5:
                    await wait_until("all count", partial(_all_count, sim), 60)
                    await node.crash()
                    await asyncio.sleep(rng.uniform(0.05, 2.0))
                else:
                    await node.end()
                    await asyncio.sleep(rng.uniform(0.05, 8.0))
                node.start()
                await wait_until(f"{url} to serve", partial(serves, node), 60)
                await asyncio.sleep(rng.uniform(0.0, 2.0))
        finally:
            writers.cancel()
            await asyncio.wait([writers])

    return await _watch(sim, writes, restart(), are_prompt=True)


def _all_count(sim: Sim) -> bool:
    programs: list[Any] = [node.program for node in sim.nodes.values()]
    return all(program is not None and not program.engine.watch_wait_ms for program in programs)


async def forgetful_watches(sim: Sim, **settings: Any) -> list[Watching]:
    """As `watches`, where a feed remembers few of the keys that it reported."""
    return await watches(sim, seconds=30.0, max_reported=sim.rng("memory").choice([4, 8, 12]), **settings)


async def _watch(
    sim: Sim, writes: Writes, work: Awaitable[None], *, are_prompt: bool = False
) -> list[Watching]:
    """Watch while the work is done; then everything is told."""
    watchers = [Watching(sim, writes, str(i), is_prompt=are_prompt) for i in range(WATCHERS)]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(watcher.run()) for watcher in watchers]
            await work
            for node in sim.nodes.values():  # or those that are too far apart would take no writes
                node.clock.offset_ms = 0.0
            await asyncio.sleep(SETTLE_SECONDS)
            await wait_formed(sim, sim.nodes)
            await write_some(sim, writes, seconds=5.0, pause=0.2)
            await wait_all_told(watchers)
            for task in tasks:
                task.cancel()
    except ExceptionGroup as group:
        raise group.exceptions[0] from group
    return watchers
