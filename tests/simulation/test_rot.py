"""Damage on disks, simulated: it stays where it is, costs nothing that was acknowledged, and is mended."""

from functools import partial

import pytest

from tests.simulation.directed import all_set_aside, newcomer_that_dies, rot_beside_a_gap
from tests.simulation.faults import (
    NO_CHECKSUMS,
    ROT_IS_ABSENCE,
    SET_ASIDE_AND_FREE,
    SET_ASIDE_AND_STILL_A_MEMBER,
)
from tests.simulation.scenarios import rot
from tests.simulation.search import search
from tests.simulation.seeds import seeds_of
from tests.simulation.sim import run_sim

WRONG = "complaint|rot of|replicas lack|can't read"
"""By which damage shows that was taken for what was stored, or for nothing."""


@pytest.mark.parametrize("seed", seeds_of("rot", share=10))
def test_rot_never_spreads_and_loses_nothing(seed: int) -> None:
    run_sim(seed, rot)


@pytest.mark.parametrize("seed", seeds_of("moving_rot", share=20))
def test_rot_never_spreads_while_members_come_and_go(seed: int) -> None:
    run_sim(seed, partial(rot, moves=2))


@pytest.mark.parametrize("is_whole", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_rot_is_neither_absence_nor_an_older_value(seed: int, is_whole: bool) -> None:
    run_sim(seed, partial(rot_beside_a_gap, is_whole=is_whole))


@pytest.mark.parametrize("seed", range(2))
def test_nodes_that_all_set_their_data_aside_found_nothing(seed: int) -> None:
    run_sim(seed, all_set_aside)


@pytest.mark.parametrize("seed", range(3))
def test_a_node_that_dies_while_it_rejoins_holds_up_no_write(seed: int) -> None:
    run_sim(seed, newcomer_that_dies)


def test_the_same_without_checksums_is_found() -> None:
    search(partial(rot, **NO_CHECKSUMS), shows=WRONG)


def test_rot_that_counts_as_absence_is_found() -> None:
    search(partial(rot_beside_a_gap, **ROT_IS_ABSENCE), shows=WRONG)


def test_a_node_without_its_data_that_remains_a_member_is_found() -> None:
    search(partial(rot_beside_a_gap, is_whole=True, **SET_ASIDE_AND_STILL_A_MEMBER), shows=WRONG)


def test_a_node_without_its_data_that_may_found_a_cluster_is_found() -> None:
    search(partial(all_set_aside, **SET_ASIDE_AND_FREE), shows=WRONG)
