"""Writes that are sent again take effect once, whatever fails."""

import asyncio
from functools import partial
from typing import Any

import pytest

from tests.scenarios.history import History, Outcome
from tests.simulation.changes import Director
from tests.simulation.clusters import Form, start_cluster
from tests.simulation.nemesis import Nemesis
from tests.simulation.program import EngineProgram
from tests.simulation.retries import use_registers_again
from tests.simulation.scenarios import MILD
from tests.simulation.search import search
from tests.simulation.seeds import seeds_of
from tests.simulation.sim import Sim, run_sim
from tests.simulation.workloads import beside, check_linearizable, now


async def retries(sim: Sim, *, anew: bool = False) -> History:
    """Few keys that impatient clients use, while nodes, disks, clocks and the network fail."""
    await start_cluster(sim)
    history = History(now)
    await beside(Nemesis(sim), use_registers_again(sim, history, anew=anew))
    check_linearizable(history)
    return history


async def retries_and_changes(sim: Sim) -> History:
    """The same, while members come and go."""
    options: dict[str, Any] = {"dead_node_timeout": 8.0}
    form = Form(nodes=4)
    await start_cluster(sim, form, **options)
    history = History(now)
    director = Director(sim, partial(EngineProgram, replication_factor=form.factor, **options), form)

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(use_registers_again(sim, history, seconds=20.0))
            group.create_task(director.run(2))

    await beside(Nemesis(sim, MILD, pause=(1.0, 6.0), length=(0.1, 3.0)), work())
    check_linearizable(history)
    return history


@pytest.mark.parametrize("seed", seeds_of("retries", share=2))
def test_a_write_that_is_sent_again_takes_effect_once_whatever_fails(seed: int) -> None:
    history, _ = run_sim(seed, retries)
    assert history.counts[Outcome.DONE]


@pytest.mark.parametrize("seed", seeds_of("retries", share=4))
def test_it_does_while_members_come_and_go(seed: int) -> None:
    run_sim(seed, retries_and_changes)


def test_writes_that_are_made_again_are_found() -> None:
    """The checker sees it when each attempt is another write."""
    search(partial(retries, anew=True), shows="not linearizable")
