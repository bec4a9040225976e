"""Retries: pauses that grow, a budget that answers fill, and patience with what is away."""

import pytest

from limedb.aio.retrying import (
    CAPACITY,
    FIRST_PAUSE_SECONDS,
    LONGEST_LOOK_SECONDS,
    LONGEST_PAUSE_SECONDS,
    Budget,
    Patience,
    Pauses,
    Retries,
    tried_words,
)
from limedb.errors import UnavailableError


def retries(budget: Budget, chance: float = 1.0) -> Retries:
    return Retries(budget, Pauses(chance=lambda: chance))


def test_pauses_grow_to_the_longest_and_are_drawn_from_their_upper_half() -> None:
    high, low = Pauses(chance=lambda: 1.0), Pauses(chance=lambda: 0.0)
    longest, shortest = [high.pause() for _ in range(8)], [low.pause() for _ in range(8)]
    assert longest[0] == FIRST_PAUSE_SECONDS
    assert longest == sorted(longest)
    assert longest[-1] == LONGEST_PAUSE_SECONDS
    assert shortest == [pause / 2 for pause in longest]


def test_after_a_success_pauses_begin_with_the_first_again() -> None:
    pauses = Pauses(chance=lambda: 1.0)
    first, second, _ = pauses.pause(), pauses.pause(), pauses.pause()
    pauses.begin_anew()
    assert [pauses.pause(), pauses.pause()] == [first, second]


def test_a_call_of_half_a_minute_is_tried_fourteen_times_at_most() -> None:
    call, now, tries = retries(Budget(), 0.5), 0.0, 1
    while (now := now + call.pause()) < 30:
        tries += 1
    assert tries <= 14


def test_the_first_retry_of_each_call_is_free_and_later_ones_share_a_budget() -> None:
    budget = Budget()
    calls = [retries(budget) for _ in range(100)]
    assert {call.pause() for call in calls} == {FIRST_PAUSE_SECONDS}
    second = [call.pause() for call in calls]
    assert sum(pause < LONGEST_PAUSE_SECONDS for pause in second) == CAPACITY
    assert second[-1] == LONGEST_PAUSE_SECONDS


def test_ten_answers_allow_one_retry_more_and_no_number_more_than_the_capacity() -> None:
    budget = Budget()
    while budget.spend():
        pass
    for _ in range(11):
        budget.earn()
    assert [budget.spend(), budget.spend()] == [True, False]
    for _ in range(1000):
        budget.earn()
    assert sum(budget.spend() for _ in range(100)) == CAPACITY


class Time:
    """A clock that moves when it is slept by."""

    def __init__(self) -> None:
        self.now, self.slept = 100.0, list[float]()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def patience(self, seconds: float) -> Patience:
        pauses = Pauses(longest=LONGEST_LOOK_SECONDS, chance=lambda: 1.0)
        return Patience(seconds, pauses, lambda: self.now, self.sleep)


def never_heard(patience: Patience) -> None:
    while True:
        patience.wait(UnavailableError("nobody there"))


def test_patience_ends_when_its_time_is_over_and_says_how_often_it_was_tried() -> None:
    time = Time()
    with pytest.raises(UnavailableError) as caught:
        never_heard(time.patience(30))
    assert sum(time.slept) == pytest.approx(30)
    assert max(time.slept) == LONGEST_LOOK_SECONDS
    assert str(caught.value) == f"nobody there (tried {len(time.slept) + 1} times in 30.0 s)"


def test_patience_starts_over_whenever_something_was_heard() -> None:
    time = Time()
    patience = time.patience(1)
    for _ in range(5):
        patience.wait(UnavailableError("nobody there"))
        patience.heard()
        time.now += 1000  # what is heard may be silent for long
    assert time.slept == [FIRST_PAUSE_SECONDS] * 5


def test_one_try_is_not_counted() -> None:
    assert (tried_words(1, 5), tried_words(2, 5)) == ("", "tried 2 times in 5.0 s")
