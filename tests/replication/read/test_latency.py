"""Latencies: the percentile of the last minute, and who is asked first."""

from limedb.replication.read.latency import DEFAULT_DELAY, MIN_DELAY, Latencies

A, B, C = "http://a:1", "http://b:1", "http://c:1"


def test_before_there_are_samples_the_delay_is_the_default() -> None:
    latencies = Latencies()
    assert latencies.delay(0.0) == DEFAULT_DELAY
    for _ in range(99):
        latencies.note(A, 1.0, 0.5)
    assert latencies.delay(2.0) == DEFAULT_DELAY


def test_the_delay_is_the_99th_percentile() -> None:
    latencies = Latencies()
    for i in range(1, 1001):
        latencies.note(A, i / 10_000, 1.0)  # 0.1 to 100 ms
    assert 0.099 <= latencies.delay(2.0) <= 0.099 * 1.3


def test_the_delay_is_never_below_some_milliseconds() -> None:
    latencies = Latencies()
    for _ in range(200):
        latencies.note(A, 0.0001, 1.0)
    assert latencies.delay(2.0) == MIN_DELAY


def test_only_the_last_minute_counts() -> None:
    latencies = Latencies()
    for _ in range(200):
        latencies.note(A, 2.0, 1.0)
    for _ in range(200):
        latencies.note(A, 0.02, 65.0)
    assert latencies.delay(30.0) > 1.9
    assert latencies.delay(75.0) < 0.03
    assert latencies.delay(300.0) == DEFAULT_DELAY


def test_the_quickest_is_asked_first_and_a_failed_one_last() -> None:
    latencies = Latencies()
    latencies.note(A, 0.02, 1.0)
    latencies.note(B, 0.01, 1.0)
    latencies.note(C, 0.001, 1.0)
    assert latencies.ranked([A, B, C], 1.0) == [C, B, A]
    latencies.note_failed(C, 0.0, 1.0)
    assert latencies.ranked([A, B, C], 1.5) == [B, A, C]


def test_a_slow_node_is_tried_again_some_time() -> None:
    latencies = Latencies()
    latencies.note_failed(A, 1.0, 0.0)
    for second in range(120):
        latencies.note(B, 0.01, float(second))
    assert latencies.ranked([B, A], 120.0) == [A, B]


def test_extreme_times_are_taken() -> None:
    latencies = Latencies()
    for seconds in (0.0, 1e-9, 1e9):
        latencies.note(A, seconds, 0.0)
    assert latencies.delay(1.0) == DEFAULT_DELAY
