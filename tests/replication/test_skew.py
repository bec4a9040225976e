"""The cluster's time, and versions too far ahead of it."""

from dataclasses import dataclass

import pytest

from limedb.core.hlc import version_at
from limedb.errors import ClockSkewError, UnavailableError
from limedb.replication.skew import RECHECK_SECONDS, ClockGuard


@dataclass
class HandClock:
    wall: int = 1_000_000
    now: float = 50.0

    def wall_ms(self) -> int:
        return self.wall

    def monotonic(self) -> float:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += seconds
        self.wall += int(seconds * 1000)


def test_a_version_may_be_ahead_by_the_limit_and_no_more() -> None:
    guard = ClockGuard(HandClock(), 500)
    guard.check_version(version_at(1_000_500, 0xFFFF))
    guard.check_version(0)
    with pytest.raises(ClockSkewError, match="501 ms ahead of the clock, more than 500 ms") as caught:
        guard.check_version(version_at(1_000_501))
    assert (caught.value.ahead, caught.value.limit) == (501, 500)


def test_a_clock_that_is_known_to_be_off_is_corrected() -> None:
    guard = ClockGuard(HandClock(), 500, skew_ms=lambda: -600)
    assert guard.now_ms() == 1_000_000 - 600
    with pytest.raises(ClockSkewError):
        guard.check_version(version_at(1_000_000))


def test_the_opinion_is_asked_for_now_and_then_and_at_once_when_the_clock_jumps() -> None:
    clock, opinion = HandClock(), [0]
    guard = ClockGuard(clock, 500, lambda: opinion[0], lambda: "off" if opinion[0] else "")
    guard.check_own()
    opinion[0] = -700
    assert guard.now_ms() == clock.wall  # not asked again yet
    clock.wall += 700
    assert guard.now_ms() == clock.wall - 700
    with pytest.raises(UnavailableError, match="off"):
        guard.check_own()
    opinion[0] = 0
    clock.pass_seconds(RECHECK_SECONDS)
    guard.check_own()


def test_a_node_that_is_alone_takes_what_its_own_clock_gave_before_it_was_set_back() -> None:
    clock, others = HandClock(), [0]
    guard = ClockGuard(clock, 500, is_alone=lambda: not others[0])
    version = version_at(clock.wall + 600_000)
    guard.check_version(version)
    others[0] = 1
    with pytest.raises(ClockSkewError):
        guard.check_version(version)
