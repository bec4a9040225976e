"""A promise outlives its process, and moves to new owners."""

from functools import partial

import pytest

from tests.simulation.conditional_faults import PROMISES_DIE_WITH_THE_PROCESS, PROMISES_STAY_BEHIND
from tests.simulation.promises import late_record, moved_promise
from tests.simulation.search import Scenario, search
from tests.simulation.seeds import seeds_of
from tests.simulation.sim import run_sim


@pytest.mark.parametrize("seed", seeds_of("late_record", share=8))
def test_a_late_record_is_refused_by_a_replica_that_has_restarted(seed: int) -> None:
    run_sim(seed, late_record)


@pytest.mark.parametrize("seed", seeds_of("moved_promise", share=8))
def test_a_conditional_write_does_not_come_back_after_its_promise_has_moved(seed: int) -> None:
    run_sim(seed, moved_promise)


@pytest.mark.parametrize(
    "scenario",
    [
        partial(late_record, **PROMISES_DIE_WITH_THE_PROCESS),
        partial(moved_promise, **PROMISES_STAY_BEHIND),
    ],
    ids=["dies with the process", "stays behind"],
)
def test_a_promise_that_is_lost_is_found(scenario: Scenario) -> None:
    found = search(scenario, shows="not linearizable")
    assert found.runs <= 60
