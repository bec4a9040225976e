"""Watches of the real node, simulated: nothing is missed without a gap, whatever fails."""

from collections.abc import Callable

import pytest

from limedb.replication.watch import reported
from tests.simulation.faults import (
    stop_at_once,
    watch_of_one_owner,
    watch_of_restarted,
    watch_that_drops,
    watch_that_forgets,
)
from tests.simulation.search import search
from tests.simulation.seeds import seeds_of
from tests.simulation.sim import Sim, run_sim
from tests.simulation.watches import (
    crashing_watches,
    forgetful_watches,
    moving_watches,
    rolling_watches,
    watches,
)


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
        search(_without_gaps, shows="has a gap")


async def _without_gaps(sim: Sim) -> None:
    watchers = await crashing_watches(sim)
    assert not any(watcher.gaps for watcher in watchers), "a watch has a gap"


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
        search(watches, shows="not told")


@pytest.mark.parametrize(
    ("fault", "shows"), [(watch_that_forgets, "told twice, or too late"), (watch_that_drops, "not told")]
)
def test_a_fault_in_the_memory_is_found(
    fault: Callable[[pytest.MonkeyPatch], None], shows: str, one_bucket: None
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        fault(patch)
        search(forgetful_watches, shows=shows)
