"""Log lines of which many alike come at once."""

import logging

import pytest

from limedb.aio.sparing import MAX_KINDS, Sparing

log = logging.getLogger("limedb.test")


def test_of_each_kind_one_line_passes_in_its_time_and_says_how_many_did_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = [0.0]
    sparing = Sparing(log, 10.0, lambda: now[0])
    for second in range(21):
        now[0] = float(second)
        sparing.log("full", logging.WARNING, "no room for %s", "k")
        if second == 5:
            sparing.log("other", logging.WARNING, "something else")
    assert caplog.messages == [
        "no room for k",
        "something else",
        "no room for k (and 9 more times since this was last logged)",
        "no room for k (and 9 more times since this was last logged)",
    ]


def test_kinds_without_number_cost_bounded_memory(caplog: pytest.LogCaptureFixture) -> None:
    sparing = Sparing(log, 10.0, lambda: 0.0)
    for number in range(3 * MAX_KINDS):
        sparing.log(f"kind {number}", logging.WARNING, "line")
    assert len(sparing._kinds) == MAX_KINDS
    assert len(caplog.messages) == 3 * MAX_KINDS
