"""Changes of several keys are one, and linearizable beside all others of their group, whatever fails."""

import asyncio
from functools import partial
from typing import Any

import pytest

from tests.scenarios.history import Outcome
from tests.simulation.changes import Director
from tests.simulation.clusters import form_of, start_cluster
from tests.simulation.faults import Fault
from tests.simulation.group_faults import (
    LEAVES_THE_LAST_CHANGE,
    LOOKS_ONCE,
    PASSES_THE_GROUP,
    STORES_ANEW,
    STORES_THE_UNDECIDED,
)
from tests.simulation.groups import GroupBook, check_book, use_groups
from tests.simulation.nemesis import USUAL, Nemesis
from tests.simulation.program import EngineProgram
from tests.simulation.scenarios import MILD
from tests.simulation.search import search
from tests.simulation.seeds import seeds_of
from tests.simulation.sim import Sim, run_sim
from tests.simulation.workloads import beside


async def groups(sim: Sim, *, kinds: tuple[str, ...] = USUAL, **settings: Any) -> GroupBook:
    """A group that many clients change and read, while nodes, disks, clocks and the network fail."""
    await start_cluster(sim, form_of(sim), **settings)
    book = GroupBook()
    await beside(Nemesis(sim, kinds), use_groups(sim, book))
    check_book(book)
    return book


async def moving_groups(sim: Sim, *, count: int = 3, **settings: Any) -> GroupBook:
    """The same, while members come and go, and lose their disks."""
    options, form = {"dead_node_timeout": 8.0, **settings}, form_of(sim, nodes=4)
    await start_cluster(sim, form, **options)
    book = GroupBook()
    director = Director(sim, partial(EngineProgram, replication_factor=form.factor, **options), form)
    clients = asyncio.create_task(use_groups(sim, book, seconds=1e6, pause=0.8))
    try:
        await beside(Nemesis(sim, MILD, pause=(1.0, 6.0), length=(0.1, 3.0)), director.run(count))
    finally:
        clients.cancel()
        await asyncio.wait([clients])
    check_book(book)
    return book


@pytest.mark.parametrize("seed", seeds_of("groups", share=2))
def test_groups_are_linearizable_whatever_fails(seed: int) -> None:
    book, _ = run_sim(seed, groups)
    assert book.outcomes[Outcome.DONE]


@pytest.mark.parametrize("seed", seeds_of("moving_groups", share=8))
def test_groups_are_linearizable_while_members_come_and_go(seed: int) -> None:
    run_sim(seed, moving_groups)


@pytest.mark.parametrize(
    "fault",
    [
        LEAVES_THE_LAST_CHANGE,
        LOOKS_ONCE,
        STORES_ANEW,
        PASSES_THE_GROUP,
        STORES_THE_UNDECIDED,
    ],
    ids=["leaves the last", "looks once", "stores anew", "passes", "undecided"],
)
def test_a_planted_fault_is_found(fault: Fault) -> None:
    search(partial(groups, **fault), shows="not linearizable")
