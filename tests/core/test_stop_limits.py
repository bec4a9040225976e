"""How long a stop may take follows from a node's settings."""

from limedb.core.stop_limits import (
    LAST_SECONDS,
    LONGEST_DRAIN_SECONDS,
    drain_seconds,
    stop_seconds,
    uncounted_ms,
)


def test_a_stop_waits_for_a_crashed_peer_until_it_counts_whatever_max_clock_skew_is() -> None:
    for skew in (0.01, 0.5, 5.0, 20.0):
        assert drain_seconds(skew) > uncounted_ms(int(1000 * skew)) / 1000


def test_it_has_an_end_where_clocks_may_differ_much() -> None:
    assert drain_seconds(3600.0) == LONGEST_DRAIN_SECONDS


def test_a_whole_stop_has_time_for_the_wait_and_for_all_else() -> None:
    assert stop_seconds(0.5) > drain_seconds(0.5) + LAST_SECONDS
