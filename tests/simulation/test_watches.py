"""Watches of the real node, simulated: nothing is missed without a gap, whatever fails."""

from collections.abc import Callable, Iterable

import pytest

from tests.simulation.faults import watch_of_one_owner, watch_of_restarted
from tests.simulation.seeds import seeds_of
from tests.simulation.sim import SimulationError, run_sim
from tests.simulation.watches import moving_watches, watches

MUTANT_SEEDS = 20


@pytest.mark.parametrize("seed", seeds_of("watches", share=5))
def test_a_watch_is_told_everything_or_of_a_gap_whatever_fails(seed: int) -> None:
    watchers, _ = run_sim(seed, watches)
    assert all(watcher.asked > 1 and watcher.owed for watcher in watchers)


@pytest.mark.parametrize("seed", seeds_of("moving_watches", share=10))
def test_it_is_while_members_come_and_go(seed: int) -> None:
    watchers, _ = run_sim(seed, moving_watches)
    assert all(watcher.owed for watcher in watchers)


@pytest.mark.parametrize("fault", [watch_of_one_owner, watch_of_restarted])
def test_a_planted_fault_is_found(fault: Callable[[pytest.MonkeyPatch], None]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        fault(patch)
        with pytest.raises(SimulationError, match="not told"):
            run_all(range(MUTANT_SEEDS))


def run_all(seeds: Iterable[int]) -> None:
    for seed in seeds:
        run_sim(seed, watches)
