"""The plain counters, with times given by hand.

Tests limedb/core/request_rates.py.
"""

import pytest

from limedb.core.history import DURATION_BOUNDS, OPERATIONS
from limedb.observability.metrics import ProcessStats, RequestStats, Usage, kind_of, usage_reader


def test_nothing_asked_gives_zeros() -> None:
    figures = RequestStats(now=5.0).figures(now=5.0)
    assert figures.total_requests == 0
    assert figures.requests_per_second == figures.average_latency_ms == figures.error_rate == 0.0


def test_rates_are_means_over_the_last_ten_seconds() -> None:
    stats = RequestStats(now=0.0)
    for second in range(1, 31):
        for _ in range(second):
            stats.record("KVService/Get", "OK", 0.002)
        stats.sample(float(second))
    figures = stats.figures(now=30.0)
    assert figures.total_requests == sum(range(1, 31))
    assert figures.requests_per_second == sum(range(21, 31)) / 10


def test_rates_look_back_as_far_as_there_is_when_the_node_is_young() -> None:
    stats = RequestStats(now=100.0)
    stats.record("KVService/Get", "OK", 0.001)
    stats.record("KVService/Get", "OK", 0.001)
    assert stats.figures(now=104.0).requests_per_second == 0.5


def test_the_first_moment_shows_no_giant_rate() -> None:
    stats = RequestStats(now=0.0)
    stats.record("KVService/Get", "OK", 0.001)
    assert stats.figures(now=0.0001).requests_per_second == 1.0


def test_rates_fall_to_zero_when_nobody_asks() -> None:
    stats = RequestStats(now=0.0)
    stats.record("KVService/Get", "INTERNAL", 0.5)
    for second in range(1, 12):
        stats.sample(float(second))
    figures = stats.figures(now=11.0)
    assert (figures.requests_per_second, figures.average_latency_ms, figures.error_rate) == (0.0, 0.0, 0.0)
    assert figures.total_requests == 1


def test_a_late_tick_leaves_rates_true() -> None:
    stats = RequestStats(now=0.0)
    stats.sample(1.0)
    for _ in range(40):
        stats.record("KVService/Set", "OK", 0.001)
    stats.sample(41.0)
    assert stats.figures(now=41.0).requests_per_second == 1.0


def test_memory_stays_the_same_however_long_it_runs() -> None:
    stats = RequestStats(now=0.0)
    for second in range(1000):
        stats.sample(float(second))
    assert len(stats._samples) <= 11


def test_each_key_of_a_batch_counts_as_an_operation() -> None:
    stats = RequestStats(now=0.0)
    stats.count_operations("get", 100)
    stats.count_operations("set", 20)
    stats.count_operations("delete", 10)
    stats.count_operations("get")
    figures = stats.figures(now=10.0)
    assert figures.gets_per_second == 10.1
    assert (figures.sets_per_second, figures.dels_per_second) == (2.0, 1.0)
    assert stats.operations() == {"get": 101, "set": 20, "delete": 10}


def test_latency_is_the_mean_in_milliseconds() -> None:
    stats = RequestStats(now=0.0)
    stats.record("KVService/Get", "OK", 0.001)
    stats.record("KVService/Set", "OK", 0.003)
    assert stats.figures(now=1.0).average_latency_ms == pytest.approx(2.0)


def test_the_time_of_a_stream_is_no_latency() -> None:
    stats = RequestStats(now=0.0, streams={"KVService/Watch"})
    stats.record("KVService/Watch", "OK", 5.0)
    assert stats.figures(now=1.0).average_latency_ms == 0.0
    stats.record("KVService/Get", "OK", 0.002)
    figures = stats.figures(now=1.0)
    assert (figures.average_latency_ms, figures.total_requests) == (pytest.approx(2.0), 2)


@pytest.mark.parametrize(
    ("code", "rate"),
    [
        ("NOT_FOUND", 0.0),
        ("INVALID_ARGUMENT", 0.0),
        ("CANCELLED", 0.0),
        ("UNAVAILABLE", 0.5),
        ("INTERNAL", 0.5),
        ("DEADLINE_EXCEEDED", 0.5),
        ("RESOURCE_EXHAUSTED", 0.5),
        ("UNKNOWN", 0.5),
        ("DATA_LOSS", 0.5),
    ],
)
def test_error_rate_counts_what_is_the_servers_fault(code: str, rate: float) -> None:
    stats = RequestStats(now=0.0)
    stats.record("KVService/Get", "OK", 0.001)
    stats.record("KVService/Get", code, 0.001)
    assert stats.figures(now=1.0).error_rate == rate


def test_series_tell_counts_sums_and_buckets_by_method_and_code() -> None:
    stats = RequestStats(now=0.0)
    for seconds in (0.0001, 0.0002, 99.0):
        stats.record("KVService/Get", "OK", seconds)
    stats.record("KVService/Get", "NOT_FOUND", 0.0)
    found, missing = stats.series()
    assert (found.method, found.code, found.count) == ("KVService/Get", "OK", 3)
    assert found.seconds == pytest.approx(99.0003)
    assert found.buckets == (1, 1, *[0] * (len(DURATION_BOUNDS) - 2), 1)
    assert (missing.code, missing.count) == ("NOT_FOUND", 1)


def test_cpu_is_the_share_of_one_core_between_two_ticks() -> None:
    usages = iter([Usage(10.0, 1 << 20), Usage(10.5, 3 << 20), Usage(10.5, 2 << 20)])
    stats = ProcessStats(now=0.0, read=lambda: next(usages))
    stats.sample(1.0)
    figures = stats.figures(now=1.5)
    assert (figures.uptime_seconds, figures.memory_allocated_mb, figures.cpu_percent) == (1.5, 3.0, 50.0)
    stats.sample(2.0)
    assert stats.figures(now=2.0).cpu_percent == 0.0


def test_two_ticks_of_one_moment_do_not_divide_by_zero() -> None:
    stats = ProcessStats(now=0.0, read=lambda: Usage(1.0, 1))
    stats.sample(0.0)
    assert stats.figures(now=0.0).cpu_percent == 0.0


def test_the_kernel_tells_of_this_process() -> None:
    usage = usage_reader()()
    assert usage.cpu_seconds > 0
    assert usage.memory_bytes > 1 << 20


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("KVService/Get", "get"),
        ("KVService/SetDirect", "set"),
        ("KVService/BatchSet", "batch_set"),
        ("KVService/Session (get)", "get"),
        ("KVService/Session (batch_get)", "batch_get"),
        ("KVService/Session (increment)", "other"),
        ("KVService/Session", "other"),
        ("ClusterService/GetState", "other"),
    ],
)
def test_requests_are_of_one_kind_whichever_way_they_came(method: str, kind: str) -> None:
    assert kind_of(method) == kind
    assert kind in OPERATIONS


def test_durations_are_counted_by_kind_without_those_of_streams() -> None:
    stats = RequestStats(now=0.0, streams={"KVService/Watch"})
    for method in ("KVService/Get", "KVService/Session (get)", "KVService/Watch"):
        stats.record(method, "OK", 0.0002)
    stats.record("KVService/Get", "UNAVAILABLE", 99.0)
    ((kind, counts),) = stats.buckets().items()
    assert (kind, counts[1], counts[-1], sum(counts)) == ("get", 2, 1, 3)
    assert stats.totals() == (4, 1)
