"""The real node, simulated: what is acknowledged stays, whatever fails.

Tests limedb/engine/engine.py and limedb/engine/world.py.
"""

import os
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import pytest

from limedb.core.quorum import Level
from tests.scenarios.history import History
from tests.simulation.changes import BESET_SECONDS
from tests.simulation.clusters import Form
from tests.simulation.directed import first_written_at_one_owner, uneven_owners, written_at_one_owner
from tests.simulation.faults import (
    HALF_OF_WHAT_IS_TOO_LARGE,
    HINTS_ARE_ACKS,
    NO_HINTS,
    ONE_SOURCE,
    PULLS_WHAT_IS_MISSING,
    TIME_IS_FORGOTTEN,
    TIME_STEPS_BACK,
    TOO_LARGE_IS_KNOWN_HERE_ONLY,
    Fault,
)
from tests.simulation.one_side import written_on_one_side
from tests.simulation.quorum_faults import (
    AN_ANSWER_COUNTS_TWICE,
    ONE_SHORT_IS_ENOUGH,
    THE_OTHER_SIDE_IS_ENOUGH,
    THE_SIDE_THAT_IS_READ_IS_ENOUGH,
)
from tests.simulation.read_faults import (
    A_GET_JOINS_WHAT_IS_ON_ITS_WAY,
    ANY_VERSION_IS_THE_SAME,
    MISSING_IS_THE_SAME,
    THE_OWN_RECORD_IS_KEPT,
)
from tests.simulation.scenarios import (
    DAY,
    changes,
    clock_jumps,
    clocks_set_right,
    moving_registers,
    purges,
    registers,
    unique_keys,
)
from tests.simulation.search import search
from tests.simulation.seeds import seeds_of
from tests.simulation.sim import run_sim

LACKS = "replicas lack|a steady cluster"
"""By which a fault of streaming shows: keys are missing, or it never ends."""

without_pause = partial(
    moving_registers, kinds=("stop", "stop", "isolate"), pause=(0.0, 0.3), patience=BESET_SECONDS
)


@pytest.mark.parametrize("seed", seeds_of("registers", share=2))
def test_registers_are_linearizable_whatever_fails(seed: int) -> None:
    run_sim(seed, registers)


@pytest.mark.parametrize("seed", seeds_of("registers", share=14))
def test_registers_at_quorum_are_used_without_a_bug(seed: int) -> None:
    """Their histories need not be linearizable."""
    run_sim(seed, partial(registers, level=Level.QUORUM))


@pytest.mark.parametrize("seed", seeds_of("unique_keys", share=8))
def test_acknowledged_writes_stay_and_deleted_keys_stay_deleted(seed: int) -> None:
    run_sim(seed, unique_keys)


@pytest.mark.parametrize("seed", seeds_of("changes", share=4))
def test_nothing_is_lost_and_one_topology_is_agreed_while_members_come_and_go(seed: int) -> None:
    run_sim(seed, changes)


@pytest.mark.parametrize("seed", seeds_of("moving_registers", share=8))
def test_registers_are_linearizable_while_members_come_and_go(seed: int) -> None:
    run_sim(seed, moving_registers)


@pytest.mark.parametrize("seed", seeds_of("clock_jumps", share=10))
def test_no_write_is_lost_to_an_older_one_when_a_clock_is_off_by_minutes(seed: int) -> None:
    run_sim(seed, clock_jumps)


@pytest.mark.parametrize("seed", seeds_of("clocks_set_right", share=5))
def test_clocks_that_were_ahead_and_are_set_right_stop_no_write_and_bring_nothing_back(seed: int) -> None:
    run_sim(seed, clocks_set_right)


@pytest.mark.parametrize("seed", seeds_of("purges", share=14))
def test_what_was_deleted_or_expired_is_purged_and_stays_away(seed: int) -> None:
    run_sim(seed, purges)


def test_a_node_that_never_heard_that_it_was_in_and_out_again_is_let_in() -> None:
    """Its join was cancelled while it was cut off, and then it was kept out for ever, being told nothing."""
    run_sim(3, partial(without_pause, form=Form(4, 2, 1), keys=12))


def test_members_that_are_there_by_turns_agree_that_another_is_gone() -> None:
    """Three of four must agree, one is dead, and one of the others is nearly always held."""
    run_sim(172, partial(without_pause, form=Form(4), count=1, keys=30, repair_interval=1e6))


def test_reads_that_do_not_write_back_are_found() -> None:
    """The checker sees it when the step is left out that makes reads linearizable."""
    scenarios = registers, written_at_one_owner
    search(*(partial(scenario, repairs_reads=False) for scenario in scenarios), shows="not linearizable")


@pytest.mark.parametrize("seed", range(3))
def test_what_one_owner_has_stays_once_it_was_read(seed: int) -> None:
    run_sim(seed, written_at_one_owner)


def test_a_handoff_from_one_owner_only_is_found() -> None:
    """Each of the owners lacks something that another has; nothing mends it meanwhile."""
    search(partial(uneven_owners, joins=True, **NO_HINTS, **ONE_SOURCE), shows=" lacks ")


@pytest.mark.parametrize("joins", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_who_fetches_gets_what_either_owner_has(seed: int, joins: bool) -> None:
    run_sim(seed, partial(uneven_owners, joins=joins, **NO_HINTS))


@pytest.mark.parametrize(
    ("fault", "joins"),
    [
        (PULLS_WHAT_IS_MISSING, False),
        (PULLS_WHAT_IS_MISSING, True),
        (HALF_OF_WHAT_IS_TOO_LARGE, False),
        (HALF_OF_WHAT_IS_TOO_LARGE, True),
        (TOO_LARGE_IS_KNOWN_HERE_ONLY, False),  # a new owner would read each of them in full, by turns
    ],
    ids=["missing, leave", "missing, join", "half, leave", "half, join", "known here only, leave"],
)
def test_a_comparison_that_does_not_bring_everything_is_found(fault: Fault, joins: bool) -> None:
    search(partial(uneven_owners, joins=joins, **NO_HINTS, **fault), shows=LACKS)


def test_a_time_that_steps_back_with_the_clocks_is_found() -> None:
    search(
        partial(clocks_set_right, ahead_seconds=3600.0, **TIME_STEPS_BACK), shows="is there again|can't write"
    )


def test_a_time_that_is_forgotten_while_nodes_are_down_is_found() -> None:
    aside = partial(clocks_set_right, ahead_seconds=10 * DAY, are_down=True, **TIME_IS_FORGOTTEN)
    search(aside, shows="is there again|can't write")


def test_hints_that_count_as_acknowledgements_are_found() -> None:
    search(partial(unique_keys, **HINTS_ARE_ACKS), shows="replicas lack|should hold")


@pytest.mark.parametrize("fault", [AN_ANSWER_COUNTS_TWICE, ONE_SHORT_IS_ENOUGH], ids=["twice", "short"])
def test_a_quorum_call_that_counts_wrongly_is_found(fault: Fault) -> None:
    search(partial(registers, **fault), shows="not linearizable")


@pytest.mark.parametrize("of_the_read", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_a_write_that_one_side_of_a_change_lacks_is_not_acknowledged(seed: int, of_the_read: bool) -> None:
    run_sim(seed, partial(written_on_one_side, of_the_read=of_the_read, **NO_HINTS))


@pytest.mark.parametrize(
    ("fault", "of_the_read"),
    [(THE_SIDE_THAT_IS_READ_IS_ENOUGH, True), (THE_OTHER_SIDE_IS_ENOUGH, False)],
    ids=["read", "other"],
)
def test_a_count_of_one_side_only_is_found(fault: Fault, of_the_read: bool) -> None:
    search(partial(written_on_one_side, of_the_read=of_the_read, **NO_HINTS, **fault), shows="lack")


@pytest.mark.parametrize("seed", range(3))
def test_what_one_owner_alone_has_stays_once_it_was_read_there(seed: int) -> None:
    run_sim(seed, first_written_at_one_owner)


@pytest.mark.parametrize(
    ("fault", "scenarios"),
    [
        (THE_OWN_RECORD_IS_KEPT, [registers]),
        (A_GET_JOINS_WHAT_IS_ON_ITS_WAY, [registers]),
        (ANY_VERSION_IS_THE_SAME, [registers, written_at_one_owner]),
        (MISSING_IS_THE_SAME, [registers, first_written_at_one_owner]),
    ],
    ids=["kept", "joins", "any version", "missing"],
)
def test_a_read_that_peers_confirm_wrongly_is_found(
    fault: Fault, scenarios: Sequence[Callable[..., Awaitable[History]]]
) -> None:
    search(*(partial(scenario, **fault) for scenario in scenarios), shows="not linearizable")


@pytest.mark.skipif("SIM_SEED" in os.environ, reason="one seed was asked for")
def test_a_seed_of_the_real_node_is_one_history() -> None:
    assert len({run_sim(3, changes)[1].trace.digest for _ in range(2)}) == 1
