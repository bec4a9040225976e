"""The goals for the figures, as ratios of one run."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from bench import names
from bench.results import Figure, Results

_Figure = tuple[str, str]
"""A measurement, and a system."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A goal for a figure, relative to another one or by itself. at_most: the bound is the largest good
    value.
    """

    text: str
    figure: _Figure
    to: _Figure | None
    bound: float
    at_most: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """A goal and the measured value; None: not measured. low, high: the span over single rounds."""

    goal: Goal
    value: float | None
    low: float = 0.0
    high: float = 0.0

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "not measured"
        good = self.value <= self.goal.bound if self.goal.at_most else self.value >= self.goal.bound
        verdict = "met" if good else "missed"
        return f"{verdict}, but the rounds disagree" if self.low < self.goal.bound < self.high else verdict


_NODES = ((names.LIMEDB, names.ETCD, "one node"), (names.LIMEDB_3, names.ETCD_3, "three nodes"))


def _beside_etcd(what: str, text: str, *bounds: float, at_most: bool = False) -> list[Goal]:
    """A goal for one node beside one etcd, and one for three beside three."""
    return [
        Goal(f"{text}, {nodes}, to etcd's", (what, own), (what, other), bound, at_most)
        for (own, other, nodes), bound in zip(_NODES, bounds, strict=False)
    ]


def _beside_redis(operation: str, bound: float) -> Goal:
    what = names.library(operation, 64)
    text = f"client library, 64 callers, single {operation}s, to redis-py asyncio"
    return Goal(text, (what, names.LIMEDB), (what, names.REDIS), bound)


def _beside_one_node(operation: str, bound: float) -> Goal:
    what = names.unary(operation)
    text = f"unary {operation} at QUORUM, three nodes, to one node"
    return Goal(text, (what, names.LIMEDB_3), (what, names.LIMEDB), bound)


def _processor(what: str, text: str, bound: float) -> Goal:
    text = f"processor time of all three nodes, µs: {text}"
    return Goal(text, (names.processor(what), names.LIMEDB_3), None, bound, at_most=True)


_GET, _SET = names.unary("get"), names.unary("set")
_FEW, _MANY = ((names.GRPC_GET, names.with_keys(names.LIMEDB, count)) for count in (10**3, 10**7))
_DISK, _ETCDS_DISK = ((names.DISK, names.with_keys(each, 10**6)) for each in (names.LIMEDB, names.ETCD))

GOALS = (
    Goal("unary get, one node, to the bare echo", (_GET, names.LIMEDB), (_GET, names.ECHO), 0.75),
    Goal("unary durable set, one node, to the bare echo", (_SET, names.LIMEDB), (_GET, names.ECHO), 0.65),
    *_beside_etcd(_GET, "unary get", 0.20),
    *_beside_etcd(_SET, "unary set", 0.35, 0.55),
    _beside_one_node("get", 0.65),
    _beside_one_node("set", 0.45),
    *_beside_etcd(names.batches("set"), "BatchSet of 100", 1.0, 1.0),
    *_beside_etcd(names.batches("get"), "BatchGet of 100", 1.8, 1.0),
    _beside_redis("get", 4.5),
    _beside_redis("set", 1.6),
    _processor(_SET, "a set at QUORUM", 125),
    _processor(names.batches("set"), "BatchSet, a key", 20),
    _processor(names.batches("get"), "BatchGet, a key", 7),
    *_beside_etcd(names.latency("set", 2000, 99), "p99 of a set at 2,000/s", 2.0, 2.0, at_most=True),
    Goal(
        "REST get through Envoy, to the echo through the same Envoy",
        (names.REST, names.LIMEDB + names.THROUGH_ENVOY),
        (names.REST, names.ECHO + names.THROUGH_ENVOY),
        0.85,
    ),
    Goal("a Get at 10^7 keys, to one at 10^3", _MANY, _FEW, 1.5, at_most=True),
    Goal("join: keys/s streamed and stored by a node", (names.JOIN, names.LIMEDB), None, 100_000),
    Goal("disk a key, to etcd's", _DISK, _ETCDS_DISK, 1.41, at_most=True),
)


def outcomes(results: Results) -> Iterator[Outcome]:
    for goal in GOALS:
        own = results.find(*goal.figure)
        other = results.find(*goal.to) if goal.to else None
        if not own or (goal.to and not other):
            yield Outcome(goal, None)
        else:
            yield _outcome(goal, own, other)


def _outcome(goal: Goal, own: Figure, other: Figure | None) -> Outcome:
    """Return the ratio of the medians; its span is that of any two rounds, since noise hits either."""
    to = other.values if other else [1.0]
    span = min(own.values) / max(to), max(own.values) / min(to)
    return Outcome(goal, own.median / median(to), *span)
