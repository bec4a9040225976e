"""GetHistory: the figures and events of several nodes, by one of them.

Tests limedb/rpc/server/history.py, limedb/wire/history.py and limedb/rpc/server/event_watch.py.
"""

import asyncio
from dataclasses import replace
from typing import Any, cast

import pytest

from limedb.core.cluster_events import ClusterEvent, EventLog
from limedb.core.detector import Status
from limedb.core.history import BUCKETS, STEP_SECONDS, History, Measured
from limedb.errors import InvalidRequestError, UnavailableError
from limedb.rpc.server.checks import Checks
from limedb.rpc.server.cluster import ClusterServicer
from limedb.rpc.server.deadlines import Deadlines
from limedb.rpc.server.event_watch import EventWatch
from limedb.rpc.server.report_sources import ClusterSources
from limedb.wire import history as convert
from limedbpb.v1 import cluster_pb2
from tests.rpc.cluster_sources import DEAD, HANDOVER, OTHER, OWN, FakeCluster

STEP_MS = 1000 * STEP_SECONDS


class HandClock:
    """A wall clock that a test sets."""

    def __init__(self) -> None:
        self.ms = 50 * STEP_MS

    def wall_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.ms / 1000


class Peers:
    """The other nodes: OTHER remembers, DEAD doesn't answer."""

    def __init__(self) -> None:
        self.asked: list[cluster_pb2.GetHistoryRequest] = []

    async def history(
        self, node_url: str, request: cluster_pb2.GetHistoryRequest, _seconds: float
    ) -> cluster_pb2.GetHistoryResponse:
        self.asked.append(request)
        if node_url == DEAD:
            raise UnavailableError(f"{node_url} is away")
        point = cluster_pb2.HistoryPoint(at_ms=50 * STEP_MS, cpu_percent=7)
        seen = ClusterEvent(50 * STEP_MS + 2500, "state", DEAD, f"{DEAD} is dead, was active", (node_url,))
        return cluster_pb2.GetHistoryResponse(
            nodes=[cluster_pb2.NodeHistory(url=node_url, points=[point])], events=[convert.event(seen)]
        )


class Asked:
    """A servicer, what it stands on, and how to ask it. facts: sources that differ."""

    def __init__(self, **facts: Any) -> None:
        self.cluster, self.clock, self.peers = FakeCluster(HandClock()), HandClock(), Peers()
        self.cluster.clock = self.clock
        self.figures, self.events = History(), EventLog(OWN)
        self.sources: ClusterSources = replace(
            self.cluster.sources(),
            figures=self.figures,
            events=self.events,
            history_of_peer=self.peers.history,
            **facts,
        )
        deadlines = Deadlines(cast("Any", self.clock), 10.0)
        self.servicer = ClusterServicer(self.sources, Checks(10), deadlines)

    def __call__(self, **facts: Any) -> cluster_pb2.GetHistoryResponse:
        request = cluster_pb2.GetHistoryRequest(**facts)

        class Context:
            """A call without a deadline of its own."""

            def time_remaining(self) -> None:
                return None

        return asyncio.run(self.servicer.GetHistory(request, cast("Any", Context())))


def test_it_has_its_own_figures_those_of_others_and_the_reason_where_there_are_none() -> None:
    asked = Asked()
    asked.figures.add(Measured(50 * STEP_MS, requests=20, keys=3), {"get": [0, 20, *[0] * (BUCKETS - 2)]})
    answer = asked(range_seconds=60)
    assert (answer.node_url, answer.step_seconds) == (OWN, 10)
    own, other, dead = answer.nodes
    assert [node.url for node in answer.nodes] == [OWN, OTHER, DEAD]
    assert (own.points[0].at_ms, own.points[0].requests_per_second, own.points[0].keys) == (
        50 * STEP_MS,
        2,
        3,
    )
    assert own.points[0].operations[0].operation == "get"
    assert 0.1 < own.points[0].operations[0].p50_ms <= 0.25
    assert (own.since_ms, other.points[0].cpu_percent) == (50 * STEP_MS, 7)
    assert (dead.error, list(dead.points)) == (f"{DEAD} is away", [])


def test_a_node_that_can_compute_nothing_now_says_so_and_has_the_others() -> None:
    async def refuse(_work: object) -> None:
        raise UnavailableError("too much work waits")

    own, other, _ = Asked(compute=refuse)().nodes
    assert (own.url, own.error, other.points[0].cpu_percent) == (OWN, "too much work waits", 7)


def test_others_are_asked_for_their_own_part_and_for_the_same_time() -> None:
    asked = Asked()
    asked(range_seconds=3600)
    assert [(list(r.nodes), r.range_seconds, r.step_seconds) for r in asked.peers.asked] == [
        ([OTHER], 3600, 20),
        ([DEAD], 3600, 20),
    ]


def test_only_the_nodes_in_question_are_asked() -> None:
    asked = Asked()
    assert [node.url for node in asked(nodes=[OWN]).nodes] == [OWN]
    assert asked.peers.asked == []


@pytest.mark.parametrize(("seconds", "step"), [(0, 10), (900, 10), (3600, 20), (21_600, 120), (86_400, 480)])
def test_a_step_leaves_about_as_many_points_for_each_range(seconds: int, step: int) -> None:
    assert Asked()(range_seconds=seconds).step_seconds == step


@pytest.mark.parametrize(
    "facts",
    [
        {"range_seconds": 5},
        {"range_seconds": 86_401},
        {"step_seconds": 15},
        {"range_seconds": 86_400, "step_seconds": 10},
        {"nodes": ["node1"]},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(facts: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError):
        Asked()(**facts)


def test_events_of_all_nodes_are_one_list() -> None:
    asked = Asked()
    watch = EventWatch(asked.sources)
    watch.look()
    asked.cluster.statuses[DEAD] = Status.ACTIVE
    asked.clock.ms += 1000
    watch.look()
    asked.clock.ms += 1000
    asked.cluster.statuses[DEAD] = Status.DEAD
    watch.look()
    texts = [(event.text, list(event.seen_by)) for event in asked().events]
    assert texts == [
        (f"{DEAD} is dead, was active", [OWN, OTHER]),
        (f"{DEAD} is active, was dead", [OWN]),
        (f"{OWN} was started", [OWN]),
    ]


def test_a_watch_notes_links_epochs_problems_and_refusals() -> None:
    asked = Asked()
    refused = {"MAX_CALLS": 0}
    watch = EventWatch(asked.sources, lambda: dict(refused))
    watch.look()
    asked.cluster.cut.add(OTHER)
    asked.cluster.adopt(HANDOVER)
    asked.cluster.warnings = ["the disk is nearly full"]
    refused["MAX_CALLS"] = 3
    asked.clock.ms += 61_000
    watch.look()
    texts = {event.kind: event.text for event in asked.events.events(0)}
    assert texts["state"] == f"{OTHER} is unreachable, was active"
    assert texts["epoch"].startswith(f"epoch {HANDOVER.epoch}: http://node4:8484 is joining (handover)")
    assert texts["problem"] == "the disk is nearly full"
    assert texts["refusal"] == "3 refused: MAX_CALLS"
