"""Damage on disks, simulated: it stays where it is, costs nothing that was acknowledged, and is mended."""

import traceback
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from tests.simulation.faults import no_checksums, rot_is_absence
from tests.simulation.scenarios import rot, rot_beside_a_gap
from tests.simulation.seeds import seeds_of
from tests.simulation.sim import Sim, SimulationError, run_sim

SEEDS = range(2)
"""Of which one at least must show that checksums are missing."""


@pytest.mark.parametrize("seed", seeds_of("rot", share=10))
def test_rot_never_spreads_and_loses_nothing(seed: int) -> None:
    run_sim(seed, rot)


@pytest.mark.parametrize("seed", seeds_of("moving_rot", share=20))
def test_rot_never_spreads_while_members_come_and_go(seed: int) -> None:
    run_sim(seed, partial(rot, moves=2))


@pytest.mark.parametrize("seed", range(3))
def test_rot_is_neither_absence_nor_an_older_value(seed: int) -> None:
    run_sim(seed, rot_beside_a_gap)


def test_the_same_without_checksums_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    no_checksums(monkeypatch)
    assert not all(_passes(seed, rot) for seed in SEEDS)


def test_rot_that_counts_as_absence_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    rot_is_absence(monkeypatch)
    assert not _passes(0, rot_beside_a_gap)


def _passes(seed: int, scenario: Callable[[Sim], Awaitable[Any]]) -> bool:
    try:
        run_sim(seed, scenario)
    except SimulationError as error:
        told = "".join(traceback.format_exception(error))
        if not any(word in told for word in ("complaint", "rot of", "replicas lack", "can't read")):
            raise
        return False
    return True
