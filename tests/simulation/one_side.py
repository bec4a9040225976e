"""A write that only one side of a change has: it must not be acknowledged, for the other side is read alone.

It owns this scenario, in which the moment is given at which owners change; a seed decides the rest.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from limedb.core.layout import Layout
from limedb.core.quorum import Level
from limedb.core.report import Progress
from limedb.core.topology import Phase
from limedb.engine import Engine
from limedb.errors import LimeDBError
from tests.simulation.changes import CHANGE_SECONDS, Director
from tests.simulation.clusters import Form, is_owner, start_cluster, topology_of
from tests.simulation.nemesis import NOTICED_SECONDS
from tests.simulation.network import Weather
from tests.simulation.node import SimNode
from tests.simulation.program import EngineProgram
from tests.simulation.sim import Sim
from tests.simulation.workloads import read, wait_until, write


class _Gate:
    """Keeps a change from its handover. is_passed: some node would be ready for it."""

    is_open, is_passed = True, False

    def engine(self, base: type[Engine]) -> type[Engine]:
        gate = self

        class Held(base.handoff_class):  # type: ignore[name-defined, misc]
            def progress(self) -> Progress:
                own: Progress = super().progress()
                gate.is_passed = gate.is_passed or (own.is_done and not gate.is_open and own.spans > 0)
                return own if gate.is_open else replace(own, is_done=False)

        return type("HeldEngine", (base,), {"handoff_class": Held})


async def written_on_one_side(
    sim: Sim, *, of_the_read: bool, engine: type[Engine] = Engine, **settings: Any
) -> None:
    """Of three nodes, a fourth joins and has fetched all; of a key the second is to give way to it. A write
    reaches two old owners, and of the new ones one; then reads move (of_the_read). Or it reaches two new
    owners, and one of the old ones, which reads still ask.
    """
    gate = _Gate()
    options, form = {"repair_interval": 1e6, "engine": gate.engine(engine), **settings}, Form(3)
    await start_cluster(sim, form, **options)
    sim.network.weather = Weather(late=0.0)  # what is cut off must not arrive when the cut has ended
    first, second, third = old = [sim.nodes[url] for url in sorted(sim.nodes)]
    gate.is_open = False
    new = await Director(sim, partial(EngineProgram, **options), form).join()
    await wait_until("the newcomer to have fetched", lambda: gate.is_passed, CHANGE_SECONDS)
    await wait_until("all to know of it", lambda: all(map(_streams, (*old, new))), CHANGE_SECONDS)
    key = _key(first, {first.url, third.url, new.url})
    writer, unreached = (second, (first, new)) if of_the_read else (third, (first, second))
    cut = _pairs(writer, unreached)
    sim.network.cut |= cut
    is_acknowledged = False
    with suppress(LimeDBError, TimeoutError):
        await write(writer, key, "x", Level.QUORUM)
        is_acknowledged = True
    if of_the_read:
        gate.is_open = True
        await wait_until("reads to move", lambda: is_owner(new) and is_owner(first), CHANGE_SECONDS)
        await second.crash()
    await third.crash()
    sim.network.cut -= cut
    await asyncio.sleep(NOTICED_SECONDS)
    found = await read(first, key, Level.QUORUM)
    assert found is None, "no majority of those that are asked has it"
    assert not is_acknowledged, f"replicas lack {key}, which was acknowledged"


def _streams(node: SimNode) -> bool:
    topology = topology_of(node)
    return topology is not None and topology.phase is Phase.STREAMING


def _key(node: SimNode, new_owners: set[str]) -> str:
    topology = topology_of(node)
    assert topology is not None
    layout = Layout(topology)
    return next(key for key in (f"k{i}" for i in range(9999)) if {*layout.of_key(key).others} == new_owners)


def _pairs(one: SimNode, others: Iterable[SimNode]) -> set[tuple[str, str]]:
    pairs = {(one.url, other.url) for other in others}
    return pairs | {(b, a) for a, b in pairs}
