"""The judgement of values: by the last acknowledged write, and those whose outcome is unknown."""

import pytest

from limedb.load.ledger import CountLedger, Ledger
from limedb.load.plan import LoadPlan, Mode

PLAN = LoadPlan(Mode.VERIFY, requests=None, seconds=1, workers=1, keys=3, value_size=40)


def written(versions: int) -> Ledger:
    """A ledger after acknowledged writes of key 1."""
    ledger = Ledger(PLAN)
    for _ in range(versions):
        ledger.stored(1, ledger.next_version(1))
    return ledger


def test_a_key_that_was_never_written_may_have_any_value() -> None:
    ledger = written(1)
    assert (ledger.has(1), ledger.has(2)) == (True, False)
    assert ledger.compare(2, "whatever") is None


def test_only_the_newest_acknowledged_value_is_right() -> None:
    ledger = written(2)
    assert ledger.compare(1, PLAN.value(1, 2)) is None
    for wrong in (PLAN.value(1, 1), PLAN.value(2, 2), None, b"\xff"):
        assert ledger.compare(1, wrong) is not None


def test_a_write_of_unknown_outcome_may_have_taken_effect_or_not() -> None:
    ledger = written(1)
    ledger.unknown(1, ledger.next_version(1))
    assert ledger.compare(1, PLAN.value(1, 1)) is None
    assert ledger.compare(1, PLAN.value(1, 2)) is None
    assert ledger.compare(1, PLAN.value(1, 3)) is not None


@pytest.mark.parametrize(("found", "shown"), [(None, "no value"), ("x", "'x'"), (b"\xff", "'ff'")])
def test_a_mismatch_names_both_values(found: str | bytes | None, shown: str) -> None:
    mismatch = written(1).compare(1, found)
    assert str(mismatch).startswith(f"key {PLAN.key(1)!r}: expected ")
    assert str(mismatch).endswith(f", found {shown}")


def test_a_sum_has_each_acknowledged_increment_and_may_have_the_unknown_ones() -> None:
    sums = CountLedger(PLAN)
    for _ in range(3):
        sums.added(1)
    sums.unknown(1)
    assert [sums.compare(1, found) is None for found in ("2", "3", "4", "5", None, "x", b"3", "-3")] == [
        False, True, True, False, False, False, False, False,
    ]  # fmt: skip
    assert "expected 3 to 4, found '9'" in str(sums.compare(1, "9"))
    assert sums.compare(0, "0") is None
