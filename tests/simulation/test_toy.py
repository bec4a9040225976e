"""The simulation itself: a sound register passes, each planted fault is found, and a seed is one history."""

import asyncio
import os
import subprocess
import sys
from functools import partial
from typing import Any

import pytest

from tests.scenarios.history import History, Ledger
from tests.simulation.nemesis import Nemesis
from tests.simulation.search import Scenario, search
from tests.simulation.sim import Sim, run_sim
from tests.simulation.toy import Toy
from tests.simulation.workloads import (
    beside,
    check_kept,
    check_linearizable,
    now,
    use_registers,
    write_unique,
)


async def registers(sim: Sim, **options: Any) -> History:
    start(sim, **options)
    history = History(now)
    await beside(Nemesis(sim), use_registers(sim, history))
    check_linearizable(history)
    return history


async def unique_keys(sim: Sim, **options: Any) -> Ledger:
    start(sim, **options)
    ledger = Ledger()
    await beside(Nemesis(sim), write_unique(sim, ledger))
    await asyncio.sleep(2.0)  # until every node knows that the others are reachable
    await check_kept(sim, ledger)
    return ledger


def start(sim: Sim, nodes: int = 3, **options: Any) -> None:
    for i in range(nodes):
        sim.add(i, partial(Toy, **options))
    for node in sim.nodes.values():
        node.start()


@pytest.mark.parametrize("seed", range(6))
def test_a_sound_register_is_linearizable_whatever_goes_wrong(seed: int) -> None:
    history, _ = run_sim(seed, registers)
    assert history.counts["done"] > 100


@pytest.mark.parametrize("seed", range(6))
def test_a_sound_register_keeps_what_it_acknowledged(seed: int) -> None:
    ledger, _ = run_sim(seed, unique_keys)
    assert ledger.counts["done"] > 100


PLANTED: dict[str, tuple[Scenario, str]] = {
    "reads that don't write back": (partial(registers, writes_back=False), "not linearizable"),
    "writes that don't ask first": (partial(registers, asks_first=False), "not linearizable"),
    "too few acknowledgements": (partial(unique_keys, acks=1), "should hold"),
}


@pytest.mark.parametrize(("scenario", "shows"), PLANTED.values(), ids=PLANTED)
def test_a_planted_fault_is_found(scenario: Scenario, shows: str) -> None:
    search(scenario, shows=shows)


def test_a_seed_is_one_history() -> None:
    traces = [run_sim(5, registers)[1].trace for _ in range(2)]
    assert traces[0].count > 1000
    assert traces[0].digest == traces[1].digest != run_sim(6, registers)[1].trace.digest


@pytest.mark.process
def test_a_seed_is_the_same_history_in_another_process_with_another_hash_of_text() -> None:
    code = "from tests.simulation.test_toy import *; print(run_sim(5, registers)[1].trace.digest)"
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(told) == 1
