"""Batches in portions, and reads where memory is short, on the real node, simulated."""

from functools import partial

import pytest

from tests.simulation.faults import (
    ALL_IS_APPLIED,
    ALL_SHARE_ONE_COUNT,
    FAILED_PORTIONS_FAIL_ALL,
    MORE_IS_NONE,
    PORTIONS_LEFT_OUT,
    PORTIONS_THAT_ALWAYS_SUCCEED,
    THE_FIRST_OWNERS,
    Fault,
)
from tests.simulation.scenarios import batches
from tests.simulation.search import search
from tests.simulation.seeds import seeds_of
from tests.simulation.sim import run_sim


@pytest.mark.parametrize("seed", seeds_of("batches", share=8))
def test_each_item_of_a_batch_keeps_its_promise(seed: int) -> None:
    tally, _ = run_sim(seed, batches)
    assert tally.refused, f"no replica had more than it might answer: {tally}"


@pytest.mark.parametrize(
    "fault",
    [ALL_SHARE_ONE_COUNT, ALL_IS_APPLIED, THE_FIRST_OWNERS],
    ids=["all share one count", "all is applied", "the first owners"],
)
def test_acknowledgements_that_count_for_too_many_records_are_found(fault: Fault) -> None:
    search(partial(batches, **fault), shows="should hold|replicas lack")


@pytest.mark.parametrize(
    "fault",
    [PORTIONS_THAT_ALWAYS_SUCCEED, PORTIONS_LEFT_OUT, FAILED_PORTIONS_FAIL_ALL, MORE_IS_NONE],
    ids=["portions that always succeed", "portions left out", "failed portions fail all", "more is none"],
)
def test_batches_whose_outcomes_are_wrong_are_found(fault: Fault) -> None:
    search(partial(batches, **fault), shows="should hold|replicas lack")
