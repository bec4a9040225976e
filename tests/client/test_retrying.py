"""Retries: pauses that grow, and a budget that answers fill."""

from limedb.client.retrying import CAPACITY, FIRST_PAUSE, LONGEST_PAUSE, Budget, Retries


def test_pauses_grow_to_the_longest_and_are_drawn_from_their_upper_half() -> None:
    high, low = Retries(Budget(), lambda: 1.0), Retries(Budget(), lambda: 0.0)
    longest, shortest = [high.pause() for _ in range(8)], [low.pause() for _ in range(8)]
    assert longest[0] == FIRST_PAUSE
    assert longest == sorted(longest)
    assert longest[-1] == LONGEST_PAUSE
    assert shortest == [pause / 2 for pause in longest]


def test_a_call_of_half_a_minute_is_tried_fourteen_times_at_most() -> None:
    retries, now, tries = Retries(Budget(), lambda: 0.5), 0.0, 1
    while (now := now + retries.pause()) < 30:
        tries += 1
    assert tries <= 14


def test_the_first_retry_of_each_call_is_free_and_later_ones_share_a_budget() -> None:
    budget = Budget()
    calls = [Retries(budget, lambda: 1.0) for _ in range(100)]
    assert {call.pause() for call in calls} == {FIRST_PAUSE}
    second = [call.pause() for call in calls]
    assert sum(pause < LONGEST_PAUSE for pause in second) == CAPACITY
    assert second[-1] == LONGEST_PAUSE


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
