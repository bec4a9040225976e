import pytest
from hypothesis import given
from hypothesis import strategies as st

from limedb.core.token_bucket import TokenBucket

RATES = st.floats(0.1, 10_000)
BURSTS = st.floats(1, 1_000)
PAUSES = st.lists(st.floats(0, 5), min_size=1, max_size=200)


@given(RATES, BURSTS, PAUSES)
def test_never_more_than_a_burst_and_the_rate_are_taken_in_any_span(
    rate: float, burst: float, pauses: list[float]
) -> None:
    bucket, now, taken = TokenBucket(rate, burst, 0.0), 0.0, []
    for pause in pauses:
        now += pause
        if not bucket.take(now):
            taken.append(now)
    for first, since in enumerate(taken):
        for last in range(first, len(taken)):
            assert last - first + 1 <= burst + rate * (taken[last] - since) + 1e-6 * (1 + rate)


@given(RATES, BURSTS, st.integers(1, 2_000), st.floats(0, 10_000))
def test_who_waits_as_long_as_a_refusal_says_is_admitted(
    rate: float, burst: float, asked: int, debt: float
) -> None:
    bucket = TokenBucket(rate, burst, 0.0)
    bucket.charge(debt, 0.0)
    for _ in range(asked):
        bucket.take(0.0)
    wait = bucket.take(0.0)
    assert not bucket.take(wait * (1 + 1e-9) + 1e-9)


@given(RATES, BURSTS, PAUSES)
def test_a_refusal_takes_nothing(rate: float, burst: float, pauses: list[float]) -> None:
    asked_often, asked_once = TokenBucket(rate, burst, 0.0), TokenBucket(rate, burst, 0.0)
    for bucket in (asked_often, asked_once):
        bucket.charge(burst, 0.0)
    now = 0.0
    for pause in pauses:
        now += pause / (6 * len(pauses) * rate)  # all together less than a token's time
        assert asked_often.take(now) > 0
    assert asked_often.take(now) == pytest.approx(asked_once.take(now))


def test_a_new_bucket_admits_its_burst_and_then_says_when_the_next_token_comes() -> None:
    bucket = TokenBucket(rate=10, burst=3, now=100.0)
    assert [bucket.take(100.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert bucket.take(100.0) == pytest.approx(0.1)
    assert bucket.take(100.05) == pytest.approx(0.05)
    assert bucket.take(100.1) == 0.0


def test_a_debt_is_paid_before_anything_is_admitted() -> None:
    bucket = TokenBucket(rate=10, burst=5, now=0.0)
    bucket.charge(14, 0.0)
    assert bucket.take(0.0) == pytest.approx(1.0)
    assert bucket.take(1.0) == 0.0


def test_a_clock_that_goes_back_gives_no_tokens() -> None:
    bucket = TokenBucket(rate=1, burst=1, now=10.0)
    assert bucket.take(10.0) == 0.0
    assert bucket.take(5.0) == pytest.approx(1.0)
    assert bucket.take(10.5) == pytest.approx(0.5)


def test_it_is_full_when_it_is_as_new() -> None:
    bucket = TokenBucket(rate=2, burst=4, now=0.0)
    bucket.charge(3, 0.0)
    assert not bucket.is_full(1.0)
    assert bucket.is_full(1.5)
