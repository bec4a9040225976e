"""The failure detector: soon for the dead, patient with the living."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heapify, heapreplace
from random import Random

import pytest

from limedb.cluster.gossip.peer_selector import PeerPicker
from limedb.core.detector import WINDOW, Detector, Status
from limedb.core.membership import Membership, NodeState

URL = "http://a:8484"


def beating(interval: float, beats: int, expected: float = 1.0) -> tuple[Detector, float]:
    """A detector that heard a regular node, and the time of the last beat."""
    detector = Detector(expected)
    for i in range(beats):
        detector.heard(URL, i * interval)
    return detector, (beats - 1) * interval


def silence_until(detector: Detector, status: Status, last: float) -> float:
    """Seconds of silence after which the node gets the status."""
    return next(s / 100 for s in range(100_000) if detector.status(URL, last + s / 100) is status)


@pytest.mark.parametrize("beats", [1, 2, 10, 1000])
def test_a_node_that_falls_silent_is_stale_within_3_s_and_dead_within_5_s(beats: int) -> None:
    detector, last = beating(1.0, beats)

    assert 2 <= silence_until(detector, Status.STALE, last) <= 3
    assert 3.5 <= silence_until(detector, Status.DEAD, last) <= 5


@pytest.mark.parametrize("interval", [0.02, 0.2, 30.0])
def test_the_times_follow_the_gossip_interval(interval: float) -> None:
    detector, last = beating(interval, 50, expected=interval)

    assert detector.status(URL, last + 2 * interval) is Status.ACTIVE
    assert detector.status(URL, last + 3 * interval) is Status.STALE
    assert detector.status(URL, last + 5 * interval) is Status.DEAD


def test_a_node_known_only_by_name_is_silent_since_it_became_known() -> None:
    detector = Detector(1.0)
    detector.watch(URL, 100.0)
    detector.watch(URL, 102.0)

    assert detector.lag(URL, 101.5) == 1.5
    assert [detector.status(URL, 100.0 + s) for s in (1, 3, 5)] == ["active", "stale", "dead"]


def test_a_dead_node_that_is_heard_is_active() -> None:
    detector, last = beating(1.0, 10)
    detector.heard(URL, last + 60)

    assert detector.status(URL, last + 61) is Status.ACTIVE
    assert detector.lag(URL, last + 61) == 1.0


def test_outages_do_not_hide_the_next_one() -> None:
    detector, last = beating(1.0, 10)
    for _ in range(3):
        last += 3600
        detector.heard(URL, last)

    assert silence_until(detector, Status.DEAD, last) <= 5.5


def test_the_time_before_the_first_heartbeat_is_no_interval() -> None:
    detector = Detector(1.0)
    detector.watch(URL, 0.0)
    detector.heard(URL, 500.0)

    assert silence_until(detector, Status.DEAD, 500.0) <= 4


def test_a_slower_node_is_learnt() -> None:
    detector, last = beating(3.0, 2 * WINDOW)

    assert detector.status(URL, last + 4) is Status.ACTIVE


def test_phi_grows_with_silence_and_reaches_infinity() -> None:
    detector, last = beating(1.0, 20)
    grown = [detector.phi(URL, last + s) for s in range(60)]

    assert grown == sorted(grown)
    assert grown[0] < 0.1
    assert detector.phi(URL, last + 1) == pytest.approx(-math.log10(0.5), abs=0.02)
    assert grown[-1] == math.inf


def test_a_clock_that_stands_still_is_no_division_by_zero() -> None:
    detector = Detector(1.0)
    for _ in range(2 * WINDOW):
        detector.heard(URL, 5.0)

    assert detector.status(URL, 5.0) is Status.ACTIVE


def test_a_node_that_is_not_watched_has_no_status() -> None:
    with pytest.raises(LookupError):
        Detector(1.0).status(URL, 0.0)


@dataclass
class Simulation:
    """Nodes that gossip once a second through a slow network, each with its own detector of the others.

    Rounds are 0.9 to 1.1 s apart, one of 50 up to 1 s late; messages take up to 50 ms. From `killed_at` on
    the last node is gone.
    """

    nodes: int
    seed: int
    killed_at: float = math.inf
    urls: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)
        self.urls = [f"http://node{i}:8484" for i in range(self.nodes)]
        self.members = [Membership(NodeState(url, 1)) for url in self.urls]
        self.detectors = [Detector(1.0) for _ in self.urls]
        self.pickers = [PeerPicker(self.rng, self.urls[:1]) for _ in self.urls]
        for i, url in enumerate(self.urls):
            for j, member in enumerate(self.members):
                member.add(url)
                if i != j:
                    self.detectors[j].watch(url, 0.0)

    def run(self, seconds: float, step: float) -> Iterator[float]:
        """Yields the time at every step, for the test to look around."""
        turns = [(self.rng.random(), i) for i in range(self.nodes)]
        heapify(turns)
        look = 0.0
        while turns[0][0] < seconds:
            now, i = turns[0]
            while look < now:
                yield look
                look += step
            heapreplace(turns, (now + self._pause(), i))
            if self._lives(i, now):
                self._round(i, now)

    def statuses(self, now: float, of: int) -> list[Status]:
        """What the nodes that live take one for."""
        watchers = [d for i, d in enumerate(self.detectors) if i != of and self._lives(i, now)]
        return [detector.status(self.urls[of], now) for detector in watchers]

    def _lives(self, i: int, now: float) -> bool:
        return now < self.killed_at or i != self.nodes - 1

    def _pause(self) -> float:
        late = self.rng.random() if self.rng.random() < 0.02 else 0.0
        return self.rng.uniform(0.9, 1.1) + late

    def _round(self, i: int, now: float) -> None:
        self.members[i].heartbeat()
        for url in sorted(self.pickers[i].pick(set(self.urls) - {self.urls[i]}, [])):
            j = self.urls.index(url)
            if self._lives(j, now):
                a, b = self.members[i], self.members[j]
                b.on_ack2(a.on_ack(b.on_syn(a.digests())))
                self._hear(i, now)
                self._hear(j, now)

    def _hear(self, i: int, now: float) -> None:
        arrival = now + self.rng.uniform(0, 0.05)
        for url in sorted(self.members[i].take_news().advanced):
            self.detectors[i].heard(url, max(arrival, now))


@pytest.mark.parametrize(
    ("nodes", "seconds", "step"), [(2, 600, 0.5), (4, 900, 0.5), (16, 60, 1), (100, 30, 3)]
)
def test_no_living_node_is_taken_for_dead_and_few_for_stale(nodes: int, seconds: float, step: float) -> None:
    simulation = Simulation(nodes, seed=nodes)
    seen = [
        status
        for now in simulation.run(seconds, step)
        if now > 3  # all have had the time to hear of each other
        for node in range(nodes)
        for status in simulation.statuses(now, node)
    ]

    assert Status.DEAD not in seen
    assert seen.count(Status.STALE) < len(seen) / 100


def test_a_killed_node_of_four_is_seen_by_all_in_seconds() -> None:
    """Mostly stale to all after 2.5 s, dead after 4 s; the last heartbeat may reach one by detours."""
    stale: list[float] = []
    dead: list[float] = []
    for seed in range(40):
        killed_at = 20 + seed / 40
        simulation = Simulation(4, seed, killed_at)
        for now in simulation.run(killed_at + 8, 0.1):
            seen = simulation.statuses(now, of=3)
            if now > killed_at:
                stale.extend([now - killed_at] * (seen.count(Status.ACTIVE) == 0 and len(stale) == seed))
                dead.extend([now - killed_at] * (set(seen) == {Status.DEAD} and len(dead) == seed))

    assert len(stale) == len(dead) == 40
    assert sorted(stale)[20] <= 3.0, sorted(stale)
    assert max(stale) <= 5.5
    assert sorted(dead)[20] <= 4.5, sorted(dead)
    assert max(dead) <= 7
