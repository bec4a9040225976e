"""Reads everything that this node stores, and starts the mending of damaged records.

It owns the pace, and the place that it has reached. It must never judge a record: the store does, and
`healing.py` fetches lost records from others.

Requests read only the keys that clients ask for: by the time such damage is found, another replica of the
same key may be damaged, too.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Protocol

from limedb.core.damage import Damage
from limedb.core.report import ScrubProgress
from limedb.errors import LimeDBError
from limedb.ports import Clock, Store

log = logging.getLogger(__name__)

STEP_BYTES = 256 << 10
"""Bytes of a step, which takes some 1 to 2 ms of the event loop; with small records there are more steps."""
FAST_BYTES = 64 << 20
"""Bytes a second at which a scrub on demand reads, at most; it takes half of the event loop at most, too."""
SAVE_SECONDS = 60.0
RETRY_SECONDS = 60.0
SPREAD = 0.8
"""The share of the interval over which a pass is spread; the rest of it is a pause."""
MEND_SECONDS = 30.0
"""How long a scrub on demand waits at its end for the mending of its findings."""
PROGRESS_SECONDS = 0.2


class ScrubMark(Protocol):
    """Where a scrubber keeps its place across restarts."""

    def load(self) -> tuple[bytes, int]:
        """The place where it is to continue, and when the last pass ended (ms since 1970; 0: never)."""

    async def save(self, place: bytes, ended_ms: int) -> None:
        """Keep both. It may fail silently: then more is read twice."""


class Scrubber:
    """Reads everything once in `interval` seconds; 0: never by itself. mark: None: it starts over after each
    restart. ended_ms: when the last pass ended, milliseconds since 1970; 0: none did.
    """

    def __init__(self, store: Store, clock: Clock, interval: float, mark: ScrubMark | None = None) -> None:
        self._store, self._clock, self._interval, self._mark = store, clock, interval, mark
        self._place, self.ended_ms = mark.load() if mark else (b"", 0)
        self._saved_at = clock.monotonic()
        self._began_ms: int | None = None

    async def run(self) -> None:
        """Scrub until it is cancelled."""
        if not self._interval:
            return
        while True:
            await asyncio.sleep(self._pause())
            try:
                await self._pass()
            except LimeDBError as error:
                log.warning("scrubbing can't continue: %s; it is tried again", error)
                await asyncio.sleep(RETRY_SECONDS)

    async def scrub_all(self) -> AsyncGenerator[ScrubProgress, None]:
        """Read everything now, and yield the progress, the first time before anything is read.

        LimeDBError: the store failed.
        """
        damage = self._store.damage
        before = (damage.found, damage.mended, damage.index)
        progress = _progress(damage, before, 0, 0, self._store.stats().size)
        reported = self._clock.monotonic()
        yield progress
        place, is_first, records, size = b"", True, 0, 0
        while place or is_first:
            began = self._clock.monotonic()
            step = await self._store.scrub(place, STEP_BYTES)
            place, is_first = step.place, False
            records, size = records + step.records, size + step.size
            await asyncio.sleep(max(step.size / FAST_BYTES, self._clock.monotonic() - began))
            if self._clock.monotonic() - reported >= PROGRESS_SECONDS:
                reported = self._clock.monotonic()
                yield _progress(damage, before, records, size, progress.total)
        patience = self._clock.monotonic() + MEND_SECONDS
        while len(damage) > len(damage.lost_now) and self._clock.monotonic() < patience:
            await asyncio.sleep(PROGRESS_SECONDS)
            yield _progress(damage, before, records, size, progress.total)
        await self._reach(b"", ended=True)
        yield _progress(damage, before, records, size, size)

    # --- in the background

    def _pause(self) -> float:
        """Seconds until the next pass is due: an interval after the last one began. If that was in another
        run of the node, this assumes the longest duration of a pass.
        """
        if self._place or not self.ended_ms:
            return 0.0
        spread_ms = SPREAD * self._interval * 1000
        began_ms = self.ended_ms - spread_ms if self._began_ms is None else self._began_ms
        since = (self._clock.wall_ms() - began_ms) / 1000
        return min(self._interval, max(0.0, self._interval - since))

    async def _pass(self) -> None:
        """Continue from the place that was reached to the end, spread over the interval."""
        is_done = False
        if not self._place:
            self._began_ms = self._clock.wall_ms()
        while not is_done:
            step = await self._store.scrub(self._place, STEP_BYTES)
            is_done = not step.place
            await self._reach(step.place, ended=is_done)
            share = step.size / max(self._store.stats().size, step.size, 1)
            await asyncio.sleep(0.0 if is_done else SPREAD * self._interval * share)

    async def _reach(self, place: bytes, *, ended: bool) -> None:
        self._place = place
        if ended:
            self.ended_ms = self._clock.wall_ms()
        now = self._clock.monotonic()
        if self._mark is not None and (ended or now - self._saved_at >= SAVE_SECONDS):
            self._saved_at = now
            await self._mark.save(place, self.ended_ms)


def _progress(
    damage: Damage, before: tuple[int, int, int], records: int, size: int, total: int
) -> ScrubProgress:
    found, mended, index = before
    return ScrubProgress(
        records, size, max(size, total), damage.found - found, damage.mended - mended, damage.index - index,
        len(damage), len(damage.lost_now),
    )  # fmt: skip
