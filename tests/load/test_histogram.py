"""The histogram: exact sums, percentiles within the error that it states, memory that doesn't grow."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from limedb.load.histogram import LONGEST, PRECISION, Histogram, bucket_of, upper_bound

TIMES = st.lists(st.integers(0, LONGEST), min_size=1, max_size=200)


def filled(times: list[int]) -> Histogram:
    histogram = Histogram()
    for time in times:
        histogram.record(time)
    return histogram


def figures(histogram: Histogram) -> tuple[object, ...]:
    percentiles = [histogram.percentile(share / 100) for share in range(0, 101, 5)]
    return histogram.count, histogram.total, histogram.longest, percentiles, list(histogram.doublings())


@given(st.integers(0, LONGEST))
def test_a_bucket_holds_its_number_and_is_as_narrow_as_stated(value: int) -> None:
    bucket = bucket_of(value)
    upper = upper_bound(bucket)
    lower = upper_bound(bucket - 1) + 1 if bucket else 0
    assert lower <= value <= upper
    assert upper - value <= value / (1 << PRECISION)


@given(TIMES, st.floats(0, 1))
def test_a_percentile_is_never_too_low_and_too_high_by_no_more_than_stated(
    times: list[int], share: float
) -> None:
    exact = sorted(times)[max(1, math.ceil(share * len(times))) - 1]
    told = filled(times).percentile(share)
    assert exact <= told <= exact * (1 + 1 / (1 << PRECISION))


@settings(deadline=None)
@given(TIMES, TIMES)
def test_merging_is_recording_all_in_one_whatever_the_order(first: list[int], second: list[int]) -> None:
    together, turned = filled(first), filled(second)
    together.merge(filled(second))
    turned.merge(filled(first))
    assert figures(together) == figures(turned) == figures(filled(first + second))


@given(TIMES)
def test_sums_are_exact_and_doublings_count_all(times: list[int]) -> None:
    histogram = filled(times)
    assert (histogram.count, histogram.total, histogram.longest) == (len(times), sum(times), max(times))
    doublings = list(histogram.doublings())
    assert sum(count for _, count in doublings) == len(times)
    assert doublings[0][1] > 0
    assert doublings[-1][1] > 0


def test_what_is_out_of_range_counts_at_the_ends() -> None:
    histogram = filled([-5, LONGEST * 3])
    assert (histogram.percentile(0), histogram.longest) == (0, LONGEST)


def test_an_empty_one_reports_zeros() -> None:
    histogram = Histogram()
    assert (histogram.percentile(0.99), histogram.mean, list(histogram.doublings())) == (0, 0.0, [])
