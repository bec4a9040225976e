"""The promises of a replica: the version below which it refuses records of a key.

It owns the rules under which promises are made, kept and taken back. It must never read a store, nor write a
promise down: `replication/conditional/guard.py` does.

A conditional write asks a majority of a key's replicas to promise its ballot, judges its condition on the
newest record that they have, and sends its record with the ballot as version (`core/conditional.py` says why
that is safe). From its promise on, a replica takes no record of the key below the ballot, from any sender:

P  A ballot is promised if it is above all ballots promised for the key and above the stored version.
W  A record is taken if it is not below the highest promised ballot, and refused otherwise. The ballot's own
   record is one of those that are taken.
R  A promise whose write will never be sent is taken back, and nothing is refused for it any longer.
G A promise that a stored record has reached is kept for KEPT_MS. A record below it that arrives later was
overtaken by a write that may not have seen it; so it must not count as one that comes in order just before
that write (`replication/write/writer.py`). A promise that no stored record has reached is kept until one
does.

A replica that has lost its promises refuses all records below its floor, the time of the loss: it may have
promised anything until then. It refuses records that are already stored elsewhere (copies) only for FLOOR_MS,
since by then each conditional write that was under way has finished.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from limedb.core.hlc import version_at, wall_ms_of
from limedb.core.record import Record, RecordBatch, versions_of

KEPT_MS = 660_000
"""How long an overtaken promise is kept: longer than a write may be sent again."""
FLOOR_MS = 60_000
"""How long copies below the floor are refused, milliseconds."""
MAX_KEYS = 500_000
"""The most keys with promises; the replica promises nothing for further ones."""
MAX_BALLOTS = 64
"""The most promises of one key that no write has reached; the replica makes no further ones."""


class Promises:
    """The promised ballots, in rising order, by key. floor: the version below which all is refused; 0: there
    is none.
    """

    __slots__ = ("_names", "by_key", "floor")

    def __init__(self, by_key: Mapping[str, Sequence[int]] | None = None, floor: int = 0) -> None:
        self.by_key: dict[str, tuple[int, ...]] = {}
        self._names: set[bytes] = set()
        self.floor = floor
        for key, ballots in (by_key or {}).items():
            self._set(key, tuple(ballots))

    def of(self, key: str) -> tuple[int, ...]:
        """The ballots promised for a key."""
        return self.by_key.get(key, ())

    def top(self, key: str) -> int:
        """The highest ballot promised for a key; 0: none."""
        ballots = self.by_key.get(key)
        return ballots[-1] if ballots else 0

    def add(self, key: str, ballot: int, stored: int) -> bool:
        """Promise a ballot (rule P), if the key's stored version (0: none) allows it; return whether it did.
        This drops the promises that the store has overtaken, except the last of them (rule G).
        """
        ballots = self.of(key)
        if ballot <= max(self.top(key), self.floor, stored):
            return False
        if not ballots and len(self.by_key) >= MAX_KEYS:
            return False
        open_from = sum(1 for each in ballots if each <= stored)
        kept = ballots[max(0, open_from - 1) :]
        if len(kept) >= MAX_BALLOTS:
            return False
        self._set(key, (*kept, ballot))
        return True

    def take_over(self, key: str, ballots: Iterable[int]) -> bool:
        """Add the promises of another replica; return whether any was new."""
        before = self.of(key)
        after = tuple(sorted({*before, *ballots}))[-MAX_BALLOTS:]
        if after == before or (not before and len(self.by_key) >= MAX_KEYS):
            return False
        self._set(key, after)
        return True

    def release(self, key: str, ballot: int) -> bool:
        """Take a promise back (rule R); return whether there was one."""
        ballots = self.of(key)
        if ballot not in ballots:
            return False
        self._set(key, tuple(each for each in ballots if each != ballot))
        return True

    def next_keys(self, count: int) -> list[str]:
        """Some keys to check, the least recently checked first. The next call returns others."""
        keys = [*islice(self.by_key, count)]
        for key in keys:
            self.by_key[key] = self.by_key.pop(key)
        return keys

    def drop(self, key: str) -> None:
        """Forget all promises of a key."""
        self._set(key, ())

    def is_over(self, key: str, stored: int, now_ms: int) -> bool:
        """Whether a key's promises may be forgotten (rule G)."""
        top = self.top(key)
        return stored >= top and wall_ms_of(top) < now_ms - KEPT_MS

    def blocks(self, key: str, version: int) -> bool:
        """Whether a record of a key, at a version, is refused for a promise (rule W)."""
        return version < self.top(key)

    def refused(self, records: Sequence[Record], now_ms: int, *, copied: bool) -> dict[int, int]:
        """The places of records that are refused, and the version that each must reach."""
        found: dict[int, int] = {}
        if self.by_key and not (isinstance(records, RecordBatch) and self._names.isdisjoint(records.names)):
            tops = self.by_key
            for place, record in enumerate(records):
                ballots = tops.get(record[0])
                if ballots and record[2] < ballots[-1]:
                    found[place] = ballots[-1]
        floor = self.floor
        if floor and records and min(versions := versions_of(records)) < floor:
            if copied and wall_ms_of(floor) + FLOOR_MS < now_ms:
                return found
            for place, version in enumerate(versions):
                if version < floor:
                    found[place] = max(floor, found.get(place, 0))
        return found

    def _set(self, key: str, ballots: tuple[int, ...]) -> None:
        name = key.encode()
        if ballots:
            self.by_key[key] = ballots
            self._names.add(name)
        else:
            self.by_key.pop(key, None)
            self._names.discard(name)


def floor_at(now_ms: int) -> int:
    """The floor of a replica that lost its promises at a time."""
    return version_at(now_ms + 1)
