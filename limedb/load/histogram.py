"""Latencies in bounded memory and with a known error.

It owns the counting of whole microseconds, and the percentiles; it must never read a clock. The buckets are
those of HdrHistogram (G. Tene): each number below 256 has its own, and each doubling above has 128.
"""

from collections.abc import Iterator

PRECISION = 7
"""Bits: a percentile is too high by 1/128 of itself at most, and never too low."""
LONGEST = (1 << 36) - 1
"""Microseconds, 19 hours: a longer time counts as this."""

_EXACT = 2 << PRECISION
_SIZE = (LONGEST.bit_length() - PRECISION + 1) << PRECISION


class Histogram:
    """Counts of microseconds. count, total and longest are exact, except for times beyond LONGEST.

    Merging is commutative and associative, and the same as recording all in one histogram.
    """

    __slots__ = ("_counts", "count", "longest", "total")

    def __init__(self) -> None:
        self._counts = [0] * _SIZE
        self.count = self.total = self.longest = 0

    def record(self, microseconds: int) -> None:
        """Count one time; a negative one as 0."""
        value = min(max(microseconds, 0), LONGEST)
        self._counts[bucket_of(value)] += 1
        self.count += 1
        self.total += value
        self.longest = max(self.longest, value)

    def merge(self, other: "Histogram") -> None:
        """Add the counts of another one."""
        self._counts = [own + theirs for own, theirs in zip(self._counts, other._counts, strict=True)]
        self.count += other.count
        self.total += other.total
        self.longest = max(self.longest, other.longest)

    def percentile(self, share: float) -> int:
        """Return the microseconds within which that share (0 to 1) of all times lies; 0: there are none."""
        wanted = max(1, -int(-share * self.count // 1))
        seen = 0
        for bucket, count in enumerate(self._counts):
            seen += count
            if seen >= wanted and count:
                return min(upper_bound(bucket), self.longest)
        return self.longest

    @property
    def mean(self) -> float:
        """The mean in microseconds; 0: there are none."""
        return self.total / self.count if self.count else 0.0

    def buckets(self) -> Iterator[tuple[int, int]]:
        """Yield (bound, count) of each bucket that has any: microseconds, and how many times are in it."""
        for bucket, count in enumerate(self._counts):
            if count:
                yield upper_bound(bucket), count

    def doublings(self) -> Iterator[tuple[int, int]]:
        """Yield (bound, count): how many times lie below each power of two, and not below the one before it,
        from the first that has any to the last.
        """
        sums: dict[int, int] = {}
        for bound, count in self.buckets():
            bits = bound.bit_length()
            sums[bits] = sums.get(bits, 0) + count
        for bits in range(min(sums, default=0), max(sums, default=-1) + 1):
            yield 1 << bits, sums.get(bits, 0)


def bucket_of(value: int) -> int:
    """Return the bucket of a number from 0 to LONGEST."""
    if value < _EXACT:
        return value
    shift = value.bit_length() - PRECISION - 1
    return (shift << PRECISION) + (value >> shift)


def upper_bound(bucket: int) -> int:
    """Return the largest number of a bucket."""
    if bucket < _EXACT:
        return bucket
    shift = (bucket >> PRECISION) - 1
    return ((bucket - (shift << PRECISION) + 1) << shift) - 1
