"""The last version of each key that a feed has reported, in bounded memory.

It owns that memory. It must never decide about an uncertain version: the feed does.

It knows the keys reported last exactly. Of the forgotten ones, each of BUCKETS groups of keys has the highest
version that was forgotten: a version above it is certainly new, one up to it may have been reported or not.
"""

from array import array
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from zlib import crc32

BUCKETS = 1 << 14
_POSITION_BITS = 64
_POSITION_MASK = (1 << _POSITION_BITS) - 1


class Known(Enum):
    """The knowledge about a version of a key."""

    NEW = auto()  # it is newer than all reported versions of the key
    LAST = auto()  # it was reported last
    PASSED = auto()  # it is older than the reported version
    UNSURE = auto()  # the key was forgotten, or never reported


class Reported:
    """The versions that were reported. limit: how many keys may be known exactly. buckets: groups of keys."""

    buckets = BUCKETS

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit
        self._last: dict[str, int] = {}  # version and position in one number
        self._order: deque[tuple[str, int]] = deque()
        self._forgotten: array[int] | None = None

    def __len__(self) -> int:
        return len(self._last)

    def look(self, key: str, version: int) -> Known:
        """The knowledge about a version."""
        packed = self._last.get(key)
        if packed is not None:
            last = packed >> _POSITION_BITS
            return Known.NEW if version > last else Known.LAST if version == last else Known.PASSED
        if self._forgotten is None or version > self._forgotten[self.bucket_of(key)]:
            return Known.NEW
        return Known.UNSURE

    def position(self, key: str) -> int:
        """The position at which the last version of a known key was reported."""
        return self._last[key] & _POSITION_MASK

    def note(self, key: str, version: int, position: int) -> None:
        """A version of a key is reported, at a position (counted from 0)."""
        packed = version << _POSITION_BITS | position
        self._last[key] = packed
        self._order.append((key, packed))
        while len(self._order) > self._limit():
            self._forget_first()

    def _forget_first(self) -> None:
        key, packed = self._order.popleft()
        if self._last.get(key) != packed:
            return  # it was reported again since
        del self._last[key]
        if self._forgotten is None:
            self._forgotten = array("Q", bytes(8 * self.buckets))
        bucket = self.bucket_of(key)
        self._forgotten[bucket] = max(self._forgotten[bucket], packed >> _POSITION_BITS)

    def bucket_of(self, key: str) -> int:
        """The group of a key."""
        return crc32(key.encode("utf-8", "surrogatepass")) % self.buckets
