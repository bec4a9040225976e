"""The figures of a day: their bound, their steps, their percentiles."""

import random

import pytest

from limedb.core.history import (
    BUCKETS,
    BYTES_OF_STEP,
    DURATION_BOUNDS,
    OPERATIONS,
    STEP_SECONDS,
    STEPS,
    History,
    Measured,
    quantile,
)

STEP_MS = 1000 * STEP_SECONDS


def counts(**by_place: int) -> list[int]:
    """Counts of buckets: b3=5 has five in the fourth."""
    found = [0] * BUCKETS
    for name, count in by_place.items():
        found[int(name[1:])] = count
    return found


def at(number: int, **facts: float) -> Measured:
    """The step that ends at that many times ten seconds."""
    return Measured(number * STEP_MS)._replace(**facts)


def test_a_day_is_kept_and_no_more() -> None:
    history = History()
    for number in range(1, STEPS + 6):
        history.add(at(number), {})
    assert len(history) == STEPS
    assert history.since_ms == 6 * STEP_MS
    points = history.points(0, (STEPS + 5) * STEP_MS, STEP_MS)
    assert [point.at_ms for point in points] == [n * STEP_MS for n in range(6, STEPS + 6)]


def test_a_day_has_the_size_that_it_says() -> None:
    history = History()
    for number in range(1, STEPS + 2):
        history.add(at(number), {})
    held = sum(kept.buffer_info()[1] * kept.itemsize for kept in (history._measured, history._counts))
    assert held == STEPS * BYTES_OF_STEP
    assert held < 4_400_000


def test_a_longer_step_has_the_rates_of_its_time_and_the_sizes_of_its_end() -> None:
    history = History()
    history.add(at(1, requests=100, failures=10, gets=50, cpu_seconds=5.0, keys=1, loop_lag=0.5), {})
    history.add(at(2, requests=300, sets=20, cpu_seconds=1.0, keys=2, memory_bytes=7, loop_lag=0.1), {})
    (point,) = history.points(0, 2 * STEP_MS, 2 * STEP_MS)
    assert (point.at_ms, point.requests_per_second, point.error_rate) == (2 * STEP_MS, 20.0, 0.025)
    assert (point.gets_per_second, point.sets_per_second, point.cpu_percent) == (2.5, 1.0, 30.0)
    assert (point.keys, point.memory_bytes, point.loop_lag_ms) == (2, 7, 500.0)


def test_a_step_without_figures_has_no_point() -> None:
    history = History()
    for number in (1, 2, 5):
        history.add(at(number), {})
    assert [point.at_ms // STEP_MS for point in history.points(0, 9 * STEP_MS, STEP_MS)] == [1, 2, 5]
    assert [point.at_ms // STEP_MS for point in history.points(STEP_MS, 2 * STEP_MS, STEP_MS)] == [2]


def test_a_clock_that_is_set_back_adds_nothing_twice() -> None:
    history = History()
    for number in (5, 5, 3, 6):
        history.add(at(number), {})
    assert len(history) == 2


def test_percentiles_of_a_longer_step_are_those_of_all_its_requests() -> None:
    history = History()
    history.add(at(1), {"get": counts(b3=90)})
    history.add(at(2), {"get": counts(b9=10), "set": counts(b0=1)})
    (point,) = history.points(0, 2 * STEP_MS, 2 * STEP_MS)
    get, set_ = point.latencies
    assert (get.operation, get.requests_per_second, set_.operation) == ("get", 5.0, "set")
    assert 0.5 < get.p50_ms <= 1.0
    assert 50 < get.p95_ms < get.p99_ms <= 100


def test_a_copy_stays_as_it_is() -> None:
    history = History()
    history.add(at(1), {"other": counts(b1=1)})
    copy = history.frozen()
    history.add(at(2), {})
    assert (len(copy), len(history)) == (1, 2)
    assert copy.points(0, STEP_MS, STEP_MS) == history.points(0, STEP_MS, STEP_MS)


@pytest.mark.parametrize("seed", range(5))
def test_a_quantile_lies_in_the_bucket_of_the_duration_that_it_stands_for(seed: int) -> None:
    rng = random.Random(seed)
    durations = sorted(rng.uniform(0, 9.9) ** 3 / 100 for _ in range(rng.randint(1, 500)))
    found = [0] * BUCKETS
    for duration in durations:
        found[sum(bound < duration for bound in DURATION_BOUNDS)] += 1
    for share in (0.5, 0.95, 0.99):
        true = durations[max(0, -(-len(durations) * share // 1).__int__() - 1)]
        place = sum(bound < true for bound in DURATION_BOUNDS)
        lower = DURATION_BOUNDS[place - 1] if place else 0.0
        assert lower <= quantile(found, share) <= DURATION_BOUNDS[place]


def test_what_took_longer_than_all_bounds_counts_as_the_last() -> None:
    assert quantile(counts(b16=3), 0.99) == DURATION_BOUNDS[-1]
    assert len(OPERATIONS) == len(set(OPERATIONS))
