"""Traffic that is led to another node of the cluster, simulated: one node never counts as two."""

from functools import partial

import pytest

from tests.simulation.faults import WHOEVER_ANSWERS
from tests.simulation.scenarios import ASTRAY, moving_registers, registers
from tests.simulation.search import search
from tests.simulation.seeds import seeds_of
from tests.simulation.sim import run_sim


@pytest.mark.parametrize("seed", seeds_of("astray", share=5))
def test_registers_are_linearizable_though_addresses_lead_to_other_nodes(seed: int) -> None:
    run_sim(seed, partial(registers, kinds=ASTRAY))


@pytest.mark.parametrize("seed", seeds_of("moving_astray", share=14))
def test_the_same_while_members_come_and_go(seed: int) -> None:
    run_sim(seed, partial(moving_registers, kinds=ASTRAY))


def test_a_node_that_answers_in_the_place_of_another_is_found() -> None:
    search(partial(registers, kinds=ASTRAY, **WHOEVER_ANSWERS), shows="then none of these can follow")
