"""What has changed in the own store lately, for those who watch.

It owns the order in which changes arrived, and how many are kept. A watcher reads the one log at a place of
its own: nothing is kept for it, and nobody waits for it; who falls behind what is kept finds a gap.

What arrives long after it was written is no news but a copy of an old record (by hints, repair, handoff) and
isn't kept. A write may be sent again for ten minutes under its version, so a copy is older than that.
"""

import asyncio
from bisect import bisect_left
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import NamedTuple

from limedb.core.hlc import COUNTER_BITS, version_at
from limedb.core.record import Record
from limedb.core.selection import Selection
from limedb.errors import WatchGapError
from limedb.ports import Applied, ChangeBatch

MAX_CHANGES = 100_000
MAX_BYTES = 32 << 20
"""Changes, and bytes of keys and values, that are kept."""
OVERHEAD = 500
"""Bytes that a change takes besides: its objects, and its stored form."""
LATE_MS = 11 * 60_000
"""The age at which a record that arrives is an old one's copy."""
FRESH_MS = 15_000
"""How far before the start of an empty store a watch may ask: it does so by a margin (`watching.py`)."""
BATCH, BATCH_BYTES = 256, 1 << 20
"""Changes, and bytes of them, that are told at once."""
LOOK_AT = 1000
"""Changes that are looked at before others have their turn."""
BEAT_SECONDS = 1.0
"""How long a watcher hears nothing at most."""


class ChangeLog:
    """The changes of one node since its start.

    now_ms: the cluster's time. started_ms: since when it can tell of changes. is_fresh: the store is empty,
    so that nothing changed in the seconds before. floor_ms: all that arrived since then is kept.
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
        self.floor_ms = self._stamp - (FRESH_MS if is_fresh else 0)
        self._waiting: set[asyncio.Future[None]] = set()

    def add(
        self, records: Sequence[Record], applied: Sequence[Applied], now_ms: int, again: bool = False
    ) -> None:
        """Take in what the store was given at a time. again: it was given before, and nobody knows what came
        of it.
        """
        now = self._stamp = max(self._stamp, now_ms)
        oldest = (now - LATE_MS) << COUNTER_BITS
        kept = [
            record
            for record, (superseded_by, _, previous) in zip(records, applied, strict=True)
            if record[2] >= oldest and not superseded_by and (again or previous != record[2])
        ]
        size = sum([len(record[0]) + len(record[1] or "") for record in kept]) + OVERHEAD * len(kept)
        if len(kept) <= BATCH and size <= BATCH_BYTES:
            self._keep(now, kept, size)
        else:  # in pieces that can be told at once
            for record in kept:
                self._keep(now, [record], _size(record))
        while self._bytes > self._max_bytes or self._count > self._max_changes:
            self._forget_first()
        if self._waiting:
            self._wake()

    def _keep(self, now: int, records: list[Record], size: int) -> None:
        if records:
            self._pieces[self._next] = _Piece(now, records, size)
            self._next += 1
            self._count += len(records)
            self._bytes += size

    async def follow(self, what: Selection, since_ms: int | None) -> AsyncGenerator[ChangeBatch, None]:
        """The changes that arrived from a time on (None: now), in their order; the first batch comes at once.

        WatchGapError: the watcher fell behind what is kept.
        """
        at = self._next if since_ms is None else self._find(since_ms)
        has_gap = since_ms is not None and since_ms < self.floor_ms
        floor_ms, is_begun, is_due = self.floor_ms, False, False
        while True:
            if at < self._first:
                raise WatchGapError(version_at(self.floor_ms))
            records, at = self._collect(what, at)
            if records or is_due or not is_begun:
                is_begun = True
                yield ChangeBatch(records, self._until_ms(at), floor_ms, has_gap)
            is_due = at >= self._next and not await self._wait()
            await asyncio.sleep(0)

    def _collect(self, what: Selection, at: int) -> tuple[list[Record], int]:
        """Those of the next changes that are wanted, and the place behind the last piece looked at."""
        found: list[Record] = []
        looked, size = 0, 0
        while at < self._next and looked < LOOK_AT and len(found) < BATCH and size < BATCH_BYTES:
            piece = self._pieces[at]
            at += 1
            looked += len(piece.records)
            if wanted := [record for record in piece.records if what.holds(record.key)]:
                found += wanted
                size += piece.size
        return found, at

    def _until_ms(self, at: int) -> int:
        """A time before which nothing more arrived, or will, than what stands before a place."""
        if at < self._next:
            return self._pieces[at].arrived_ms
        self._stamp = max(self._stamp, self._now_ms())
        return self._stamp

    def _find(self, since_ms: int) -> int:
        numbers = range(self._first, self._next)
        return self._first + bisect_left(numbers, since_ms, key=lambda n: self._pieces[n].arrived_ms)

    def _forget_first(self) -> None:
        piece = self._pieces.pop(self._first)
        self._first += 1
        self._count -= len(piece.records)
        self._bytes -= piece.size
        self.floor_ms = piece.arrived_ms + 1  # of what arrived in the same millisecond, some may be left

    async def _wait(self) -> bool:
        """Whether something came before the next beat."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            async with asyncio.timeout(BEAT_SECONDS):
                await waiter
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(waiter)
        return True

    def _wake(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)


class _Piece(NamedTuple):
    """Changes that arrived together. size: about their bytes."""

    arrived_ms: int
    records: list[Record]
    size: int


def _size(record: Record) -> int:
    return len(record.key) + len(record.value or "") + OVERHEAD
