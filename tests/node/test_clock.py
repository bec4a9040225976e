"""The machine's clocks, and what a node says of a time in which its process stood still."""

import logging
import time

import pytest

from limedb.node.clock import SystemClock, note_stand


def test_the_clocks_are_the_machines() -> None:
    clock = SystemClock()
    before = time.time_ns() // 1_000_000, time.monotonic()
    read = clock.wall_ms(), clock.elapsed()
    after = time.time_ns() // 1_000_000, time.monotonic()
    assert before[0] <= read[0] <= after[0]
    assert before[1] <= read[1] <= after[1]


def test_time_that_runs_never_runs_backwards() -> None:
    clock = SystemClock()
    moments = [clock.monotonic() for _ in range(100)]
    assert moments == sorted(moments)


@pytest.mark.parametrize(("seconds", "level"), [(0.5, logging.DEBUG), (1.5, logging.WARNING)])
def test_a_long_stand_is_a_warning(seconds: float, level: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "limedb.node.clock")
    note_stand(seconds)
    (record,) = caplog.records
    assert record.levelno == level
    assert f"stood still for {seconds:.1f} s" in record.getMessage()
