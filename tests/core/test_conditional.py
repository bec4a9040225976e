"""What became of an attempt, by what a majority has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limedb.core.conditional import (
    MAX_LINEAGE,
    MAX_OUTCOME_BYTES,
    MIN_LINEAGE,
    RECENT_MS,
    Attempts,
    Fate,
    fate_of,
    next_lineage,
    renewed_lineage,
    states_of,
)
from limedb.core.hlc import version_at, wall_ms_of
from limedb.core.record import Past, Record

ID, OTHER = b"i" * 16, b"o" * 16


def chain(*versions: int) -> tuple[Past, ...]:
    return tuple(map(Past, versions))


@pytest.mark.parametrize(
    ("attempts", "states", "fate"),
    [
        (Attempts(), chain(5), Fate.NEVER),
        (Attempts((7,)), chain(7, 5), Fate.DONE),
        (Attempts((7,)), chain(5), Fate.NEVER),
        (Attempts((7,)), chain(0), Fate.NEVER),
        (Attempts((7,)), chain(9, 7, 5), Fate.DONE),
        (Attempts((7,)), chain(9, 6), Fate.NEVER),
        (Attempts((7,)), chain(9), Fate.UNKNOWN),
        (Attempts((7,)), chain(9, 8), Fate.UNKNOWN),
        (Attempts((7, 11)), chain(9, 6), Fate.NEVER),
        (Attempts((7, 8)), chain(9, 8), Fate.DONE),
        (Attempts((7, 8)), chain(10, 9, 5), Fate.NEVER),
    ],
)
def test_the_lineage_shows_what_became_of_it(
    attempts: Attempts, states: tuple[Past, ...], fate: Fate
) -> None:
    assert fate_of(attempts, states) is fate


def test_an_operation_is_found_by_its_name_whoever_sent_it() -> None:
    sent = Attempts((), ID, since_ms=1)
    old, recent = Past(0), Past(2 << 16)
    assert fate_of(sent, (Past(9 << 16, ID), old)) is Fate.DONE
    assert fate_of(sent, (Past(9 << 16), Past(8 << 16, ID), old)) is Fate.DONE
    assert fate_of(sent, (Past(9 << 16, OTHER), old)) is Fate.NEVER
    assert fate_of(sent, (Past(9 << 16, OTHER), recent)) is Fate.UNKNOWN
    assert fate_of(sent, (recent,)) is Fate.UNKNOWN


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 3)), min_size=1, max_size=40), st.integers(0, 39))
def test_a_chain_of_conditional_writes_never_misleads(steps: list[tuple[bool, int]], which: int) -> None:
    """Of a register that is written in one order, blindly or on what it has, each state's attempt is found or
    unknown, and never taken for one that had no effect.
    """
    record, version, made = None, 0, list[int]()
    for is_conditional, gap in steps:
        version += gap
        before = states_of(record)
        record = Record("k", "v", version)
        if is_conditional:
            record.lineage = next_lineage(before, version)
        made.append(version)
    attempt = made[which % len(made)]
    assert fate_of(Attempts((attempt,)), states_of(record)) in {Fate.DONE, Fate.UNKNOWN}
    unmade = set(range(1, version)) - set(made)
    assert all(fate_of(Attempts((v,)), states_of(record)) is not Fate.DONE for v in unmade)


def test_the_lineage_has_sixteen_states_and_those_of_the_last_seconds() -> None:
    def grown(step_ms: int) -> list[int]:
        states = chain(0)
        for place in range(1, 400):
            states = next_lineage(states, version_at(place * step_ms))
        return [wall_ms_of(state.version) // step_ms for state in states]

    assert grown(RECENT_MS) == [*range(399, 399 - MIN_LINEAGE, -1)]
    assert grown(RECENT_MS // 50) == [*range(399, 399 - 51, -1)]
    assert grown(1) == [*range(399, 399 - MAX_LINEAGE, -1)]


def test_answers_are_remembered_as_far_as_there_is_room() -> None:
    large, small = b"t" * MAX_OUTCOME_BYTES, b"t7"
    states = next_lineage(chain(0), 1, b"a", small)
    states = next_lineage(states, 2, b"b", large)
    assert [state.outcome for state in states] == [large, small, b""]
    renewed = renewed_lineage(states, 3)
    assert [state.outcome for state in renewed] == [b"", large, b"", b""]
    assert [state.operation for state in renewed] == [b"", b"b", b"a", b""]
    assert [state.outcome for state in next_lineage(states, 3, b"c", small)] == [small, large, b"", b""]
    assert [state.outcome for state in next_lineage(states, 3, b"c", large * 9)] == [
        large * 9,
        large,
        b"",
        b"",
    ]
    whole = next_lineage(next_lineage(chain(0), 1, b"a", large + b"more"), 2, b"b", small)
    assert [state.outcome for state in whole] == [small, b"", b""]
    assert [state.outcome for state in renewed_lineage(next_lineage(chain(0), 1, b"a", large * 2), 2)] == [
        b"",
        large * 2,
        b"",
    ]


def test_what_may_be_above_a_state_is_what_was_sent_above_it_or_by_others() -> None:
    assert Attempts((7,)).may_be_above(6)
    assert not Attempts((7,)).may_be_above(8)
    assert Attempts(since_ms=5).may_be_above(8)
    assert not Attempts().may_be_above(0)
