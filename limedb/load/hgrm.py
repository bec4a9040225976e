"""Latencies as a text that plotters of HdrHistogram read.

It owns the form: one value on each line, with the share of times up to it. It must never count anything.

Tested in tests/load/test_hgrm.py.
"""

import math
from collections.abc import Iterator

from limedb.load.histogram import Histogram

TICKS = 5
"""Lines for each halving of what is left up to 100 %."""


def hgrm(times: Histogram) -> str:
    """Return the distribution of times, in milliseconds."""
    lines = [f"{'Value':>12} {'Percentile':>14} {'TotalCount':>10} {'1/(1-Percentile)':>14}", ""]
    for value, share, total in _steps(times):
        left = f"{1 / (1 - share):14.2f}" if share < 1 else f"{'inf':>14}"
        lines.append(f"{value / 1000:12.3f} {share:14.12f} {total:10d} {left}")
    lines.append(f"#[Mean    = {times.mean / 1000:12.3f}, StdDeviation   = {_deviation(times) / 1000:12.3f}]")
    lines.append(f"#[Max     = {times.longest / 1000:12.3f}, Total count    = {times.count:12d}]")
    return "\n".join(lines) + "\n"


def _steps(times: Histogram) -> Iterator[tuple[int, float, int]]:
    """Yield microseconds, the share of times within them, and their number; in ever finer steps."""
    wanted, seen = 0.0, 0
    for bound, count in times.buckets():
        seen += count
        share = seen / times.count
        if share >= wanted:
            yield min(bound, times.longest), share, seen
            wanted = _next(share)


def _next(share: float) -> float:
    """The next share that gets a line."""
    if share >= 1:
        return 2.0
    halvings = math.floor(math.log2(1 / (1 - share))) + 1
    return float(share + 1 / (TICKS * 2**halvings))


def _deviation(times: Histogram) -> float:
    if not times.count:
        return 0.0
    squares: float = sum(count * (bound - times.mean) ** 2 for bound, count in times.buckets())
    return math.sqrt(squares / times.count)
