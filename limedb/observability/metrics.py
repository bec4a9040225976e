"""The node's own figures: plain counters, read on demand.

It owns the counts of client requests and of the process. It must never import OpenTelemetry, read a clock for
a rate (`now` is given, in seconds of a monotonic clock), or cost a request more than a dict look-up and a few
additions. The loop's thread writes counters; reading them from another thread is safe, and at worst misses an
addition in progress.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

import psutil

from limedb.core.history import DURATION_BOUNDS, OPERATIONS
from limedb.observability.slow_requests import SlowRequests
from limedb.ports import RequestFigures

Operation = Literal["get", "set", "delete"]

FAILURES = frozenset(
    {"UNAVAILABLE", "INTERNAL", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "UNKNOWN", "DATA_LOSS"}
)
"""The codes of faults of the server, or of nodes that it couldn't reach."""

WINDOW_SECONDS = 10.0
"""The time over which rates are computed."""
SHORTEST_SECONDS = 1.0
"""The least time for a rate: over a shorter one it would fluctuate just after the start."""


_KEPT_APART = {
    "Get": "get", "Set": "set", "SetDirect": "set", "Delete": "delete",
    "BatchGet": "batch_get", "BatchSet": "batch_set",
}  # fmt: skip


def parts_of(name: str) -> tuple[str, str]:
    """The method that requests were counted under, such as KVService/Get; of a session's requests, which are
    counted as KVService/Session (set), the operation besides, else "".
    """
    method, _, operation = name.partition(" (")
    return method, operation.removesuffix(")")


def kind_of(name: str) -> str:
    """The kind of a method's requests, one of core/history's OPERATIONS."""
    method, operation = parts_of(name)
    kind = operation or _KEPT_APART.get(method.removeprefix("KVService/"), "")
    return kind if kind in OPERATIONS else "other"


@dataclass(frozen=True, slots=True)
class RequestSeries:
    """All requests of one method that ended with one code since the start."""

    method: str
    """As KVService/Get, or as `session_method` has it."""
    code: str
    seconds: float
    """The sum of their durations."""
    buckets: tuple[int, ...]
    """How many were below each of DURATION_BOUNDS and above the one before; last, those above all of them."""

    @property
    def count(self) -> int:
        """How many requests there were."""
        return sum(self.buckets)


class _Counter:
    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(DURATION_BOUNDS) + 1)
        self.seconds = 0.0


@dataclass(frozen=True, slots=True)
class _Sample:
    at: float
    requests: int
    failures: int
    timed: int
    """Requests whose duration is a latency."""
    seconds: float
    """The sum of their durations."""
    gets: int
    sets: int
    dels: int


class RequestStats:
    """Counts of client requests. `record` is for the hot path; `sample` is for a task that runs each
    second. streams: methods whose durations are no latency, since their clients or the data decide on them.
    """

    def __init__(self, now: float, streams: Collection[str] = (), slow: SlowRequests | None = None) -> None:
        self._streams = frozenset(streams)
        slow = slow or SlowRequests(0)
        self._slow_seconds, self._report_slow = slow.threshold, slow.report
        self._counters: dict[tuple[str, str], _Counter] = {}
        self._operations: dict[Operation, int] = {"get": 0, "set": 0, "delete": 0}
        self._samples = deque([self._totals(now)])

    def record(self, method: str, code: str, seconds: float) -> None:
        """Count a finished request. method: as KVService/Get; code: the name of a gRPC status, as OK."""
        counter = self._counters.get((method, code))
        if counter is None:
            counter = self._counters[method, code] = _Counter()
        counter.buckets[bisect_left(DURATION_BOUNDS, seconds)] += 1
        counter.seconds += seconds
        if seconds > self._slow_seconds:
            self._report_slow(parts_of(method)[0], code, seconds)

    def count_operations(self, kind: Operation, n: int = 1) -> None:
        """Count n keys read, set or deleted; each key of a batch counts."""
        self._operations[kind] += n

    def sample(self, now: float) -> None:
        """Remember the counters, for the rates. Call it about once a second."""
        self._samples.append(self._totals(now))
        while len(self._samples) > 1 and self._samples[1].at <= now - WINDOW_SECONDS:
            self._samples.popleft()

    def figures(self, now: float) -> RequestFigures:
        """The figures of this moment."""
        new, old = self._totals(now), self._window_start(now)
        requests, elapsed = new.requests - old.requests, max(now - old.at, SHORTEST_SECONDS)
        timed = new.timed - old.timed
        return RequestFigures(
            total_requests=new.requests,
            requests_per_second=requests / elapsed,
            gets_per_second=(new.gets - old.gets) / elapsed,
            sets_per_second=(new.sets - old.sets) / elapsed,
            dels_per_second=(new.dels - old.dels) / elapsed,
            average_latency_ms=1000 * (new.seconds - old.seconds) / timed if timed else 0.0,
            error_rate=(new.failures - old.failures) / requests if requests else 0.0,
        )

    def series(self) -> list[RequestSeries]:
        """The counts since the start, by method and code."""
        return [
            RequestSeries(method, code, counter.seconds, tuple(counter.buckets))
            for (method, code), counter in self._counters.copy().items()
        ]

    def buckets(self) -> dict[str, list[int]]:
        """The counts of durations since the start, by core/history's OPERATIONS, without those of streams."""
        found: dict[str, list[int]] = {}
        for one in self.series():
            if one.method not in self._streams:
                before = found.get(kind := kind_of(one.method), [0] * len(one.buckets))
                found[kind] = [a + b for a, b in zip(before, one.buckets, strict=True)]
        return found

    def totals(self) -> tuple[int, int]:
        """How many requests there were since the start, and how many of them failed by the server's fault or
        reach.
        """
        totals = self._totals(0.0)
        return totals.requests, totals.failures

    def operations(self) -> dict[Operation, int]:
        """How many keys were read, set and deleted since the start."""
        return self._operations.copy()

    def _window_start(self, now: float) -> _Sample:
        """The newest sample that is as old as the window, or the oldest one."""
        past = [sample for sample in self._samples if sample.at <= now - WINDOW_SECONDS]
        return past[-1] if past else self._samples[0]

    def _totals(self, now: float) -> _Sample:
        series, operations = self.series(), self._operations
        timed = [one for one in series if one.method not in self._streams]
        return _Sample(
            now,
            requests=sum(one.count for one in series),
            failures=sum(one.count for one in series if one.code in FAILURES),
            timed=sum(one.count for one in timed),
            seconds=sum(one.seconds for one in timed),
            gets=operations["get"],
            sets=operations["set"],
            dels=operations["delete"],
        )


@dataclass(frozen=True, slots=True)
class Usage:
    """The resources that the process has used."""

    cpu_seconds: float
    """Since its start, of all cores."""
    memory_bytes: int
    """Resident now."""


@dataclass(frozen=True, slots=True)
class ProcessFigures:
    """The figures of the process."""

    uptime_seconds: float
    memory_allocated_mb: float
    """MiB."""
    cpu_percent: float
    """Of one core, over the last second."""


class ProcessStats:
    """The use of CPU and memory between two ticks. `read` is called at each tick, never in between."""

    def __init__(self, now: float, read: Callable[[], Usage] | None = None) -> None:
        self._read = read or usage_reader()
        self._started, self._at, self._usage, self._cpu_percent = now, now, self._read(), 0.0

    @property
    def usage(self) -> Usage:
        """The use at the last tick."""
        return self._usage

    def sample(self, now: float) -> None:
        """Measure. Call it about once a second."""
        usage, elapsed = self._read(), now - self._at
        if elapsed > 0:
            self._cpu_percent = 100 * (usage.cpu_seconds - self._usage.cpu_seconds) / elapsed
        self._at, self._usage = now, usage

    def figures(self, now: float) -> ProcessFigures:
        """The figures of the last tick, and the uptime of this moment."""
        return ProcessFigures(now - self._started, self._usage.memory_bytes / (1 << 20), self._cpu_percent)


def usage_reader() -> Callable[[], Usage]:
    """A function that reads the use of this process from the kernel; a call costs some tens of
    microseconds.
    """
    process = psutil.Process()

    def read() -> Usage:
        cpu = process.cpu_times()
        return Usage(cpu.user + cpu.system, process.memory_info().rss)

    return read
