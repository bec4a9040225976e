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


def _beside_redis(operation: str, bound: float) -> Goal:
    what = names.library(operation, 64)
    text = f"client library, 64 callers, single {operation}s, to redis-py asyncio"
    return Goal(text, (what, names.LIMEDB), (what, names.REDIS), bound)


_ECHO_GET = (names.unary("get"), names.ECHO)
_FEW, _MANY = ((names.GRPC_GET, names.with_keys(names.LIMEDB, count)) for count in (10**3, 10**7))

GOALS = (
    Goal("unary Get, one node, to the bare echo", (names.unary("get"), names.LIMEDB), _ECHO_GET, 0.85),
    Goal(
        "unary durable Set, one node, to the bare echo", (names.unary("set"), names.LIMEDB), _ECHO_GET, 0.65
    ),
    Goal(
        "unary Set at QUORUM, three nodes, to one node",
        (names.unary("set"), names.LIMEDB_3),
        (names.unary("set"), names.LIMEDB),
        0.45,
    ),
    Goal(
        "BatchGet of 100, to etcd's Txn of 100 gets",
        (names.batches("get"), names.LIMEDB),
        (names.batches("get"), names.ETCD),
        1.0,
    ),
    Goal(
        "BatchSet of 100 durable, to etcd's Txn of 100 puts",
        (names.batches("set"), names.LIMEDB),
        (names.batches("set"), names.ETCD),
        1.0,
    ),
    _beside_redis("get", 2.0),
    _beside_redis("set", 1.5),
    Goal(
        "REST get through Envoy, to the echo through the same Envoy",
        (names.REST, names.LIMEDB + names.THROUGH_ENVOY),
        (names.REST, names.ECHO + names.THROUGH_ENVOY),
        0.85,
    ),
    Goal("a Get at 10^7 keys, to one at 10^3", _MANY, _FEW, 1.5, at_most=True),
    Goal("join: keys/s streamed and stored by a node", (names.JOIN, names.LIMEDB), None, 100_000),
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
