"""Zipf's law: what is drawn follows it."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limedb.load.zipf import Zipf

DRAWS = 200_000


@pytest.mark.parametrize("exponent", [0.5, 0.99, 1.0, 1.5])
def test_ranks_come_as_often_as_the_law_says(exponent: float) -> None:
    count = 50
    ranks = Zipf(count, Random(7).random, exponent)
    seen = Counter(ranks.draw() for _ in range(DRAWS))
    weights = [(rank + 1) ** -exponent for rank in range(count)]
    expected = [DRAWS * weight / sum(weights) for weight in weights]
    chi_square = sum((seen[rank] - wanted) ** 2 / wanted for rank, wanted in enumerate(expected))
    assert chi_square < 85.4  # one seed in a thousand would be above, of 49 degrees of freedom


@settings(deadline=None)
@given(st.integers(1, 10**12), st.floats(0.1, 3), st.integers())
def test_a_rank_is_one_of_those_that_there_are(count: int, exponent: float, seed: int) -> None:
    ranks = Zipf(count, Random(seed).random, exponent)
    assert all(0 <= ranks.draw() < count for _ in range(20))


def test_the_same_randomness_gives_the_same_ranks() -> None:
    first, second = (Zipf(1000, Random(3).random) for _ in range(2))
    assert [first.draw() for _ in range(100)] == [second.draw() for _ in range(100)]
