"""Conditional writes are linearizable beside all others, whatever fails."""

import asyncio
from functools import partial
from typing import Any

import pytest

from tests.scenarios.history import History
from tests.simulation.changes import Director
from tests.simulation.clusters import form_of, start_cluster
from tests.simulation.conditional import Conditional, use_conditionally
from tests.simulation.conditional_faults import (
    ACCEPTS_ANY_BALLOT,
    BLIND_WRITES_PASS,
    GUESSES,
    THE_NATURAL_OWNERS_ARE_ENOUGH,
)
from tests.simulation.faults import Fault
from tests.simulation.nemesis import USUAL, Nemesis
from tests.simulation.program import EngineProgram
from tests.simulation.scenarios import MILD
from tests.simulation.search import search
from tests.simulation.seeds import seeds_of
from tests.simulation.sim import Sim, run_sim
from tests.simulation.workloads import beside, check_linearizable, now


async def conditional(
    sim: Sim,
    *,
    kinds: tuple[str, ...] = USUAL,
    pause: tuple[float, float] = (0.2, 3.0),
    length: tuple[float, float] = (0.1, 6.0),
    **settings: Any,
) -> Conditional:
    """Few keys that many clients write conditionally and otherwise, while nodes, disks, clocks and the
    network fail.
    """
    await start_cluster(sim, form_of(sim), **settings)
    book = Conditional(History(now))
    nemesis = Nemesis(sim, kinds, pause=pause, length=length)
    await beside(nemesis, use_conditionally(sim, book))
    check_linearizable(book.history)
    return book


async def moving_conditional(sim: Sim, *, count: int = 3, **settings: Any) -> Conditional:
    """The same, while members come and go, and lose their disks."""
    options, form = {"dead_node_timeout": 8.0, **settings}, form_of(sim, nodes=4)
    await start_cluster(sim, form, **options)
    book = Conditional(History(now))
    director = Director(sim, partial(EngineProgram, replication_factor=form.factor, **options), form)
    clients = asyncio.create_task(use_conditionally(sim, book, seconds=1e6, keys=4, pause=0.3))
    try:
        await beside(Nemesis(sim, MILD, pause=(1.0, 6.0), length=(0.1, 3.0)), director.run(count))
    finally:
        clients.cancel()
        await asyncio.wait([clients])
    check_linearizable(book.history)
    return book


@pytest.mark.parametrize("seed", seeds_of("conditional", share=2))
def test_conditional_writes_are_linearizable_whatever_fails(seed: int) -> None:
    book, _ = run_sim(seed, conditional)
    assert book.done
    assert book.failed


@pytest.mark.parametrize("seed", seeds_of("moving_conditional", share=8))
def test_conditional_writes_are_linearizable_while_members_come_and_go(seed: int) -> None:
    run_sim(seed, moving_conditional)


@pytest.mark.parametrize(
    "fault",
    [ACCEPTS_ANY_BALLOT, BLIND_WRITES_PASS, GUESSES],
    ids=["accepts any", "blind writes pass", "guesses"],
)
def test_a_planted_fault_is_found(fault: Fault) -> None:
    search(partial(conditional, **fault), shows="not linearizable")


@pytest.mark.torture
def test_rounds_that_ask_the_natural_owners_only_are_found_while_owners_change() -> None:
    search(partial(moving_conditional, **THE_NATURAL_OWNERS_ARE_ENOUGH), shows="not linearizable")
