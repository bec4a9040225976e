"""The real node, simulated, beside who lies: no message loses a key, or stops the others."""

from functools import partial

import pytest

from tests.simulation.directed import forming_beside_pledges, joining_beside_a_false_founder
from tests.simulation.faults import (
    ANSWERS_OF_ANY_TIME,
    CLUSTERS_OF_ANYBODY,
    GOSSIP_OF_ANYBODY,
    PLEDGES_TO_ANYBODY,
    RECORDS_OF_ANY_TIME,
    Fault,
)
from tests.simulation.scenarios import lies
from tests.simulation.search import search
from tests.simulation.seeds import seeds_of
from tests.simulation.sim import run_sim


@pytest.mark.parametrize("seed", seeds_of("lies", share=10))
def test_no_lie_loses_a_key_or_stops_the_others(seed: int) -> None:
    run_sim(seed, lies)


@pytest.mark.parametrize(
    ("fault", "count", "run_steps"),  # where a cluster is ruined, not much happens in many steps
    [(RECORDS_OF_ANY_TIME, 1, 800_000), (ANSWERS_OF_ANY_TIME, 0, 40_000), (GOSSIP_OF_ANYBODY, 0, 40_000)],
    ids=["records", "answers", "gossip"],
)
def test_messages_that_are_believed_unseen_are_found(fault: Fault, count: int, run_steps: int) -> None:
    search(partial(lies, count=count, **fault), shows="AssertionError: ", run_steps=run_steps)


@pytest.mark.parametrize("seed", seeds_of("lies", share=5))
def test_a_cluster_forms_beside_a_stranger_that_asks_for_pledges(seed: int) -> None:
    run_sim(seed, forming_beside_pledges)


def test_pledges_to_anybody_are_found() -> None:
    search(partial(forming_beside_pledges, **PLEDGES_TO_ANYBODY), shows="a steady cluster")


@pytest.mark.parametrize("seed", seeds_of("lies", share=5))
def test_a_new_node_joins_no_cluster_that_one_member_makes_up(seed: int) -> None:
    run_sim(seed, joining_beside_a_false_founder)


def test_clusters_of_anybody_are_found() -> None:
    search(partial(joining_beside_a_false_founder, **CLUSTERS_OF_ANYBODY), shows="a steady cluster")
