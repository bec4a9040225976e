"""The plan of a load test: the choices, the keys and the values.

It owns the names of keys and the making of values, which are the same whenever they are made again. It must
never send a request.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from random import Random

import xxhash

from limedb.load.zipf import EXPONENT, Zipf


class Mode(StrEnum):
    """The kind of load: only writes, only reads, both, both with every value compared, or increments of
    counters.
    """

    WRITE = "write"
    READ = "read"
    MIXED = "mixed"
    VERIFY = "verify"
    COUNT = "count"


class Distribution(StrEnum):
    """How keys are chosen: all alike, or few of them often (Zipf's law)."""

    UNIFORM = "uniform"
    ZIPFIAN = "zipfian"


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """A load test. requests: how many, None: as many as fit into the time; seconds: how long, None: until the
    requests are done. workers: requests under way at once. keys: how many there are. value_size: bytes.
    read_share: of mixed and verify, 0 to 1. prefix: of the keys' names. seed: of all choices and values.
    rate: requests a second, which begin at their times whether others are done or not; None: each worker
    sends its next one when it has the answer to the last. warmup: seconds before that aren't counted.
    """

    mode: Mode
    requests: int | None
    seconds: float | None
    workers: int
    keys: int
    value_size: int
    distribution: Distribution = Distribution.UNIFORM
    exponent: float = EXPONENT
    read_share: float = 0.5
    prefix: str = "bench/"
    seed: int = 1
    rate: float | None = None
    warmup: float = 0.0

    def key(self, number: int) -> str:
        """Return the name of a key, from 0."""
        return f"{self.prefix}{number:08d}"

    def value(self, number: int, version: int) -> str:
        """Return the value of a key's version-th write: value_size bytes of ASCII."""
        text = xxhash.xxh3_128_hexdigest(f"{self.seed}/{number}/{version}".encode())
        return (text * (self.value_size // len(text) + 1))[: self.value_size]

    def random(self, worker: int) -> Random:
        """Return the source of randomness of a worker, from 0."""
        return Random(f"{self.seed}/{worker}")

    def picker(self, count: int, random: Random) -> Callable[[], int]:
        """Return a function that chooses one of count numbers, from 0."""
        if self.distribution is Distribution.ZIPFIAN:
            return Zipf(count, random.random, self.exponent).draw
        return lambda: int(random.random() * count)

    def share_of(self, worker: int) -> range:
        """Return the keys that only this worker writes, where values are compared."""
        return range(worker, self.keys, self.workers)
