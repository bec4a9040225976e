"""The real node, simulated, beside who lies: no message loses a key, or stops the others."""

from collections.abc import Callable
from functools import partial

import pytest

from tests.simulation.directed import forming_beside_pledges
from tests.simulation.faults import (
    answers_of_any_time,
    gossip_of_anybody,
    pledges_to_anybody,
    records_of_any_time,
)
from tests.simulation.scenarios import lies
from tests.simulation.search import search
from tests.simulation.seeds import seeds_of
from tests.simulation.sim import run_sim


@pytest.mark.parametrize("seed", seeds_of("lies", share=10))
def test_no_lie_loses_a_key_or_stops_the_others(seed: int) -> None:
    run_sim(seed, lies)


@pytest.mark.parametrize(
    ("fault", "count"), [(records_of_any_time, 1), (answers_of_any_time, 0), (gossip_of_anybody, 0)]
)
def test_messages_that_are_believed_unseen_are_found(
    fault: Callable[[pytest.MonkeyPatch], None], count: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        fault(patch)
        search(partial(lies, count=count), shows="AssertionError: ")


@pytest.mark.parametrize("seed", seeds_of("lies", share=5))
def test_a_cluster_forms_beside_a_stranger_that_asks_for_pledges(seed: int) -> None:
    run_sim(seed, forming_beside_pledges)


def test_pledges_to_anybody_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    pledges_to_anybody(monkeypatch)
    search(forming_beside_pledges, shows="a steady cluster")
