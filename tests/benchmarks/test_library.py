"""The client libraries of checkouts, in turns."""

from pathlib import Path

import pytest

from bench.compare import Checkout
from bench.library import Measured, measure, row

ROOT = Path(__file__).parents[2]


@pytest.mark.process
@pytest.mark.parametrize("what", ["get", "set"])
def test_callers_of_a_checkouts_library_are_answered_and_both_sides_time_is_counted(
    tmp_path: Path, what: str
) -> None:
    checkout = Checkout(ROOT, tmp_path, 1)
    try:
        checkout.start()
        found = measure("limedb", ROOT, checkout.address, checkout.pids, what, 8, 0.4)
    finally:
        checkout.stop()
    assert found.rate > 0
    assert 0 < found.client < 1e6 / found.rate * 2
    assert found.server > 0


def test_a_row_has_medians_and_spans() -> None:
    rounds = [Measured(1000, 30, 7), Measured(3000, 10, 9), Measured(2000, 20, 8)]
    assert row(rounds) == (
        "    2,000/s (1,000 to 3,000); "
        "µs of processor time: client 20.0 (10.0 to 30.0), server 8.0 (7.0 to 9.0)"
    )
