"""Scenarios in which a promise is all that keeps a late record from being taken, each step given.

It owns them. A seed decides the weather, the clocks and the order of what happens at one time.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from math import inf
from typing import Any

from limedb.core.condition import Condition
from limedb.core.layout import Layout
from limedb.core.quorum import Level
from limedb.core.ring import token_of
from limedb.core.topology import Phase
from limedb.errors import ConditionFailedError
from limedb.replication.requests import Write
from tests.scenarios.history import History, Outcome, outcome_of
from tests.simulation.changes import CHANGE_SECONDS
from tests.simulation.clusters import FORMED_SECONDS, Form, serves, start_cluster, topology_of
from tests.simulation.directed import patiently
from tests.simulation.nemesis import NOTICED_SECONDS
from tests.simulation.network import Weather
from tests.simulation.node import SimNode
from tests.simulation.program import stored
from tests.simulation.sim import Sim
from tests.simulation.workloads import check_linearizable, now, read, wait_until, write
from tests.support.linearizable import Kind, Op

KEY = "k"
LATE_SECONDS = 25.0
"""How long the late writer waits."""
LOOK_SECONDS = 0.0002
"""Less than a message takes: what is looked for is seen before its answer arrives."""


async def late_record(sim: Sim, **settings: Any) -> History:
    """A coordinator stands still between the promises to its write and the write itself. Another write is
    stored meanwhile, by a replica that has promised both and then restarts. It must refuse the late record:
    both were judged on the same value.
    """
    await start_cluster(sim, Form(3), repair_interval=1e6, **settings)
    sim.network.weather = Weather()
    history, (first, second, third) = History(now), [sim.nodes[url] for url in sorted(sim.nodes)]
    await _set(history, first, "old")
    sim.network.cut = {(first.url, third.url), (third.url, first.url)}
    late = asyncio.create_task(_cas(history, first, "late"))
    await _soon(lambda: _has_promised(second))
    first.stop()
    sim.network.cut.clear()
    await _cas(history, third, "quick")
    await second.crash()
    second.start()
    await wait_until("it to serve again", lambda: serves(second), FORMED_SECONDS)
    first.resume()
    await late
    check_linearizable(history)
    return history


async def moved_promise(sim: Sim, **settings: Any) -> History:
    """A conditional write is on one replica only; another that promised it leaves, and a new owner, which the
    first can't reach, takes its place. A third one has a write of before the promise that nobody
    acknowledged. Once that is read, the conditional write must not be, for it was judged without it.
    """
    options, form = {"repair_interval": 1e6, "dead_node_timeout": 1e6, **settings}, Form(4)
    await start_cluster(sim, form, **options)
    sim.network.weather = Weather()
    history, (holder, other, leaver) = History(now), _owners(sim)
    await _set(history, holder, "old")
    sim.network.cut = {pair for node in (holder, leaver) for pair in _both_ways(other.url, node.url)}
    await _set(history, other, "lost", Level.QUORUM, patience=1.0)
    writing = asyncio.create_task(_cas(history, holder, "half", patience=2.0))
    await _soon(lambda: _has_promised(leaver))
    sim.network.cut.add((holder.url, leaver.url))
    await _soon(lambda: stored(holder)[KEY].value == "half")
    await holder.crash()
    await asyncio.wait([writing])
    sim.network.cut.clear()
    (new,) = (node for node in sim.nodes.values() if node not in (holder, other, leaver))
    sim.network.cut = {*_both_ways(holder.url, new.url)}
    holder.start()
    await wait_until("it to serve again", lambda: serves(holder), FORMED_SECONDS)
    await asyncio.sleep(NOTICED_SECONDS)
    leaving = asyncio.create_task(_leave(other, leaver))
    await wait_until("the new owner to have it", lambda: KEY in stored(new), CHANGE_SECONDS)
    await asyncio.sleep(NOTICED_SECONDS)
    sim.network.cut.clear()
    await leaving
    sim.network.cut = {pair for node in (other, new) for pair in _both_ways(holder.url, node.url)}
    await asyncio.sleep(NOTICED_SECONDS)
    await history.read("reader", KEY, partial(read, new, KEY, Level.LINEARIZABLE))
    sim.network.cut.clear()
    await asyncio.sleep(NOTICED_SECONDS)
    for _ in range(3):
        await history.read("reader", KEY, partial(read, holder, KEY, Level.LINEARIZABLE))
    check_linearizable(history)
    return history


async def _leave(asked: SimNode, leaver: SimNode) -> None:
    """Have a node leave, though another one is down."""

    def is_out() -> bool:
        topology = topology_of(asked)
        return topology is not None and topology.phase is Phase.STEADY and topology.at(leaver.url) is None

    async def ask(program: Any) -> None:
        await program.engine.topology_manager.decommission(leaver.url, False)

    await patiently(lambda: asked.ask(ask, 10.0))
    await wait_until("it to be out", is_out, CHANGE_SECONDS)
    await leaver.crash()


def _owners(sim: Sim) -> list[SimNode]:
    topology = next(known for node in sim.up if (known := topology_of(node)) is not None)
    return [sim.nodes[url] for url in Layout(topology).of(token_of(KEY)).natural]


def _both_ways(one: str, other: str) -> list[tuple[str, str]]:
    return [(one, other), (other, one)]


def _has_promised(node: SimNode) -> bool:
    return node.operations.promises.top(KEY) > 0


async def _soon(condition: Callable[[], bool]) -> None:
    """Wait for something that happens between two messages."""
    end = now() + 5.0
    while not condition():
        assert now() < end, "what should happen soon doesn't"
        await asyncio.sleep(LOOK_SECONDS)


async def _set(
    history: History, node: SimNode, value: str, level: Level = Level.ALL, patience: float = 0.0
) -> None:
    async def ask() -> object:
        if not patience:
            return await patiently(partial(write, node, KEY, value, level))
        async with asyncio.timeout(patience):
            return await write(node, KEY, value, level)

    await history.write("blind", KEY, value, ask)


async def _cas(history: History, node: SimNode, new: str, patience: float = LATE_SECONDS) -> None:
    """Replace "old"."""
    start, wanted = now(), Write(KEY, new, condition=Condition(value="old"))
    deadline = node.clock.monotonic() + patience

    async def ask(program: Any) -> object:
        return await program.engine.coordinator.write(wanted, Level.QUORUM, deadline)

    try:
        await node.ask(ask, patience)
        history.ops.append(Op(KEY, Kind.CAS, new, start, now(), node.url, "old"))
    except ConditionFailedError as failed:
        found = None if failed.record is None else failed.record.value
        history.ops.append(Op(KEY, Kind.READ, found, start, now(), node.url))
    except Exception as error:
        if outcome_of(error) is not Outcome.FAILED:
            history.ops.append(Op(KEY, Kind.CAS, new, start, inf, node.url, "old"))
