"""Budgets: the amount held is the amount taken, and a holder that takes much leaves room for others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limedb.core.budget import LITTLE, Budget

HOLDERS = st.sampled_from(["a", "b", "c", "d"])


@given(st.integers(0, 1000), st.lists(st.tuples(HOLDERS, st.integers(-300, 300))))
def test_what_is_held_is_the_sum_of_what_was_taken_and_never_over_the_limit(
    limit: int, steps: list[tuple[str, int]]
) -> None:
    budget, taken, alone = Budget(limit), dict.fromkeys("abcd", 0), 0
    for holder, amount in steps:
        alone = amount if budget.held <= limit / LITTLE else alone
        if amount >= 0:
            taken[holder] += amount if budget.take(holder, amount) else 0
        elif -amount <= taken[holder]:
            budget.give(holder, -amount)
            taken[holder] += amount
        assert budget.held == sum(taken.values()) <= max(limit, alone + limit / LITTLE)
        assert all(budget.held_by(name) == held for name, held in taken.items())
        assert budget.holders == sum(held > 0 for held in taken.values())


@given(st.integers(10_000, 100_000), st.integers(1, 8), st.sampled_from([1.0, 0.5]), st.integers(1, 500))
def test_each_who_takes_all_it_can_and_keeps_it_leaves_its_part_to_the_next(
    limit: int, hogs: int, part: float, amount: int
) -> None:
    budget = Budget(limit, part)
    for n in range(hogs):
        before = budget.free
        while budget.take(f"hog-{n}", amount):
            pass
        assert budget.free >= before / (1 + part) - amount
    assert budget.take("newcomer", int(part * budget.free))


def test_one_alone_gets_anything_at_once_and_half_of_the_limit_bit_by_bit() -> None:
    assert Budget(100).take("a", 300)
    budget = Budget(100)
    assert sum(budget.take("a", 1) for _ in range(100)) == 50


@pytest.mark.parametrize("part", [1.0, 0.5])
@given(amount=st.integers(1, 5000))
def test_whatever_its_size_it_fits_beside_what_is_held_forever_if_that_is_little(
    part: float, amount: int
) -> None:
    budget = Budget(1600, part)
    budget.take("stream", 100)
    assert budget.take("a", amount)
    is_large = amount > 1500 * part
    assert not (is_large and budget.take("b", amount))
    budget.give("a", amount)
    budget.take("stream", 1)
    assert budget.take("a", amount) == (amount <= part * 1499)


def test_what_can_not_be_refused_is_counted_over_the_limit() -> None:
    budget = Budget(10)
    budget.force("a", 30)
    assert (budget.held, budget.free) == (30, 0)
    assert not budget.take("b", 1)
    budget.give("a", 30)
    assert budget.take("b", 10)


def test_nobody_gives_what_it_does_not_hold() -> None:
    budget = Budget(10)
    budget.take("a", 3)
    with pytest.raises(ValueError, match="a holds 3, and can't give 4"):
        budget.give("a", 4)


def test_who_holds_most_is_known() -> None:
    budget = Budget(100)
    assert budget.most() == ("", 0)
    budget.take("a", 3)
    budget.take("b", 5)
    assert budget.most() == ("b", 5)
