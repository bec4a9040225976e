"""The text that plotters of HdrHistogram read."""

import re

from limedb.load.hgrm import hgrm
from limedb.load.histogram import Histogram

LINE = re.compile(r" *([0-9.]+) ([0-9.]+) +([0-9]+) +([0-9.]+|inf)")


def test_it_has_ever_finer_steps_up_to_the_longest_time() -> None:
    times = Histogram()
    for microseconds in range(1, 10_001):
        times.record(microseconds)
    head, blank, *lines = hgrm(times).splitlines()
    assert (head.split(), blank) == (["Value", "Percentile", "TotalCount", "1/(1-Percentile)"], "")
    rows = [match.groups() for line in lines if (match := LINE.fullmatch(line))]
    assert lines[-2].startswith("#[Mean    =        5.0")
    assert lines[-1] == "#[Max     =       10.000, Total count    =        10000]"
    assert rows[-1] == ("10.000", "1.000000000000", "10000", "inf")
    shares = [float(share) for _, share, _, _ in rows]
    assert shares == sorted(set(shares))
    assert 15 < len(rows) < 80
    assert sum(share > 0.99 for share in shares) >= 3
    for value, share, total, _ in rows:
        assert int(total) == round(float(share) * 10_000)
        assert abs(float(value) * 1000 - int(total)) <= int(total) / 128 + 1


def test_without_times_it_has_none() -> None:
    assert (
        hgrm(Histogram())
        .splitlines()[2]
        .startswith("#[Mean    =        0.000, StdDeviation   =        0.000]")
    )
