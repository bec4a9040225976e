"""What has changed in the own store lately, for those who watch.

It owns the order in which changes arrived, and how many are kept. A watcher reads the one log at a place of
its own: nothing is kept for it, and nobody waits for it; who falls behind what is kept finds a gap.

What arrives long after it was written is no news but a copy of an old record (by hints, repair, handoff) and
isn't kept. A write may be sent again for ten minutes under its version, so a copy is older than that.
"""

import asyncio
from bisect import bisect_left
from collections.abc import AsyncGenerator, Callable, Sequence

from limedb.core.hlc import COUNTER_BITS, version_at
from limedb.core.record import Record
from limedb.core.selection import Selection
from limedb.errors import WatchGapError
from limedb.ports import Applied, ChangeBatch

MAX_CHANGES = 100_000
MAX_BYTES = 32 << 20
"""Changes, and bytes of keys and values, that are kept."""
OVERHEAD = 100
"""Bytes that a change takes besides."""
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
        self._changes: dict[int, tuple[int, Record]] = {}  # by number: when it arrived, and what
        self._first = self._next = 0
        self._bytes = 0
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
        oldest, changes, number, size = (now - LATE_MS) << COUNTER_BITS, self._changes, self._next, 0
        for record, outcome in zip(records, applied, strict=False):  # as many: a check takes its time
            key, value, version, _ = record
            if version >= oldest and not outcome.superseded_by and (again or outcome.previous != version):
                changes[number] = (now, record)
                number += 1
                size += len(key) + len(value or "") + OVERHEAD
        self._next = number
        self._bytes += size
        while self._bytes > self._max_bytes or len(changes) > self._max_changes:
            self._forget_first()
        if self._waiting:
            self._wake()

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
        """Those of the next changes that are wanted, and the place behind the last one looked at."""
        found: list[Record] = []
        size, end = 0, min(self._next, at + LOOK_AT)
        while at < end and len(found) < BATCH and size < BATCH_BYTES:
            record = self._changes[at][1]
            at += 1
            if what.holds(record.key):
                found.append(record)
                size += _size(record)
        return found, at

    def _until_ms(self, at: int) -> int:
        """A time before which nothing more arrived, or will, than what stands before a place."""
        if at < self._next:
            return self._changes[at][0]
        self._stamp = max(self._stamp, self._now_ms())
        return self._stamp

    def _find(self, since_ms: int) -> int:
        numbers = range(self._first, self._next)
        return self._first + bisect_left(numbers, since_ms, key=lambda number: self._changes[number][0])

    def _forget_first(self) -> None:
        arrived, record = self._changes.pop(self._first)
        self._first += 1
        self._bytes -= _size(record)
        self.floor_ms = arrived + 1  # of what arrived in the same millisecond, some may be left

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


def _size(record: Record) -> int:
    """About the bytes of a change."""
    return len(record.key) + len(record.value or "") + OVERHEAD
