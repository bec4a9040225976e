"""Batches in portions, and reads where memory is short, on the real node, simulated."""

from collections.abc import Callable

import pytest

from tests.simulation.faults import (
    failed_portions_fail_all,
    more_is_none,
    portions_left_out,
    portions_that_always_succeed,
)
from tests.simulation.scenarios import batches
from tests.simulation.search import search
from tests.simulation.seeds import seeds_of
from tests.simulation.sim import run_sim


@pytest.mark.parametrize("seed", seeds_of("batches", share=8))
def test_each_item_of_a_batch_keeps_what_it_was_told(seed: int) -> None:
    tally, _ = run_sim(seed, batches)
    assert tally.refused, f"no replica had more than it might answer: {tally}"


@pytest.mark.parametrize(
    "fault", [portions_that_always_succeed, portions_left_out, failed_portions_fail_all, more_is_none]
)
def test_batches_that_are_told_wrong_are_found(
    fault: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fault(monkeypatch)
    search(batches, shows="should hold|replicas lack")
