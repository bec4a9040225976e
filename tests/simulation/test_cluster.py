"""The real node, simulated: what is acknowledged stays, whatever fails."""

import os
from functools import partial

import pytest

from limedb.core.quorum import Level
from tests.simulation.scenarios import changes, registers, unique_keys
from tests.simulation.seeds import seeds_of
from tests.simulation.sim import SimulationError, run_sim

MUTANT_SEEDS = 60


@pytest.mark.parametrize("seed", seeds_of("registers"))
def test_registers_are_linearizable_whatever_fails(seed: int) -> None:
    run_sim(seed, registers)


@pytest.mark.parametrize("seed", seeds_of("registers", share=8))
def test_registers_at_quorum_are_used_without_a_bug(seed: int) -> None:
    """Their histories need not be linearizable."""
    run_sim(seed, partial(registers, level=Level.QUORUM))


@pytest.mark.parametrize("seed", seeds_of("unique_keys", share=4))
def test_acknowledged_writes_stay_and_deleted_keys_stay_deleted(seed: int) -> None:
    run_sim(seed, unique_keys)


@pytest.mark.parametrize("seed", seeds_of("changes", share=2))
def test_nothing_is_lost_and_one_topology_is_agreed_while_members_come_and_go(seed: int) -> None:
    run_sim(seed, changes)


def test_reads_that_do_not_write_back_are_found() -> None:
    """The checker sees it when the step is left out that makes reads linearizable."""
    assert not all(_passes(seed) for seed in range(MUTANT_SEEDS))


def _passes(seed: int) -> bool:
    try:
        run_sim(seed, partial(registers, writes_back=False))
    except SimulationError as error:
        if "not linearizable" in str(error):
            return False
        raise
    return True


@pytest.mark.skipif("SIM_SEED" in os.environ, reason="one seed was asked for")
def test_a_seed_of_the_real_node_is_one_history() -> None:
    assert len({run_sim(3, changes)[1].trace.digest for _ in range(2)}) == 1
