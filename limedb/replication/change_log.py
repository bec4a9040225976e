"""The recent changes of the own store, for watches.

It owns the order in which changes arrived, and how many are kept. A watcher reads the one log at a place of
its own: the log keeps nothing for it, and nobody waits for it; a watcher that falls behind finds a gap.
Changes of keys that it doesn't watch never cost it its place.

A record that arrives long after it was written is a copy of an old record (by hints, repair, streaming), and
the log doesn't keep it. A write may be sent again for ten minutes under its version, so a copy is older than
that. A client's write that arrives late, because it was sent again, is marked: it may be acknowledged only
now. The log keeps it even if the store already has it, since the store may have got it as a copy that no
watch reported.
"""

import asyncio
from bisect import bisect_left
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from operator import eq
from typing import NamedTuple

from limedb.aio.running_time import TIMER_SLACK_SECONDS
from limedb.core.hlc import COUNTER_BITS, version_at
from limedb.core.record import Record, RecordBatch, versions_of
from limedb.core.selection import WatchFilter
from limedb.core.stop_limits import SPREAD_MS
from limedb.errors import WatchGapError
from limedb.ports import Applied, ChangeBatch, ChangeTail
from limedb.ports.applied_columns import AppliedColumns, columns_of

MAX_CHANGES = 100_000
MAX_BYTES = 32 << 20
"""Changes, and bytes of keys and values, that are kept."""
OVERHEAD = 500
"""Further bytes of a change: its objects, and its stored form where that is small."""
SMALL = 200
"""Bytes that the stored forms of changes have at most, on average, where they are kept with them. They hold
the values a second time: a log of large values would take twice what is counted.
"""
OLD_COPY_MS = 11 * 60_000
"""The age at which a record that arrives is an old one's copy."""
FRESH_MS = 15_000
"""How far before the start of an empty store a watch may ask: it does so by a margin (`feed.py`)."""
BATCH, BATCH_BYTES = 256, 1 << 20
"""Changes, and bytes of them, in one batch."""
LOOK_AT = 1000
"""Changes that are looked at before others have their turn."""
RETURN_SECONDS = 5.0
"""How long a client that has left a node may take to follow the changes at another one."""
BEAT_SECONDS = 1.0
"""The longest time that a watcher hears nothing, whatever is written meanwhile."""


class ChangeLog:
    """The changes of one node since its start, and those of the run before that it took over.

    now_ms: the cluster's time. started_ms: the time from which on it knows of changes. is_fresh: the store is
    empty, so nothing changed in the seconds before. floor_ms: the log has all changes that arrived since
    then. is_complete: for every batch it is known whether the store took it; the replica sets it.
    """

    def __init__(
        self,
        now_ms: Callable[[], int],
        started_ms: int,
        *,
        is_fresh: bool,
        max_changes: int = MAX_CHANGES,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._now_ms, self._max_changes, self._max_bytes = now_ms, max_changes, max_bytes
        self._pieces: dict[int, _Piece] = {}  # by number
        self._first = self._next = 0
        self._count = self._bytes = 0
        self._stamp = started_ms
        self.started_ms = self.floor_ms = self._stamp - (FRESH_MS if is_fresh else 0)
        self._waiting: set[asyncio.Future[None]] = set()
        self._places: set[_Place] = set()
        self._slowest = 0  # no place is before it
        self._left_at = float("-inf")  # when the last place was given up, by the loop's clock
        self.is_complete = True

    def add(
        self,
        records: Sequence[Record],
        applied: Sequence[Applied],
        now_ms: int,
        *,
        again: bool = False,
        copied: bool = False,
    ) -> None:
        """Add records that the store got at a time. again: it got them before, with unknown outcome. copied:
        see ports.Replica.apply.
        """
        now = self._stamp = max(self._stamp, now_ms)
        oldest = (now - OLD_COPY_MS) << COUNTER_BITS
        prompt = 0 if copied else (now - SPREAD_MS) << COUNTER_BITS
        kept = _changed(records, columns_of(applied), oldest, prompt, again=again)
        for piece in _pieces(kept):
            self._keep(now, piece, _bytes_of(piece), prompt)
        self._forget_surplus()
        if self._waiting:
            self._wake()

    def _keep(self, now: int, records: Sequence[Record], size: int, prompt: int) -> None:
        """prompt: the version below which a record is late."""
        if records:
            if size > (OVERHEAD + SMALL) * len(records):
                records = [record if len(record.encoded) <= SMALL else _bare(record) for record in records]
            versions = versions_of(records)
            is_late = min(versions) < prompt
            late = frozenset([i for i, v in enumerate(versions) if v < prompt]) if is_late else NONE
            self._pieces[self._next] = _Piece(now, records, size, late)
            self._next += 1
            self._count += len(records)
            self._bytes += size

    # --- from one run of the node to the next

    def tail(self) -> ChangeTail:
        """All that is kept. Nothing may be added any more."""
        return ChangeTail(self.started_ms, self.floor_ms, self._stamp, list(self._changes()))

    def _changes(self) -> Iterator[tuple[int, Record, bool]]:
        for piece in self._pieces.values():
            for i, record in enumerate(piece.records):
                yield piece.arrived_ms, record, i in piece.late

    def take_over(self, tail: ChangeTail) -> None:
        """Continue where the previous run stopped; call it before anything is added. The store got nothing in
        between, so nothing is missing.
        """
        self.started_ms, self.floor_ms = tail.started_ms, tail.complete_since_ms
        self._stamp = max(self._stamp, tail.until_ms)
        for arrived_ms, record, is_late in tail.changes:
            prompt = record.version + 1 if is_late else 0
            self._keep(arrived_ms, [record], _size(record), prompt)
        self._forget_surplus()

    # --- watches

    @property
    def is_followed(self) -> bool:
        """Whether anybody listens, or listened a moment ago and may be on the way to another node, where it
        needs the changes of this one.
        """
        return bool(self._places) or asyncio.get_running_loop().time() - self._left_at < RETURN_SECONDS

    async def follow(self, what: WatchFilter, since_ms: int | None) -> AsyncGenerator[ChangeBatch, None]:
        """The changes that arrived from a time on (None: now), in their order; the first batch comes at once,
        and then one at least every BEAT_SECONDS.

        WatchGapError: the watcher fell behind what is kept.
        """
        place = _Place(what, self._next if since_ms is None else self._find(since_ms))
        has_gap = since_ms is not None and since_ms < self.floor_ms
        floor_ms, now = self.floor_ms, asyncio.get_running_loop().time
        self._places.add(place)
        self._slowest = min(self._slowest, place.at)
        try:
            due = now()
            while True:
                if place.at < self._first:
                    raise WatchGapError(version_at(self.floor_ms))
                records, late = self._collect(place)
                if records or now() + TIMER_SLACK_SECONDS >= due:
                    yield ChangeBatch(
                        records, self._until_ms(place.at), floor_ms, has_gap, late, self.started_ms
                    )
                    due = now() + BEAT_SECONDS
                if place.at >= self._next:
                    await self._wait(due)
                await asyncio.sleep(0)
        finally:
            self._places.discard(place)
            self._left_at = now()

    def _collect(self, place: "_Place") -> tuple[list[Record], frozenset[int]]:
        """Those of the next changes that are wanted; the place moves behind the last piece looked at."""
        found: list[Record] = []
        late: list[int] = []
        looked, size = 0, 0
        while place.at < self._next and looked < LOOK_AT and len(found) < BATCH and size < BATCH_BYTES:
            piece = self._pieces[place.at]
            place.at += 1
            looked += len(piece.records)
            for i, record in enumerate(piece.records):
                if place.what.holds(record.key):
                    if i in piece.late:
                        late.append(len(found))
                    found.append(record)
                    size += _size(record)
        return found, frozenset(late) if late else NONE

    def _until_ms(self, at: int) -> int:
        """A time such that all changes that arrived before it, or will, stand before a place."""
        if at < self._next:
            return self._pieces[at].arrived_ms
        self._stamp = max(self._stamp, self._now_ms())
        return self._stamp

    def _find(self, since_ms: int) -> int:
        numbers = range(self._first, self._next)
        return self._first + bisect_left(numbers, since_ms, key=lambda n: self._pieces[n].arrived_ms)

    def _forget_surplus(self) -> None:
        while self._bytes > self._max_bytes or self._count > self._max_changes:
            self._forget_first()

    def _forget_first(self) -> None:
        if self._slowest <= self._first:
            self._move_places()
        piece = self._pieces.pop(self._first)
        self._first += 1
        self._count -= len(piece.records)
        self._bytes -= piece.size
        self.floor_ms = piece.arrived_ms + 1  # of what arrived in the same millisecond, some may be left

    def _move_places(self) -> None:
        """Move watchers past the first piece that have not looked at it yet and want nothing of it."""
        records = self._pieces[self._first].records
        for place in self._places:
            if place.at == self._first and not any(place.what.holds(record.key) for record in records):
                place.at += 1
        ahead = [place.at for place in self._places if place.at > self._first]
        self._slowest = min(ahead, default=self._next)

    async def _wait(self, due: float) -> None:
        """Return when something came, or when it is due (seconds of the loop's clock)."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            async with asyncio.timeout_at(due):
                await waiter
        except TimeoutError:
            pass
        finally:
            self._waiting.discard(waiter)

    def _wake(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)


NONE: frozenset[int] = frozenset()


class _Place:
    """Where a watcher is: the number of the piece that it looks at next."""

    __slots__ = ("at", "what")

    def __init__(self, what: WatchFilter, at: int) -> None:
        self.what, self.at = what, at


class _Piece(NamedTuple):
    """Changes that arrived together. size: about their bytes. late: the places of late writes."""

    arrived_ms: int
    records: Sequence[Record]
    size: int
    late: frozenset[int]


def _changed(
    records: Sequence[Record], columns: AppliedColumns, oldest: int, prompt: int, *, again: bool
) -> Sequence[Record]:
    """Those of the records that are to be kept. oldest: the least version of a record that is no old one's
    copy. prompt, again: as above.
    """
    versions, previous, superseded = versions_of(records), columns.previous, columns.superseded
    is_usual = not superseded and (again or not any(map(eq, previous, versions)))
    if is_usual and min(versions, default=oldest) >= oldest:
        return records
    return [
        records[place]
        for place, (version, before) in enumerate(zip(versions, previous, strict=True))
        if version >= oldest and place not in superseded and (again or before != version or version < prompt)
    ]


def _pieces(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """Records in pieces of a batch each."""
    if len(records) <= BATCH and _bytes_of(records) <= BATCH_BYTES:
        yield records
        return
    few = BATCH_BYTES // (RecordBatch.MAX_DATA + OVERHEAD) if isinstance(records, RecordBatch) else 1
    for start in range(0, len(records), few):
        yield records[start : start + few]


def _bytes_of(records: Sequence[Record]) -> int:
    """About the bytes of records."""
    if isinstance(records, RecordBatch):
        return sum(map(len, records.data)) + OVERHEAD * len(records)
    return sum([len(record[0]) + len(record[1] or "") for record in records]) + OVERHEAD * len(records)


def _bare(record: Record) -> Record:
    """A record without its stored form."""
    return Record(*record)


def _size(record: Record) -> int:
    return len(record.key) + len(record.value or "") + OVERHEAD
