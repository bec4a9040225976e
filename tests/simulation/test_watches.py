"""Watches of the real node, simulated: nothing is missed without a gap, whatever fails."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest

from limedb.replication.watch import reported
from tests.simulation.faults import (
    stop_at_once,
    watch_of_one_owner,
    watch_of_restarted,
    watch_that_drops,
    watch_that_forgets,
)
from tests.simulation.seeds import seeds_of
from tests.simulation.sim import Sim, SimulationError, run_sim
from tests.simulation.watches import (
    crashing_watches,
    forgetful_watches,
    moving_watches,
    rolling_watches,
    watches,
)

MUTANT_SEEDS = 20


@pytest.fixture
def one_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forgotten key may have been any other, so that much is unsure."""
    monkeypatch.setattr(reported, "BUCKETS", 1)


@pytest.mark.parametrize("seed", seeds_of("watches", share=5))
def test_a_watch_is_told_everything_or_of_a_gap_whatever_fails(seed: int) -> None:
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
    with pytest.MonkeyPatch.context() as patch:
        stop_at_once(patch)
        assert any(
            watcher.gaps for seed in range(MUTANT_SEEDS) for watcher in run_sim(seed, crashing_watches)[0]
        )


def test_each_version_is_told_once_in_little_memory(one_bucket: None) -> None:
    """Most watches end with gaps; in some seeds all do."""
    watchers = [
        w for seed in seeds_of("forgetful_watches", share=20) for w in run_sim(seed, forgetful_watches)[0]
    ]
    assert any(watcher.owed for watcher in watchers)


@pytest.mark.parametrize("fault", [watch_of_one_owner, watch_of_restarted])
def test_a_planted_fault_is_found(fault: Callable[[pytest.MonkeyPatch], None]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        fault(patch)
        with pytest.raises(SimulationError, match="not told"):
            run_all(range(MUTANT_SEEDS))


@pytest.mark.parametrize(
    ("fault", "shows"), [(watch_that_forgets, "told twice, or too late"), (watch_that_drops, "not told")]
)
def test_a_fault_in_the_memory_is_found(
    fault: Callable[[pytest.MonkeyPatch], None], shows: str, one_bucket: None
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        fault(patch)
        with pytest.raises(SimulationError, match=shows):
            run_all(range(MUTANT_SEEDS), forgetful_watches)


def run_all(seeds: Iterable[int], scenario: Callable[[Sim], Awaitable[Any]] = watches) -> None:
    for seed in seeds:
        run_sim(seed, scenario)
