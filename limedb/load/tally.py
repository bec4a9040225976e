"""The results of a load test so far: times, counts, errors, mismatches.

It owns the sums; it must never read a clock or print.

Tested in tests/load/test_runner.py.
"""

from collections import Counter
from dataclasses import dataclass, field

from limedb.errors import LimeDBError
from limedb.load.histogram import Histogram
from limedb.load.ledger import Mismatch

SHOWN_MISMATCHES = 20
"""How many mismatches are kept for the screen; all are counted."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The last interval and all before it. seconds: since the start; span, operations: of the interval.

    recent: the times of the interval; tally: everything.
    """

    seconds: float
    span: float
    operations: int
    recent: Histogram
    tally: "Tally"

    @property
    def rate(self) -> float:
        """Operations per second in the interval."""
        return self.operations / self.span if self.span else 0.0


@dataclass(slots=True)
class Tally:
    """The sums. reads, writes: those that succeeded; missing: reads that found nothing; compared: values.

    read_times, write_times: of all intervals that have ended. errors: how many of each reason; examples: the
    first text of each. seconds: how long the load ran. workers: the increments of each worker.
    """

    read_times: Histogram = field(default_factory=Histogram)
    write_times: Histogram = field(default_factory=Histogram)
    recent_reads: Histogram = field(default_factory=Histogram)
    recent_writes: Histogram = field(default_factory=Histogram)
    reads: int = 0
    writes: int = 0
    missing: int = 0
    compared: int = 0
    mismatches: int = 0
    shown: list[Mismatch] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    workers: Counter[int] = field(default_factory=Counter)

    @property
    def times(self) -> Histogram:
        """The times of all requests that succeeded."""
        return _merged(self.read_times, self.write_times)

    @property
    def operations(self) -> int:
        """The number of requests that succeeded."""
        return self.reads + self.writes

    @property
    def rate(self) -> float:
        """Requests per second, over all."""
        return self.operations / self.seconds if self.seconds else 0.0

    @property
    def fewest_and_most(self) -> tuple[int, int]:
        """The increments of the worker that had the fewest, and of the one that had the most."""
        counts = self.workers.values()
        return min(counts, default=0), max(counts, default=0)

    def failed(self, error: Exception) -> None:
        """Count a failed request."""
        reason = error.reason if isinstance(error, LimeDBError) else type(error).__name__
        self.errors[reason] += 1
        self.examples.setdefault(reason, str(error))

    def differs(self, mismatch: Mismatch) -> None:
        """Count a value other than the one that was written."""
        self.mismatches += 1
        if len(self.shown) < SHOWN_MISMATCHES:
            self.shown.append(mismatch)

    def turn(self, seconds: float, span: float) -> Sample:
        """End an interval."""
        recent = _merged(self.recent_reads, self.recent_writes)
        self.read_times.merge(self.recent_reads)
        self.write_times.merge(self.recent_writes)
        self.recent_reads, self.recent_writes = Histogram(), Histogram()
        return Sample(seconds, span, recent.count, recent, self)


def _merged(reads: Histogram, writes: Histogram) -> Histogram:
    both = Histogram()
    both.merge(reads)
    both.merge(writes)
    return both
