"""What is simulated: a cluster, what its clients do, what goes wrong meanwhile, what must hold afterwards.

It owns the scenarios, each run on many seeds by `test_cluster.py`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from limedb.core.quorum import Level
from limedb.errors import LimeDBError
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
    is_owner,
    start_cluster,
    wait_formed,
)
from tests.simulation.liar import Stranger, lie_from_now_on
from tests.simulation.nemesis import NOTICED_SECONDS, USUAL, Nemesis
from tests.simulation.node import SimNode
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
    read,
    read_all,
    use_registers,
    wait_until,
    write,
    write_again,
    write_expired,
    write_expiring,
    write_unique,
)

T = TypeVar("T")

MILD = ("crash", "stop", "partition", "one_way", "isolate", "disk", "loss")
ASTRAY = (*["astray"] * 6, *MILD)
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
    **settings: Any,
) -> History:
    """Few keys that many clients use at LINEARIZABLE, while their owners change."""
    options, form = {"dead_node_timeout": 8.0, **settings}, form or form_of(sim, nodes=4)
    await start_cluster(sim, form, **options)
    history = History(now)
    director = Director(sim, partial(EngineProgram, replication_factor=form.factor, **options), form)
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


async def clocks_set_right(sim: Sim, **settings: Any) -> Ledger:
    """All clocks are ahead, by seconds or an hour, and are set right one after another while clients write;
    some nodes restart then. Writes continue, what had expired stays away, and what is new lives its time.
    """
    rng = sim.rng("set right")
    ahead_ms = rng.choice([3.0, 60.0, 3600.0]) * 1000
    await start_cluster(sim, form_of(sim), ahead_ms=ahead_ms, **settings)
    ledger = Ledger()
    writing = asyncio.create_task(write_again(sim, ledger, seconds=60.0))
    expired = await write_expired(sim)
    for node in sim.up:
        await asyncio.sleep(rng.uniform(0, 0.5))
        node.clock.offset_ms -= ahead_ms
        if rng.random() < 0.3:
            await node.crash()
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
        await beside(nemesis, director.run(count))
    await asyncio.sleep(3 * GRACE + SETTLE_SECONDS)
    await wait_formed(sim, director.members)
    check_purged(sim)
    check_replicated(sim, ledger)
    check_owned(sim)
    await check_kept(sim, ledger)
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


async def uneven_owners(sim: Sim, *, joins: bool, keys: int = 12, **settings: Any) -> Ledger:
    """Each of two owners was away when some keys were written, and the third, which has them all, leaves; or
    (joins) it is down, and a new node fetches from those two. Whoever fetches gets what either has, though it
    is too large together for one answer.
    """
    options, form = {"repair_interval": 1e6, "max_read_size": 100, **settings}, Form(3, smallest=2)
    await start_cluster(sim, form, **options)
    ledger = Ledger()
    *staying, third = (sim.nodes[url] for url in sorted(sim.nodes))

    async def store(name: str, numbers: Sequence[int], level: Level) -> None:
        for number in numbers:
            key, value = f"{name} {number}", f"{level.name} {'v' * 40}"
            await patiently(partial(write, third, key, value, level))
            ledger.note(key, value, Outcome.DONE)

    for node in staying:
        await store(f"without {node.url}", range(keys // 2), Level.ALL)  # which it has older then
    for node in staying:
        await node.crash()
        await store(f"without {node.url}", range(keys), Level.QUORUM)
        node.start()
        await wait_formed(sim, sim.nodes)
    director = Director(sim, partial(EngineProgram, **options), form)
    if not joins:
        await director.leave(third)
        check_replicated(sim, ledger)
        return ledger
    await third.crash()
    new = await director.join()
    await wait_until("a new owner", lambda: is_owner(new), CHANGE_SECONDS)
    check_replicated(sim, ledger, new.url)
    return ledger


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """What a call returns that the network may lose: it is made again a few times."""
    for _ in range(4):
        with suppress(LimeDBError):
            return await call()
        await asyncio.sleep(1.0)
    return await call()


async def rot_beside_a_gap(sim: Sim, *, is_whole: bool = False, **settings: Any) -> None:
    """Of three replicas one was away when a key was written, one has lost its record to rot, or (is_whole)
    has set its data aside, and the third is down: nobody who is left may take that for the key's older value,
    or for its absence.
    """
    form = Form(3)
    await start_cluster(sim, form, **settings)
    first, second, third = (sim.nodes[url] for url in sorted(sim.nodes))
    await patiently(lambda: write(first, "k", "old", Level.ALL))
    await third.crash()
    await patiently(lambda: write(second, "k", "new", Level.QUORUM))
    await second.crash()
    third.start()
    if is_whole:
        await first.crash()
        assert first.set_data_aside()
        first.start()
    else:
        first.disk.rot_record("k")
    await asyncio.sleep(10.0)
    for node in first, third:
        await _check_refused(node, Level.QUORUM)
    second.start()
    await wait_formed(sim, sim.nodes)
    await asyncio.sleep(SETTLE_SECONDS)
    for node in sim.up:
        assert await patiently(partial(read, node, "k", Level.ALL)) in ("new", "newer")


async def all_set_aside(sim: Sim, **settings: Any) -> None:
    """Files of all nodes are damaged at once, and all set their data aside: nobody founds an empty cluster in
    the place of that one. Two get their data back, and all is there.
    """
    await start_cluster(sim, Form(3), **settings)
    nodes = [sim.nodes[url] for url in sorted(sim.nodes)]
    await patiently(lambda: write(nodes[0], "k", "kept", Level.ALL))
    for node in nodes:
        await node.crash()
    for node in nodes:
        assert node.set_data_aside()
        node.start()
    await asyncio.sleep(60.0)
    for node in nodes:
        await _check_refused(node, Level.ONE)
    for node in nodes[:2]:
        await node.crash()
        node.put_data_back()
        node.start()
    await wait_formed(sim, sim.nodes)
    for node in nodes:
        assert await patiently(partial(read, node, "k", Level.ALL)) == "kept", "replicas lack keys"


async def _check_refused(node: SimNode, level: Level) -> None:
    """A node answers no read and takes no write of "k" at a level. AssertionError."""
    for ask in partial(read, node, "k"), partial(write, node, "k", "newer"):
        try:
            found = await ask(level)
        except (LimeDBError, TimeoutError):
            continue
        raise AssertionError(f"complaint: {node.url} can't know, and answers at {level}: {found}")


async def forming_beside_pledges(sim: Sim) -> None:
    """Fresh nodes become a cluster while a stranger asks them to pledge themselves to whoever comes."""
    stranger = asyncio.create_task(Stranger(sim).run())
    try:
        await start_cluster(sim, form_of(sim))
    finally:
        stranger.cancel()
        await asyncio.wait([stranger])


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
