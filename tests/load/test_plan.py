"""Keys and values of a load test: the same whenever they are made again, and told apart."""

from collections import Counter
from dataclasses import replace

import pytest

from limedb.load.plan import Distribution, LoadPlan, Mode

PLAN = LoadPlan(Mode.VERIFY, requests=None, seconds=1, workers=7, keys=100, value_size=64)


@pytest.mark.parametrize("size", [16, 31, 32, 33, 1000])
def test_a_value_has_its_size_and_is_made_again_alike(size: int) -> None:
    plan = replace(PLAN, value_size=size)
    assert len(plan.value(3, 1)) == size
    assert plan.value(3, 1) == plan.value(3, 1)


def test_values_of_other_keys_versions_and_runs_differ() -> None:
    values = {
        plan.value(key, n) for plan in (PLAN, replace(PLAN, seed=2)) for key in range(9) for n in range(9)
    }
    assert len(values) == 2 * 9 * 9


def test_workers_share_all_keys_and_none_twice() -> None:
    shares = [number for worker in range(PLAN.workers) for number in PLAN.share_of(worker)]
    assert sorted(shares) == list(range(PLAN.keys))


@pytest.mark.parametrize("distribution", list(Distribution))
def test_a_picker_chooses_as_its_distribution_says(distribution: Distribution) -> None:
    pick = replace(PLAN, distribution=distribution).picker(100, PLAN.random(0))
    seen = Counter(pick() for _ in range(20_000))
    assert set(seen) <= set(range(100))
    is_steep = seen[0] > 5 * seen[50]
    assert is_steep == (distribution is Distribution.ZIPFIAN)
