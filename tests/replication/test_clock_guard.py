"""The cluster's time, and versions too far ahead of it."""

import pytest

from limedb.core.hlc import COUNTER_BITS, MAX_VERSION, version_at
from limedb.core.idempotency import MAX_AGE_MS
from limedb.core.slewed_time import MAX_LEAD_MS
from limedb.errors import ClockSkewError, UnavailableError
from limedb.ports import SeenTime
from limedb.replication.clock_guard import ABOVE_MS, BRIDGED_MS, RECHECK_SECONDS, ClockSkewGuard
from limedb.replication.cluster_clock import ClusterClock
from tests.support.hand_clock import HandClock


def test_a_version_may_be_ahead_by_the_limit_and_no_more() -> None:
    guard = ClockSkewGuard(HandClock(1000.0), 500)
    guard.check_version(version_at(1_000_500, 0xFFFF))
    guard.check_version(0)
    with pytest.raises(ClockSkewError, match="501 ms ahead of the clock, more than 500 ms") as caught:
        guard.check_version(version_at(1_000_501))
    assert (caught.value.ahead, caught.value.limit) == (501, 500)


def test_a_clock_that_is_known_to_be_off_is_corrected() -> None:
    guard = ClockSkewGuard(HandClock(1000.0), 500, skew_ms=lambda: -600)
    assert guard.now_ms() == 1_000_000 - 600
    with pytest.raises(ClockSkewError):
        guard.check_version(version_at(1_000_000))


def test_the_opinion_is_asked_for_now_and_then_and_at_once_when_the_clock_jumps() -> None:
    clock, opinion = HandClock(1000.0), [0]
    guard = ClockSkewGuard(clock, 500, lambda: opinion[0], lambda: "off" if opinion[0] else "")
    guard.check_own()
    opinion[0] = -700
    assert guard.now_ms() == clock.wall_ms()  # not asked again yet
    clock.offset_ms += 700
    assert guard.now_ms() == clock.wall_ms() - 700
    with pytest.raises(UnavailableError, match="off"):
        guard.check_own()
    clock.now += RECHECK_SECONDS
    opinion[0] = 0
    guard.check_own()


def test_a_clock_that_drifts_off_is_noticed_when_the_opinion_is_due() -> None:
    clock, problem = HandClock(1000.0), [""]
    guard = ClockSkewGuard(clock, 500, problem=lambda: problem[0])
    guard.check_own()
    problem[0] = "off"
    guard.check_own()  # kept for a while, since asking looks at all peers
    clock.now += RECHECK_SECONDS
    with pytest.raises(UnavailableError, match="off"):
        guard.check_own()


def test_writes_are_taken_as_soon_as_health_finds_nothing_wrong() -> None:
    clock, problem = HandClock(1000.0), ["not compared yet"]
    guard = ClockSkewGuard(clock, 500, problem=lambda: problem[0])
    with pytest.raises(UnavailableError, match="not compared yet"):
        guard.check_own()
    problem[0] = ""
    guard.check_own()


def test_time_does_not_step_back_with_a_clock_that_is_set_right() -> None:
    clock = HandClock(1000.0)
    guard = ClockSkewGuard(clock, 500)
    before = guard.now_ms()
    clock.offset_ms -= 60_000
    assert guard.now_ms() == pytest.approx(before, abs=1)
    assert guard.lead_ms == pytest.approx(60_000, abs=1)
    clock.now += 10
    assert guard.now_ms() == pytest.approx(before + 9_000, abs=2)
    clock.now += 595
    assert (guard.lead_ms, guard.now_ms()) == (0, clock.wall_ms())


def test_a_lead_that_nobody_shares_is_given_up_and_the_versions_follow() -> None:
    clock, dropped = HandClock(1000.0), []
    guard = ClockSkewGuard(clock, 500, agree=lambda own, now_ms: 0.0)
    guard.on_drop = dropped.append
    guard.now_ms()
    clock.offset_ms -= 60_000
    assert guard.now_ms() == clock.wall_ms()
    assert dropped == [clock.wall_ms()]


def test_what_is_stored_vouches_for_what_is_a_little_above_it() -> None:
    clock = HandClock(1000.0)
    stored = version_at(clock.wall_ms() + 60_000)
    guard = ClockSkewGuard(clock, 500, agree=lambda own, now_ms: 0.0, mark=lambda: stored)
    guard.check_version(stored + 1)
    guard.check_version(stored + (ABOVE_MS << COUNTER_BITS))
    with pytest.raises(ClockSkewError):
        guard.check_version(stored + (ABOVE_MS + 1 << COUNTER_BITS))


def test_what_is_stored_more_than_a_day_ahead_vouches_for_nothing_and_is_a_problem() -> None:
    clock = HandClock(1000.0)
    stored = version_at(clock.wall_ms() + BRIDGED_MS + 60_000)
    guard = ClockSkewGuard(clock, 500, mark=lambda: stored)
    assert guard.now_ms() == clock.wall_ms()
    with pytest.raises(ClockSkewError):
        guard.check_version(stored + 1)
    with pytest.raises(ClockSkewError):
        guard.check_stored(stored)
    (problem,) = guard.problems()
    assert "24 h 1 min ahead" in problem.text
    assert "1970-01-02 00:17:40 UTC" in problem.text


@pytest.mark.parametrize("stored", [0, MAX_VERSION])
def test_no_version_makes_a_guard_fail(stored: int) -> None:
    guard = ClockSkewGuard(HandClock(1000.0), 500, mark=lambda: stored)
    guard.now_ms()
    assert len(list(guard.problems())) == (stored > 0)
    guard.check_version(version_at(1_000_000))


def test_what_a_wrong_clock_showed_before_it_was_compared_is_nobodys_time() -> None:
    clock, opinion = HandClock(1000.0), [(0, "not compared yet")]
    guard = ClockSkewGuard(clock, 500, lambda: opinion[0][0], lambda: opinion[0][1])
    assert guard.now_ms() == clock.wall_ms()
    opinion[0] = (-600_000, "ahead")
    clock.now += 1
    assert guard.now_ms() == clock.wall_ms() - 600_000
    clock.offset_ms -= 600_000
    opinion[0] = (0, "")
    assert guard.now_ms() == clock.wall_ms()
    clock.offset_ms -= 600_000  # from now on it served under that time
    assert guard.lead_ms == pytest.approx(600_000, abs=1)


def test_after_a_restart_time_begins_where_the_stored_versions_are() -> None:
    clock = HandClock(1000.0)
    guard = ClockSkewGuard(clock, 500, mark=lambda: version_at(clock.wall_ms() + 60_000))
    assert guard.now_ms() == clock.wall_ms() + 60_000
    (problem,) = guard.problems()
    assert "1 min 0 s ahead of its clocks" in problem.text
    assert not problem.stops_serving


@pytest.mark.parametrize("seconds", [60, 10 * 86_400, 30_000 * 86_400])
def test_after_a_restart_time_continues_from_what_was_written_down(seconds: int) -> None:
    clock = HandClock(1000.0)
    seen = SeenTime(clock.wall_ms() + seconds * 1000, 30_000)
    guard = ClockSkewGuard(clock, 500, seen=seen)
    assert guard.now_ms() == seen.ms + seen.slack_ms
    guard.check_version(version_at(seen.ms))
    (problem,) = guard.problems()
    assert "ahead of its clocks" in problem.text
    assert ("to end it earlier, export all keys" in problem.text) == (seconds > 86_400)


def test_a_clock_that_was_not_set_back_owes_nothing_to_the_slack() -> None:
    clock = HandClock(1000.0)
    assert ClockSkewGuard(clock, 500, seen=SeenTime(clock.wall_ms(), 30_000)).lead_ms == 0


def test_a_written_time_beyond_all_sense_vouches_for_nothing() -> None:
    clock = HandClock(1000.0)
    guard = ClockSkewGuard(clock, 500, seen=SeenTime(clock.wall_ms() + int(MAX_LEAD_MS) + 1, 0))
    assert guard.now_ms() == clock.wall_ms()


def test_a_lead_from_before_the_start_that_no_majority_has_is_given_up() -> None:
    clock = HandClock(1000.0)
    seen = SeenTime(clock.wall_ms() + 864_000_000, 0)
    guard = ClockSkewGuard(clock, 500, agree=lambda own, now_ms: 0.0, seen=seen)
    assert guard.now_ms() == clock.wall_ms()


def test_the_clusters_clock_shows_the_clusters_time_and_the_machines_seconds() -> None:
    clock = HandClock(1000.0)
    guard = ClockSkewGuard(clock, 500)
    guard.now_ms()
    time = ClusterClock(clock, guard)
    clock.offset_ms -= 60_000
    assert time.wall_ms() == pytest.approx(1_000_000, abs=1)
    assert (time.monotonic(), time.elapsed()) == (1000.0, 1000.0)


def test_clients_whose_clocks_are_right_find_their_operations_young_beside_a_large_lead() -> None:
    clock = HandClock(1_000_000.0)
    guard = ClockSkewGuard(clock, 500)
    guard.clients_ms()
    clock.offset_ms -= 3_600_000
    assert guard.clients_ms() == clock.wall_ms()
    assert guard.now_ms() == pytest.approx(clock.wall_ms() + 3_600_000, abs=1)
    again = ClockSkewGuard(clock, 500, seen=SeenTime(clock.wall_ms() + 3_600_000, 0))
    assert again.clients_ms() == clock.wall_ms()


def test_operations_are_judged_by_a_time_that_does_not_step_back_by_less_than_their_age() -> None:
    clock = HandClock(1_000_000.0)
    guard = ClockSkewGuard(clock, 500)
    before = guard.clients_ms()
    clock.offset_ms -= MAX_AGE_MS
    assert guard.clients_ms() == pytest.approx(before, abs=1)
    clock.now += 600
    assert guard.clients_ms() == pytest.approx(clock.wall_ms() + 0.9 * MAX_AGE_MS, abs=2)
    clock.offset_ms -= 60_000  # the lead is 600 s again
    assert guard.clients_ms() == pytest.approx(clock.wall_ms() + MAX_AGE_MS, abs=2)
    clock.offset_ms -= 3_000  # and more than that
    assert guard.clients_ms() == clock.wall_ms()
