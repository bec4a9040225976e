"""Scenarios in which each step is given: a state that a fault would get wrong, whatever the seed.

It owns them; a seed decides the weather, the clocks and the order of what happens at one time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from limedb.core.quorum import Level
from limedb.core.topology import Phase
from limedb.errors import LimeDBError
from limedb.ports import Saved
from limedb.storage import node_damage
from tests.scenarios.history import History, Ledger, Outcome
from tests.simulation.changes import CHANGE_SECONDS, Director
from tests.simulation.clusters import (
    FORMED_SECONDS,
    Form,
    check_replicated,
    form_of,
    is_owner,
    serves,
    start_cluster,
    topology_of,
    wait_formed,
)
from tests.simulation.liar import FalseFounder, Stranger
from tests.simulation.nemesis import NOTICED_SECONDS
from tests.simulation.network import Weather
from tests.simulation.node import SimNode
from tests.simulation.program import EngineProgram
from tests.simulation.scenarios import SETTLE_SECONDS
from tests.simulation.sim import Sim
from tests.simulation.workloads import check_linearizable, now, read, wait_until, write

T = TypeVar("T")
Successor = Callable[[Saved, str], Saved]


async def written_at_one_owner(sim: Sim, **settings: Any) -> History:
    """A value is at one of three owners only. A read that sees it makes it stay: the next one, which the
    other two answer, sees it as well.
    """
    await start_cluster(sim, Form(3), repair_interval=1e6, **settings)
    sim.network.weather = Weather()
    history = History(now)
    first, second, third = (sim.nodes[url] for url in sorted(sim.nodes))

    async def read_it(node: SimNode) -> None:
        await asyncio.sleep(NOTICED_SECONDS)
        await history.read("reader", "k", partial(read, node, "k", Level.LINEARIZABLE))

    await history.write("writer", "k", "old", partial(write, first, "k", "old", Level.ALL))
    await second.crash()
    await third.crash()
    await asyncio.sleep(NOTICED_SECONDS)
    await history.write("writer", "k", "new", partial(write, first, "k", "new", Level.ONE))
    await first.crash()
    first.disk.hints = None
    for node in first, second:
        node.start()
    await wait_until("both to serve", lambda: serves(first) and serves(second), FORMED_SECONDS)
    await read_it(second)
    await first.crash()
    third.start()
    await wait_until("the third to serve", lambda: serves(third), FORMED_SECONDS)
    await read_it(third)
    assert history.counts[Outcome.DONE] == 4, history.counts
    check_linearizable(history)
    return history


async def first_written_at_one_owner(sim: Sim, **settings: Any) -> History:
    """The only value of a key is at one of three owners, which is read; it makes the value stay, though the
    next read doesn't meet that owner.
    """
    await start_cluster(sim, Form(3), repair_interval=1e6, **settings)
    sim.network.weather = Weather()
    history = History(now)
    first, second, third = (sim.nodes[url] for url in sorted(sim.nodes))
    await second.crash()
    await third.crash()
    await asyncio.sleep(NOTICED_SECONDS)
    await history.write("writer", "k", "new", partial(write, first, "k", "new", Level.ONE))
    await first.crash()
    first.disk.hints = None
    for node in first, second:
        node.start()
    await wait_until("both to serve", lambda: serves(first) and serves(second), FORMED_SECONDS)
    await asyncio.sleep(NOTICED_SECONDS)
    await history.read("reader", "k", partial(read, first, "k", Level.LINEARIZABLE))
    await first.crash()
    third.start()
    await wait_until("the third to serve", lambda: serves(third), FORMED_SECONDS)
    await asyncio.sleep(NOTICED_SECONDS)
    await history.read("reader", "k", partial(read, third, "k", Level.LINEARIZABLE))
    assert history.counts[Outcome.DONE] == 3, history.counts
    check_linearizable(history)
    return history


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


async def rot_beside_a_gap(
    sim: Sim, *, is_whole: bool = False, successor: Successor = node_damage.successor, **settings: Any
) -> None:
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
        assert first.set_data_aside(successor)
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


async def newcomer_that_dies(sim: Sim, *, keys: int = 10, **settings: Any) -> Ledger:
    """Of three nodes one sets its data aside, rejoins, and dies as soon as it was let in. The two others
    take every write meanwhile, and it has them all once it is back.
    """
    await start_cluster(sim, Form(3), **settings)
    sim.network.weather = Weather()
    ledger, (first, second, third) = Ledger(), (sim.nodes[url] for url in sorted(sim.nodes))
    await third.crash()
    third.set_data_aside()
    third.start()

    def is_let_in() -> bool:
        known = [topology_of(node) for node in (first, second)]
        return all(topology is not None and topology.phase is Phase.STREAMING for topology in known)

    await wait_until("the newcomer to be let in", is_let_in, CHANGE_SECONDS)
    await third.crash()
    third.is_held_down = True
    for number in range(keys):
        for node in first, second:
            for level in Level.QUORUM, Level.LINEARIZABLE:
                key = f"{node.url} {number} {level.name}"
                await write(node, key, "x", level)
                ledger.note(key, "x", Outcome.DONE)
        await asyncio.sleep(1.0)
    assert is_let_in(), "the change ended without the newcomer"
    third.is_held_down = False
    third.start()
    await wait_formed(sim, sim.nodes)
    await asyncio.sleep(SETTLE_SECONDS)
    check_replicated(sim, ledger)
    return ledger


async def all_set_aside(sim: Sim, *, successor: Successor = node_damage.successor, **settings: Any) -> None:
    """Files of all nodes are damaged at once, and all set their data aside: nobody founds an empty cluster in
    the place of that one. Two get their data back, and all is there.
    """
    await start_cluster(sim, Form(3), **settings)
    nodes = [sim.nodes[url] for url in sorted(sim.nodes)]
    await patiently(lambda: write(nodes[0], "k", "kept", Level.ALL))
    for node in nodes:
        await node.crash()
    for node in nodes:
        assert node.set_data_aside(successor)
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


async def forming_beside_pledges(sim: Sim, **settings: Any) -> None:
    """Fresh nodes become a cluster while a stranger asks them to pledge themselves to whoever comes."""
    stranger = asyncio.create_task(Stranger(sim).run())
    try:
        await start_cluster(sim, form_of(sim), **settings)
    finally:
        stranger.cancel()
        await asyncio.wait([stranger])


async def joining_beside_a_false_founder(sim: Sim, **settings: Any) -> None:
    """A new node joins the cluster, and not the one that a single member of it makes up."""
    form = Form(4)
    await start_cluster(sim, form, **settings)
    liar = FalseFounder(sim.up[0])
    lies = asyncio.create_task(liar.run())
    try:
        director = Director(sim, partial(EngineProgram, **settings), form)
        await director.join()
        await wait_formed(sim, director.members)
    finally:
        lies.cancel()
        await asyncio.wait([lies])


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """What a call returns that the network may lose: it is made again a few times."""
    for _ in range(4):
        with suppress(LimeDBError):
            return await call()
        await asyncio.sleep(1.0)
    return await call()
