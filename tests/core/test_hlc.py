"""Versions: always greater, whatever the wall clock does."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from limedb.core.hlc import (
    FIRST_BALLOT,
    MAX_VERSION,
    HybridClock,
    ballot_above,
    is_ballot,
    version_at,
    wall_ms_of,
)

times = st.integers(0, (1 << 48) - 1)


@given(st.lists(times, min_size=2))
def test_each_version_is_greater_than_the_last_whatever_the_clock_says(walls: list[int]) -> None:
    clock = HybridClock()
    given_out = [clock.tick(wall) for wall in walls]

    assert all(a < b for a, b in pairwise(given_out))
    assert clock.last == given_out[-1]


@given(times, st.integers(0, MAX_VERSION - 1))
def test_a_version_is_greater_than_what_was_observed(wall: int, seen: int) -> None:
    clock = HybridClock()
    clock.observe(seen)

    assert clock.tick(wall) > seen


@given(times, st.integers(0, 0xFFFF))
def test_a_version_reports_its_time(wall: int, counter: int) -> None:
    assert wall_ms_of(version_at(wall, counter)) == wall
    assert 0 <= version_at(wall, counter) <= MAX_VERSION


def test_a_clock_that_moves_on_gives_its_own_time() -> None:
    clock = HybridClock(last=version_at(5, 3))

    assert clock.tick(5) == version_at(5, 4)
    assert clock.tick(6) == version_at(6)


def test_observing_what_is_older_changes_nothing() -> None:
    clock = HybridClock(last=100)
    clock.observe(7)

    assert clock.last == 100


def test_a_counter_that_overflows_borrows_from_the_milliseconds() -> None:
    clock = HybridClock(last=version_at(5, FIRST_BALLOT - 1))

    assert clock.tick(5) == version_at(6)


@given(st.lists(st.tuples(times, st.integers(0, (1 << 63))), min_size=1))
def test_the_clock_gives_no_ballot_whatever_it_has_observed(steps: list[tuple[int, int]]) -> None:
    clock = HybridClock()
    for wall, seen in steps:
        clock.observe(seen)
        assert not is_ballot(clock.tick(wall))
        assert not any(map(is_ballot, clock.tick_many(wall, 3)))


@given(st.integers(0, 1 << 63), times, st.integers(0, FIRST_BALLOT - 1))
def test_a_ballot_is_above_what_it_is_to_be_above_and_no_clock_gives_it(
    above: int, wall: int, chance: int
) -> None:
    ballot = ballot_above(above, wall, chance)
    assert is_ballot(ballot)
    assert ballot > above
    assert wall_ms_of(ballot) >= wall


@given(st.integers(0, 2**40), st.integers(0, 2**24) | st.just(FIRST_BALLOT - 3), st.integers(0, 5))
def test_many_versions_are_those_of_many_ticks(wall: int, last: int, count: int) -> None:
    together, one_by_one = HybridClock(last), HybridClock(last)
    assert [*together.tick_many(wall, count)] == [one_by_one.tick(wall) for _ in range(count)]
    assert together.last == one_by_one.last
