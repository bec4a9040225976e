"""What is simulated: a cluster, what its clients do, what goes wrong meanwhile, what must hold afterwards.

It owns the scenarios, each run on many seeds by `test_cluster.py`.
"""

import asyncio
from functools import partial
from typing import Any

from limedb.core.quorum import Level
from tests.scenarios.history import History, Ledger
from tests.simulation.changes import Director
from tests.simulation.clusters import check_replicated, start_cluster, wait_formed
from tests.simulation.nemesis import Nemesis
from tests.simulation.program import EngineProgram
from tests.simulation.sim import Sim
from tests.simulation.workloads import (
    beside,
    check_kept,
    check_linearizable,
    now,
    use_registers,
    write_unique,
)

MILD = ("crash", "stop", "partition", "one_way", "isolate", "disk", "loss")
SETTLE_SECONDS = 30.0  # in which hints and some passes of repair bring all replicas level


async def registers(sim: Sim, *, level: Level = Level.LINEARIZABLE, **settings: Any) -> History:
    """Few keys that many clients use, while nodes, disks, clocks and the network fail one at a time."""
    await start_cluster(sim, **settings)
    history = History(now)
    await beside(Nemesis(sim), use_registers(sim, history, level=level))
    if level is Level.LINEARIZABLE:
        check_linearizable(history)
    return history


async def unique_keys(sim: Sim, **settings: Any) -> Ledger:
    """Keys of one writer each: what was acknowledged is there in the end, and what was deleted isn't."""
    await start_cluster(sim, **settings)
    ledger = Ledger()
    await beside(Nemesis(sim), write_unique(sim, ledger))
    await asyncio.sleep(SETTLE_SECONDS)
    await wait_formed(sim, sim.nodes)
    check_replicated(sim, ledger)
    await check_kept(sim, ledger)
    return ledger


async def changes(sim: Sim, *, count: int = 4, **settings: Any) -> Ledger:
    """Unique keys, while members come and go and lesser things fail: nothing is lost, all agree at last."""
    options = {"dead_node_timeout": 8.0, **settings}
    await start_cluster(sim, 4, **options)
    ledger = Ledger()
    director = Director(sim, partial(EngineProgram, **options))
    writers = asyncio.create_task(write_unique(sim, ledger, writers=4, seconds=1e6, pause=0.3))
    try:
        await beside(Nemesis(sim, MILD, pause=(1.0, 6.0), length=(0.1, 3.0)), director.run(count))
    finally:
        writers.cancel()
        await asyncio.wait([writers])
    await asyncio.sleep(SETTLE_SECONDS)
    await wait_formed(sim, director.members)
    check_replicated(sim, ledger)
    await check_kept(sim, ledger)
    return ledger
