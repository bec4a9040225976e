"""How a node finds out that its clock is wrong."""

import asyncio

import pytest

from limedb.cluster.gossip.clock_skew import START_INTERVALS, ClockSkewMonitor
from tests.cluster.nodes import Cluster, formed
from tests.cluster.virtual import run_virtual
from tests.support.hand_clock import HandClock

MEMBERS = ["b", "c", "d", "e"]


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def watch(clock: HandClock) -> ClockSkewMonitor:
    return ClockSkewMonitor(clock, max_skew_ms=500, interval=1.0, members=lambda: MEMBERS)


def hear(watch: ClockSkewMonitor, clock: HandClock, round_trip: float = 0.01, **ahead: int) -> None:
    """Measure peers that are so many ms ahead of the right time."""
    for url, offset in ahead.items():
        watch.measured(url, int(clock.now * 1000) + offset, round_trip)


def test_clocks_that_agree_are_fine(watch: ClockSkewMonitor, clock: HandClock) -> None:
    hear(watch, clock, b=40, c=-30, d=0)

    assert (watch.skew_ms(), watch.problem()) == (0, "")
    assert watch.offsets()["b"] == pytest.approx(45, abs=2)


def test_one_peer_that_is_off_is_its_own_problem(watch: ClockSkewMonitor, clock: HandClock) -> None:
    hear(watch, clock, b=600_000, c=-600_000, d=0, e=10)

    assert (watch.skew_ms(), watch.problem()) == (0, "")


def test_a_majority_that_disagrees_says_by_how_much(watch: ClockSkewMonitor, clock: HandClock) -> None:
    clock.offset_ms = 600_000
    hear(watch, clock, b=0, c=0, d=600_000)

    assert watch.skew_ms() == pytest.approx(-600_000, abs=10)
    assert "ahead of those of 2 of 3 peers, more than 500 ms (MAX_CLOCK_SKEW)" in watch.problem()


def test_a_jump_of_the_own_clock_shows_at_once_and_ends_when_it_is_set_right(
    watch: ClockSkewMonitor, clock: HandClock
) -> None:
    hear(watch, clock, b=0, c=0)
    clock.offset_ms = -600_000
    assert watch.skew_ms() == pytest.approx(600_000, abs=10)
    assert "behind" in watch.problem()
    clock.offset_ms = 0
    assert watch.problem() == ""


def test_what_is_within_the_uncertainty_is_no_disagreement(watch: ClockSkewMonitor, clock: HandClock) -> None:
    hear(watch, clock, round_trip=2.0, b=-600, c=-600)
    assert watch.problem() == ""
    hear(watch, clock, b=-600, c=-600)
    assert watch.problem() != ""


def test_strangers_and_old_measurements_do_not_count(watch: ClockSkewMonitor, clock: HandClock) -> None:
    clock.now += START_INTERVALS
    hear(watch, clock, x=600_000, y=600_000)
    assert watch.problem() == ""
    hear(watch, clock, b=600_000)
    assert watch.problem() != ""
    clock.now += 60
    assert watch.problem() == ""
    assert watch.offsets() == {}


def test_a_peer_that_does_not_report_its_time_is_not_measured(watch: ClockSkewMonitor) -> None:
    watch.measured("b", 0, 0.01)

    assert watch.offsets() == {}


def test_a_node_that_starts_waits_a_while_until_it_has_heard_a_clock(clock: HandClock) -> None:
    watch = ClockSkewMonitor(clock, max_skew_ms=500, interval=1.0, members=lambda: MEMBERS)
    assert "just started" in watch.problem()
    hear(watch, clock, b=0)
    assert watch.problem() == ""

    unheard = ClockSkewMonitor(clock, max_skew_ms=500, interval=1.0, members=lambda: MEMBERS)
    clock.now += START_INTERVALS
    assert unheard.problem() == ""
    assert ClockSkewMonitor(clock, max_skew_ms=500, interval=1.0, members=lambda: ["a"]).problem() == ""


def test_measurements_from_before_a_peers_clock_was_set_do_not_hide_that_the_own_one_jumps(
    watch: ClockSkewMonitor, clock: HandClock
) -> None:
    hear(watch, clock, b=600_000, c=600_000, d=0, e=0)
    hear(watch, clock, round_trip=0.1, b=0, c=0)
    assert watch.problem() == ""
    clock.offset_ms = 600_000
    assert "ahead of those of 4 of 4" in watch.problem()


@pytest.mark.simulation
def test_nodes_compare_their_clocks_as_they_gossip() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            nodes = await formed(cluster, 4)
            await asyncio.sleep(10)
            for node in nodes:
                assert set(node.clocks.offsets()) == {n.url for n in nodes if n is not node}
                assert node.clocks.problem() == ""

    run_virtual(scenario())
