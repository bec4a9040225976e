"""What is simulated: a cluster, what its clients do, what goes wrong meanwhile, and what must hold afterwards.

It owns the scenarios, each run on many seeds by `test_cluster.py`.
"""

import asyncio
from typing import Any

from limedb.core.quorum import Level
from tests.scenarios.history import History, Ledger
from tests.simulation.clusters import check_replicated, start_cluster, wait_formed
from tests.simulation.nemesis import Nemesis
from tests.simulation.sim import Sim
from tests.simulation.workloads import (
    beside,
    check_kept,
    check_linearizable,
    now,
    use_registers,
    write_unique,
)

SETTLE_SECONDS = 20.0


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
    await check_kept(sim, ledger)
    check_replicated(sim, ledger)
    return ledger
