"""Watches of the real node, simulated: nothing is missed without a gap, whatever fails."""

from functools import partial
from typing import Any

import pytest

from tests.simulation.faults import Fault
from tests.simulation.search import BUDGET_STEPS, search
from tests.simulation.seeds import seeds_of
from tests.simulation.sim import Sim, run_sim
from tests.simulation.watch_faults import (
    ONE_BUCKET,
    STOP_AT_ONCE,
    WATCH_OF_ONE_OWNER,
    WATCH_OF_RESTARTED,
    WATCH_THAT_DROPS,
    WATCH_THAT_FORGETS,
)
from tests.simulation.watches import (
    crashing_watches,
    forgetful_watches,
    moving_watches,
    rolling_watches,
    watches,
)


@pytest.mark.parametrize("seed", seeds_of("watches", share=5))
def test_a_watch_gets_everything_or_a_gap_whatever_fails(seed: int) -> None:
    watchers, _ = run_sim(seed, watches)
    assert all(watcher.asked > 1 and watcher.owed for watcher in watchers)


@pytest.mark.parametrize("seed", seeds_of("moving_watches", share=10))
def test_it_is_while_members_come_and_go(seed: int) -> None:
    watchers, _ = run_sim(seed, moving_watches)
    assert all(watcher.owed for watcher in watchers)


@pytest.mark.parametrize("seed", seeds_of("rolling_watches", share=20))
def test_restarts_one_after_the_other_make_no_gap(seed: int) -> None:
    watchers, _ = run_sim(seed, rolling_watches)
    assert all(watcher.owed and not watcher.gaps for watcher in watchers)


@pytest.mark.parametrize("seed", seeds_of("crashing_watches", share=20))
def test_a_stop_after_a_crash_makes_no_gap(seed: int) -> None:
    watchers, _ = run_sim(seed, crashing_watches)
    assert all(watcher.owed and not watcher.gaps for watcher in watchers)


def test_a_stop_that_waits_for_nobody_is_found() -> None:
    search(partial(_without_gaps, **STOP_AT_ONCE), shows="has a gap")


async def _without_gaps(sim: Sim, **settings: Any) -> None:
    watchers = await crashing_watches(sim, **settings)
    assert not any(watcher.gaps for watcher in watchers), "a watch has a gap"


def test_each_version_is_reported_once_in_little_memory() -> None:
    """Most watches end with gaps; in some seeds all do."""
    scenario = partial(forgetful_watches, **ONE_BUCKET)
    watchers = [w for seed in seeds_of("forgetful_watches", share=20) for w in run_sim(seed, scenario)[0]]
    assert any(watcher.owed for watcher in watchers)


@pytest.mark.parametrize("fault", [WATCH_OF_ONE_OWNER, WATCH_OF_RESTARTED], ids=["one owner", "restarted"])
def test_a_watch_that_hears_too_few_is_found(fault: Fault) -> None:
    search(partial(watches, **fault), shows="not told", budget=2 * BUDGET_STEPS)  # one seed in ten shows it


@pytest.mark.parametrize(
    ("fault", "shows"),
    [(WATCH_THAT_FORGETS, "told twice, or too late"), (WATCH_THAT_DROPS, "not told")],
    ids=["forgets", "drops"],
)
def test_a_fault_in_the_memory_is_found(fault: Fault, shows: str) -> None:
    search(partial(forgetful_watches, **fault), shows=shows)
