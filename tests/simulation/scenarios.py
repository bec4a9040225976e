"""What is simulated: a cluster, what its clients do, what goes wrong meanwhile, what must hold afterwards.

It owns the scenarios, each run on many seeds by `test_cluster.py`.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from functools import partial
from typing import Any, TypeVar

from limedb.core.quorum import Level
from limedb.replication.repair.healing import LONGEST_PAUSE
from tests.scenarios.history import History, Ledger, Outcome
from tests.simulation.batches import PORTION_BYTES, Tally, use_batches
from tests.simulation.changes import CHANGE_SECONDS, Director
from tests.simulation.clusters import (
    Form,
    check_owned,
    check_purged,
    check_replicated,
    form_of,
    start_cluster,
    wait_formed,
)
from tests.simulation.liar import Stranger, lie_from_now_on
from tests.simulation.nemesis import NOTICED_SECONDS, USUAL, Nemesis
from tests.simulation.program import EngineProgram
from tests.simulation.sim import Sim
from tests.simulation.workloads import (
    beside,
    check_expired,
    check_kept,
    check_linearizable,
    check_lives,
    check_writable,
    now,
    read_all,
    use_registers,
    write_again,
    write_expired,
    write_expiring,
    write_passed,
    write_unique,
)

T = TypeVar("T")

MILD = ("crash", "stop", "partition", "one_way", "isolate", "disk", "loss")
ASTRAY = (*["astray"] * 6, *MILD)
DAY = 86_400.0
GRACE = 61.0  # seconds: beyond what a message may be on its way
SETTLE_SECONDS = 30.0  # in which hints and some passes of repair bring all replicas level


async def registers(
    sim: Sim, *, level: Level = Level.LINEARIZABLE, kinds: Sequence[str] = USUAL, **settings: Any
) -> History:
    """Few keys that many clients use, while nodes, disks, clocks and the network fail one at a time."""
    await start_cluster(sim, form_of(sim), **settings)
    history = History(now)
    await beside(Nemesis(sim, kinds), use_registers(sim, history, level=level))
    if level is Level.LINEARIZABLE:
        check_linearizable(history)
    return history


async def moving_registers(
    sim: Sim,
    *,
    count: int = 3,
    keys: int = 4,
    form: Form | None = None,
    kinds: Sequence[str] = MILD,
    pause: tuple[float, float] = (1.0, 6.0),
    patience: float = CHANGE_SECONDS,
    **settings: Any,
) -> History:
    """Few keys that many clients use at LINEARIZABLE, while their owners change."""
    options, form = {"dead_node_timeout": 8.0, **settings}, form or form_of(sim, nodes=4)
    await start_cluster(sim, form, **options)
    history = History(now)
    build = partial(EngineProgram, replication_factor=form.factor, **options)
    director = Director(sim, build, form, patience)
    clients = asyncio.create_task(use_registers(sim, history, seconds=1e6, keys=keys, pause=0.3))
    try:
        await beside(Nemesis(sim, kinds, pause=pause, length=(0.1, 3.0)), director.run(count))
    finally:
        clients.cancel()
        await asyncio.wait([clients])
    check_linearizable(history)
    return history


async def unique_keys(sim: Sim, **settings: Any) -> Ledger:
    """Keys of one writer each: what was acknowledged is there in the end, and what was deleted isn't."""
    await start_cluster(sim, form_of(sim), **settings)
    ledger = Ledger()
    await beside(Nemesis(sim), write_unique(sim, ledger))
    await asyncio.sleep(SETTLE_SECONDS)
    await wait_formed(sim, sim.nodes)
    check_replicated(sim, ledger)
    check_owned(sim)
    await check_kept(sim, ledger)
    return ledger


async def batches(sim: Sim, **settings: Any) -> Tally:
    """Batches that are written in portions and read where memory is short: each item keeps what it was told,
    and what was acknowledged stays.
    """
    await start_cluster(sim, form_of(sim), portion_bytes=PORTION_BYTES, **settings)
    ledger, tally = Ledger(), Tally()
    await beside(Nemesis(sim), use_batches(sim, ledger, tally))
    await asyncio.sleep(SETTLE_SECONDS)
    await wait_formed(sim, sim.nodes)
    check_replicated(sim, ledger)
    check_owned(sim)
    await check_kept(sim, ledger)
    return tally


async def rot(sim: Sim, *, moves: int = 0, **settings: Any) -> Ledger:
    """Records rot on one disk after the other, while nodes and the network fail and (moves) members come and
    go, or set their data aside: no read tells what nobody wrote, nothing acknowledged is lost, and in the end
    nothing is rotten.
    """
    options = {"scrub_interval": 15.0, "dead_node_timeout": 1e6, **settings}
    form = Form(4 if moves else 5)
    await start_cluster(sim, form, **options)
    ledger = Ledger()
    nemesis = Nemesis(sim, (*["rot"] * 6, *MILD), pause=(0.2, 2.0), length=(0.1, 4.0))
    director = Director(sim, partial(EngineProgram, replication_factor=form.factor, **options), form)
    director.kinds = [director.join, director.leave, director.set_aside, director.set_aside]
    async with asyncio.TaskGroup() as clients:
        clients.create_task(write_unique(sim, ledger, writers=4, seconds=40.0, pause=0.3))
        clients.create_task(write_again(sim, ledger, seconds=40.0, pause=0.3))
        clients.create_task(read_all(sim, ledger, seconds=40.0))
        await beside(nemesis, _both(director.run(moves), asyncio.sleep(40.0)))
    await asyncio.sleep(SETTLE_SECONDS + LONGEST_PAUSE)  # those that were away are asked again by then
    await wait_formed(sim, director.members if moves else sim.nodes)
    left = [f"{node.url}: {sorted(node.disk.rot)}" for node in sim.up if node.disk.rot]
    assert not left, f"rotten still: {left}"
    assert nemesis.rotted, "nothing has rotted"
    check_replicated(sim, ledger)
    await check_kept(sim, ledger)
    return ledger


async def _both(*work: Awaitable[None]) -> None:
    await asyncio.gather(*work)


async def clock_jumps(sim: Sim, **settings: Any) -> Ledger:
    """Keys written again and again through any node, one of whose clocks is off by ten minutes: nothing
    acknowledged is lost, and all is well when the clock is right again.
    """
    await start_cluster(sim, form_of(sim), **settings)
    ledger = Ledger()
    await beside(Nemesis(sim, ("jump", "jump", "crash", "partition", "stop")), write_again(sim, ledger))
    await asyncio.sleep(SETTLE_SECONDS)
    await wait_formed(sim, sim.nodes)
    await check_kept(sim, ledger)
    await check_writable(sim)
    return ledger


async def clocks_set_right(
    sim: Sim, *, ahead_seconds: float | None = None, are_down: bool | None = None, **settings: Any
) -> Ledger:
    """All clocks are ahead, by seconds, an hour, days or many years, and are set right one after another
    while clients write; some nodes restart then, or all of them are down meanwhile. Writes continue, what had
    expired stays away, and what is new lives its time.
    """
    rng = sim.rng("set right")
    drawn, down = rng.choice([3.0, 60.0, 3600.0, 10 * DAY, 30_000 * DAY]), rng.random() < 0.4
    ahead_ms = 1000 * (drawn if ahead_seconds is None else ahead_seconds)
    are_down = down if are_down is None else are_down
    await start_cluster(sim, form_of(sim), ahead_ms=ahead_ms, **settings)
    ledger = Ledger()
    writing = asyncio.create_task(write_again(sim, ledger, seconds=60.0))
    expired = await write_expired(sim)
    nodes = sim.up
    for node in nodes if are_down else ():
        await node.crash()
    for node in nodes:
        await asyncio.sleep(rng.uniform(0, 0.5))
        node.clock.offset_ms -= ahead_ms
        if node.is_up and rng.random() < 0.3:
            await node.crash()
        if not node.is_up:
            node.start()
    await asyncio.sleep(NOTICED_SECONDS)
    await check_expired(sim, expired)
    await check_writable(sim)
    await check_lives(sim, "new", 6.0)
    await writing
    await check_expired(sim, expired)
    await wait_formed(sim, sim.nodes)
    await check_kept(sim, ledger)
    return ledger


async def purges(sim: Sim, *, count: int = 3, **settings: Any) -> Ledger:
    """Deleted and expired keys are purged while nodes are away for longer than the grace and members come
    and go: they don't come back, all of them go at last, and nobody keeps what is not its own.
    """
    options, form = {"tombstone_grace": GRACE, "repair_interval": 4.0, **settings}, form_of(sim, nodes=4)
    await start_cluster(sim, form, **options)
    ledger = Ledger()
    director = Director(sim, partial(EngineProgram, replication_factor=form.factor, **options), form)
    director.kinds = [kind for kind in director.kinds if kind not in (director.die, director.join_and_cancel)]
    nemesis = Nemesis(sim, ("crash", "isolate", "stop"), pause=(1.0, 20.0), length=(1.0, 1.5 * GRACE))
    async with asyncio.TaskGroup() as clients:
        clients.create_task(write_unique(sim, ledger, writers=3, seconds=150.0, pause=1.5))
        clients.create_task(write_expiring(sim, seconds=150.0))
        passed = clients.create_task(write_passed(sim, seconds=150.0))
        await beside(nemesis, director.run(count))
    await asyncio.sleep(3 * GRACE + SETTLE_SECONDS)
    await wait_formed(sim, director.members)
    check_purged(sim)
    check_replicated(sim, ledger)
    check_owned(sim)
    await check_kept(sim, ledger)
    await check_expired(sim, passed.result())
    return ledger


async def changes(sim: Sim, *, count: int = 4, **settings: Any) -> Ledger:
    """Unique keys, while members come and go and lesser things fail: nothing is lost, all agree at last."""
    options, form = {"dead_node_timeout": 8.0, **settings}, form_of(sim, nodes=4)
    await start_cluster(sim, form, **options)
    ledger = Ledger()
    director = Director(sim, partial(EngineProgram, replication_factor=form.factor, **options), form)
    writers = asyncio.create_task(write_unique(sim, ledger, writers=4, seconds=1e6, pause=0.3))
    try:
        await beside(Nemesis(sim, MILD, pause=(1.0, 6.0), length=(0.1, 3.0)), director.run(count))
    finally:
        writers.cancel()
        await asyncio.wait([writers])
    await asyncio.sleep(SETTLE_SECONDS)
    await wait_formed(sim, director.members)
    check_replicated(sim, ledger)
    check_owned(sim)
    await check_kept(sim, ledger)
    return ledger


async def lies(sim: Sim, *, count: int = 1, **settings: Any) -> Ledger:
    """Unique keys, while a stranger sends forged messages to all nodes, one member lies whenever it is asked,
    and members come and go: nothing that was acknowledged is lost, and all goes on.
    """
    options, form = {"dead_node_timeout": 8.0, **settings}, Form(4)
    await start_cluster(sim, form, **options)
    ledger = Ledger()
    lie_from_now_on(sim.up[0])
    director = Director(sim, partial(EngineProgram, replication_factor=form.factor, **options), form)
    director.kinds = [director.join, director.leave]
    stranger = asyncio.create_task(Stranger(sim).run())
    writers = asyncio.create_task(write_unique(sim, ledger, writers=4, seconds=1e6, pause=0.3))
    try:
        await asyncio.sleep(5.0)
        await director.run(count)
    finally:
        for task in (stranger, writers):
            task.cancel()
        await asyncio.wait([stranger, writers])
    await asyncio.sleep(SETTLE_SECONDS)
    await wait_formed(sim, director.members)
    await check_kept(sim, ledger)
    await check_writable(sim)
    done = ledger.counts[Outcome.DONE]
    assert done >= 0.8 * sum(ledger.counts.values()), f"{ledger.counts}: the others were stopped"
    return ledger
