"""The figures of a node's last day, in steps of ten seconds.

It owns their form in memory, and what longer steps make of them. It must never count or measure: callers pass
in what a step had.

A step is a row of fixed size, so that a day has a bound: STEPS * BYTES_OF_STEP, 4.3 MB. Durations are kept as
counts by buckets, since percentiles can't be added: those of a longer step are those of all its requests.
"""

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

STEP_SECONDS = 10
DAY_SECONDS = 86_400
STEPS = DAY_SECONDS // STEP_SECONDS
"""The steps that are kept."""
OPERATIONS = ("get", "set", "delete", "batch_get", "batch_set", "other")
"""The kinds of requests whose durations are kept apart."""
DURATION_BOUNDS = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
"""Upper ends of the buckets of durations, in seconds; one more bucket takes longer durations."""
BUCKETS = len(DURATION_BOUNDS) + 1


class Measured(NamedTuple):
    """What one step had, besides durations."""

    at_ms: int = 0
    """Its end, ms since 1970."""
    seconds: float = STEP_SECONDS
    """Its length."""
    requests: int = 0
    failures: int = 0
    """Requests that failed by the server's fault or reach."""
    gets: int = 0
    """Keys read."""
    sets: int = 0
    """Keys stored."""
    dels: int = 0
    """Keys deleted."""
    cpu_seconds: float = 0.0
    """Of all cores."""
    memory_bytes: int = 0
    """Resident at its end."""
    disk_bytes: int = 0
    """The size of the data at its end."""
    keys: int = 0
    """Keys with a value at its end."""
    loop_lag: float = 0.0
    """The longest time for which the event loop stood still, in seconds."""


_WIDTH, _COUNTS = len(Measured._fields), len(OPERATIONS) * BUCKETS
BYTES_OF_STEP = 8 * _WIDTH + 4 * _COUNTS


@dataclass(frozen=True, slots=True)
class Latency:
    """How long the requests of one operation took."""

    operation: str
    requests_per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class HistoryPoint:
    """The figures of one step of a report, which may be many steps long."""

    at_ms: int
    """The end of the step, ms since 1970."""
    requests_per_second: float
    gets_per_second: float
    sets_per_second: float
    dels_per_second: float
    error_rate: float
    """The share of requests that failed by the server's fault or reach, 0 to 1."""
    cpu_percent: float
    """Of one core."""
    memory_bytes: int
    disk_bytes: int
    keys: int
    loop_lag_ms: float
    """The longest time for which the event loop stood still."""
    latencies: tuple[Latency, ...] = field(default=())
    """Of the operations that there were, in the order of OPERATIONS."""


class History:
    """The steps of the last day."""

    def __init__(self) -> None:
        self._measured, self._counts = array("d"), array("I")
        self._next = self._last_ms = 0

    def __len__(self) -> int:
        return len(self._measured) // _WIDTH

    @property
    def since_ms(self) -> int:
        """The end of the oldest step, ms since 1970; 0: there is none."""
        return int(self._measured[self._next * _WIDTH]) if len(self) else 0

    def add(self, step: Measured, buckets: Mapping[str, list[int]]) -> None:
        """Keep a step, and forget the one of a day before. buckets: counts of requests by operation; one that
        is missing had none. A step that isn't later than the last one is left out: the clock was set back.
        """
        if step.at_ms <= self._last_ms:
            return
        self._last_ms = step.at_ms
        counts = array("I", [n for name in OPERATIONS for n in buckets.get(name) or [0] * BUCKETS])
        if len(self) < STEPS:
            self._measured.extend(step)
            self._counts.extend(counts)
            return
        row, self._next = self._next, (self._next + 1) % STEPS
        self._measured[row * _WIDTH : (row + 1) * _WIDTH] = array("d", step)
        self._counts[row * _COUNTS : (row + 1) * _COUNTS] = counts

    def frozen(self) -> "History":
        """A copy that stays as it is, for work beside the event loop."""
        copy = History()
        copy._measured, copy._counts = self._measured[:], self._counts[:]
        copy._next, copy._last_ms = self._next, self._last_ms
        return copy

    def points(self, from_ms: int, until_ms: int, step_ms: int) -> list[HistoryPoint]:
        """The figures after from_ms up to until_ms, in steps that end at multiples of step_ms; a step without
        figures has no point.
        """
        groups: dict[int, list[int]] = {}
        for row in self._rows():
            at_ms = self._measured[row * _WIDTH]
            if from_ms < at_ms <= until_ms:
                groups.setdefault(-int(-at_ms // step_ms), []).append(row)
        return [self._point(number * step_ms, rows) for number, rows in groups.items()]

    def _rows(self) -> Iterator[int]:
        """The rows from the oldest to the newest."""
        return ((self._next + place) % len(self) for place in range(len(self)))

    def _step(self, row: int) -> Measured:
        return Measured._make(self._measured[row * _WIDTH : (row + 1) * _WIDTH])

    def _point(self, at_ms: int, rows: list[int]) -> HistoryPoint:
        steps = [self._step(row) for row in rows]
        seconds, requests = sum(step.seconds for step in steps), sum(step.requests for step in steps)
        last = steps[-1]
        return HistoryPoint(
            at_ms=at_ms,
            requests_per_second=requests / seconds,
            gets_per_second=sum(step.gets for step in steps) / seconds,
            sets_per_second=sum(step.sets for step in steps) / seconds,
            dels_per_second=sum(step.dels for step in steps) / seconds,
            error_rate=sum(step.failures for step in steps) / requests if requests else 0.0,
            cpu_percent=100 * sum(step.cpu_seconds for step in steps) / seconds,
            memory_bytes=int(last.memory_bytes),
            disk_bytes=int(last.disk_bytes),
            keys=int(last.keys),
            loop_lag_ms=1000 * max(step.loop_lag for step in steps),
            latencies=tuple(self._latencies(rows, seconds)),
        )

    def _latencies(self, rows: list[int], seconds: float) -> Iterator[Latency]:
        for place, operation in enumerate(OPERATIONS):
            begins = [row * _COUNTS + place * BUCKETS for row in rows]
            parts = [self._counts[begin : begin + BUCKETS] for begin in begins]
            counts = [sum(column) for column in zip(*parts, strict=True)]
            if total := sum(counts):
                p50, p95, p99 = (1000 * quantile(counts, q) for q in (0.5, 0.95, 0.99))
                yield Latency(operation, total / seconds, p50, p95, p99)


def quantile(counts: list[int], share: float) -> float:
    """The duration below which a share (0 to 1) of some durations is, in seconds. counts: of all buckets.

    Within a bucket durations count as spread evenly, as Prometheus' histogram_quantile has it; one beyond the
    last bound counts as that bound. There must be some.
    """
    rank = share * sum(counts)
    below = 0
    for place, bound in enumerate(DURATION_BOUNDS):
        lower = DURATION_BOUNDS[place - 1] if place else 0.0
        if counts[place] and below + counts[place] >= rank:
            return lower + (bound - lower) * (rank - below) / counts[place]
        below += counts[place]
    return DURATION_BOUNDS[-1]
