"""How quickly replicas answer reads: which to ask first, and when to ask one more.

It owns the statistics. It must never send anything.

It ranks nodes by a moving average that fades, so that a node which was slow is tried again some time. The
moment to ask one more replica is the 99th percentile of the last minute's reads: so about one read in a
hundred asks one more. Source: Dean and Barroso 2013, "The Tail at Scale" (hedged requests).
"""

from collections.abc import Iterable

DEFAULT_DELAY = 0.05
"""Seconds after which one more replica is asked, before there are samples."""
MIN_DELAY = 0.005
MIN_SAMPLES = 100
WINDOW = 10.0
"""Seconds of one histogram; the last six are looked at."""
WINDOWS = 6
WEIGHT = 0.2
"""Of the newest sample in the moving average of a node."""
HALF_LIFE = 10.0
"""Seconds after which an average without new samples counts half."""
FAILED = 1.0
"""Seconds that a failed read counts for at least."""
_BUCKETS = 256


class Latencies:
    """Times of reads of single replicas. Times are seconds, `now` of Clock.monotonic."""

    def __init__(self) -> None:
        self._averages: dict[str, tuple[float, float]] = {}
        self._windows: list[tuple[int, list[int]]] = []
        self._delay, self._delay_due = DEFAULT_DELAY, 0.0

    def note(self, node_url: str, seconds: float, now: float) -> None:
        """A read was answered."""
        self._average(node_url, seconds, now)
        number = int(now / WINDOW)
        if not self._windows or self._windows[-1][0] != number:
            self._windows.append((number, [0] * _BUCKETS))
            del self._windows[:-WINDOWS]
        self._windows[-1][1][_bucket(seconds)] += 1

    def note_failed(self, node_url: str, seconds: float, now: float) -> None:
        """A read got no answer: don't ask the node first for a while."""
        self._average(node_url, max(seconds, FAILED), now)

    def ranked(self, node_urls: Iterable[str], now: float) -> list[str]:
        """Nodes, the quickest first; those without samples come first of all, in their order."""
        return sorted(node_urls, key=lambda url: self._score(url, now))

    def delay(self, now: float) -> float:
        """How long to wait for a read before one more replica is asked; recomputed each second."""
        if now >= self._delay_due:
            self._delay, self._delay_due = self._percentile(now), now + 1.0
        return self._delay

    def _average(self, node_url: str, seconds: float, now: float) -> None:
        kept = self._averages.get(node_url)
        average = seconds if kept is None else self._score(node_url, now) * (1 - WEIGHT) + seconds * WEIGHT
        self._averages[node_url] = (average, now)

    def _score(self, node_url: str, now: float) -> float:
        average, at = self._averages.get(node_url, (0.0, now))
        return average if now - at < 1.0 else float(average * 0.5 ** ((now - at) / HALF_LIFE))

    def _percentile(self, now: float) -> float:
        oldest = int(now / WINDOW) - WINDOWS
        counts = [sum(column) for column in zip(*(w for n, w in self._windows if n > oldest), strict=True)]
        total = sum(counts)
        if total < MIN_SAMPLES:
            return DEFAULT_DELAY
        left = total // 100
        for bucket in range(_BUCKETS - 1, -1, -1):
            left -= counts[bucket]
            if left < 0:
                return max(MIN_DELAY, _upper(bucket))
        return MIN_DELAY


def _bucket(seconds: float) -> int:
    """The bucket of a time: four to each power of two of microseconds."""
    micros = max(8, int(seconds * 1e6))
    exponent = micros.bit_length()
    return min(_BUCKETS - 1, exponent * 4 + ((micros >> (exponent - 3)) & 3))


def _upper(bucket: int) -> float:
    """The longest time of a bucket, seconds."""
    exponent, quarter = divmod(bucket, 4)
    return ((5 + quarter) << (exponent - 3)) / 1e6
