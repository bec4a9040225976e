"""Read-modify-write is linearizable beside other writes, and each increment counts once, whatever fails."""

import asyncio
from functools import partial
from typing import Any

import pytest

from tests.scenarios.history import History, Outcome
from tests.simulation.changes import Director
from tests.simulation.clusters import form_of, start_cluster
from tests.simulation.edit_faults import FORGETS_THE_KEY
from tests.simulation.edits import Edits, check_sums, count_up, read_numbers, use_edits
from tests.simulation.nemesis import USUAL, Nemesis
from tests.simulation.program import EngineProgram
from tests.simulation.scenarios import MILD
from tests.simulation.search import search
from tests.simulation.seeds import seeds_of
from tests.simulation.sim import Sim, run_sim
from tests.simulation.workloads import beside, check_linearizable, now


async def edits(sim: Sim, *, kinds: tuple[str, ...] = USUAL, **settings: Any) -> Edits:
    """Few keys that many clients change and write, while nodes, disks, clocks and the network fail."""
    await start_cluster(sim, form_of(sim), **settings)
    book = Edits(History(now))
    await beside(Nemesis(sim, kinds), use_edits(sim, book))
    check_linearizable(book.history)
    return book


async def counters(sim: Sim, **settings: Any) -> Edits:
    """Few counters that many clients increase, each time until that is acknowledged, while the same fails."""
    await start_cluster(sim, form_of(sim), **settings)
    book = Edits(History(now))
    await beside(Nemesis(sim), count_up(sim, book))
    check_sums(book, await read_numbers(sim))
    check_linearizable(book.history)
    return book


async def moving_counters(sim: Sim, *, count: int = 3, **settings: Any) -> Edits:
    """The same, while members come and go, and lose their disks."""
    options, form = {"dead_node_timeout": 8.0, **settings}, form_of(sim, nodes=4)
    await start_cluster(sim, form, **options)
    book = Edits(History(now))
    director = Director(sim, partial(EngineProgram, replication_factor=form.factor, **options), form)
    clients = asyncio.create_task(count_up(sim, book, seconds=1e6, keys=3, pause=0.3))
    try:
        await beside(Nemesis(sim, MILD, pause=(1.0, 6.0), length=(0.1, 3.0)), director.run(count))
    finally:
        clients.cancel()
        await asyncio.wait([clients])
    check_linearizable(book.history)
    return book


@pytest.mark.parametrize("seed", seeds_of("edits", share=4))
def test_edits_are_linearizable_whatever_fails(seed: int) -> None:
    book, _ = run_sim(seed, edits)
    assert book.outcomes[Outcome.DONE]


@pytest.mark.parametrize("seed", seeds_of("counters", share=7))
def test_each_increment_with_an_idempotency_key_counts_once_whatever_fails(seed: int) -> None:
    book, _ = run_sim(seed, counters)
    assert book.outcomes[Outcome.DONE]


@pytest.mark.parametrize("seed", seeds_of("moving_counters", share=8))
def test_each_increment_counts_once_while_members_come_and_go(seed: int) -> None:
    run_sim(seed, moving_counters)


def test_an_increment_that_is_sent_again_without_a_look_at_its_key_is_found() -> None:
    search(partial(counters, **FORGETS_THE_KEY), shows="sum of n|not linearizable")
