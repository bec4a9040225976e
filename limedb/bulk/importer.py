"""Import: lines of a file become keys of a cluster, many batches at once.

It owns the order and the progress. However the run ends, every line before `place` is stored or was reported
as bad, and a resumed run stores none of them again. Two writes of one key are never under way together, so
the later line wins. It must never hold more than a few batches.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol

from limedb.bulk.chunks import Chunks
from limedb.bulk.items import Item, Line, Place
from limedb.client import Receipt, Value
from limedb.errors import BadItemError, BulkError, InvalidRequestError, LimeDBError, PartialFailureError

IN_FLIGHT = 8
"""Batches under way at once."""


class Store(Protocol):
    """A client that stores keys."""

    async def set_many(
        self, values: Mapping[str, Value], ttl: Mapping[str, float], *, expires_at: Mapping[str, float]
    ) -> dict[str, Receipt]:
        """Store many values, as Client.set_many does."""


@dataclass(slots=True)
class Counts:
    """Counts of items by their outcome. expired: their time was over before they could be stored."""

    stored: int = 0
    failed: int = 0
    expired: int = 0

    def add(self, other: "Counts") -> None:
        """Add the counts of another one."""
        self.stored += other.stored
        self.failed += other.failed
        self.expired += other.expired


@dataclass(slots=True)
class _Batch:
    behind: Place
    items: dict[str, tuple[int, Item]] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    is_done: bool = False


class Importer:
    """An import. place: where the file continues; counts: of the lines before that. Both advance.

    report: called for each bad line with its number and error. moved: called when the place has advanced.
    stop_on_error: the first bad line stops the run.
    """

    def __init__(
        self,
        store: Store,
        place: Place,
        counts: Counts,
        report: Callable[[int, LimeDBError], None],
        moved: Callable[[], None],
        stop_on_error: bool = False,
    ) -> None:
        self.place, self.counts = place, counts
        self._store, self._report, self._moved = store, report, moved
        self._stop_on_error, self._fatal = stop_on_error, list[LimeDBError]()
        self._batches: deque[_Batch] = deque()
        self._busy: dict[str, _Batch] = {}
        self._finished = asyncio.Event()

    async def run(self, lines: Iterator[Line]) -> None:
        """Store all lines. LimeDBError: it can't continue; no batch is under way any more, and `place` shows
        where to resume.
        """
        async with asyncio.TaskGroup() as group, aclosing(Chunks(lines).read()) as chunks:
            try:
                async for chunk in chunks:
                    for batch in self._batches_of(chunk):
                        await self._start(group, batch)
                    if self._fatal:
                        break
            except BulkError as error:
                self._fatal.append(error)
        if self._fatal:
            raise self._fatal[0]

    def _batches_of(self, chunk: list[Line]) -> Iterator[_Batch]:
        """Split the chunk into batches that hold each key once."""
        batch: _Batch | None = None
        for line in chunk:
            item = line.content if isinstance(line.content, Item) else None
            if batch is not None and item is not None and item.key in batch.items:
                yield batch
                batch = None
            batch = batch or _Batch(line.behind)
            if isinstance(line.content, BadItemError):
                if not self._bad(batch, line.number, line.content):
                    break
            elif item is not None:
                batch.items[item.key] = (line.number, item)
            batch.behind = line.behind
        if batch is not None:
            yield batch

    def _bad(self, batch: _Batch, number: int, error: LimeDBError) -> bool:
        """Report a bad line; return whether to continue."""
        self._report(number, error)
        if self._stop_on_error:
            self._fatal.append(
                BulkError(f"stopped at line {number}: fix it, and continue there (--resume, if it is a file)")
            )
            return False
        batch.counts.failed += 1
        return True

    async def _start(self, group: asyncio.TaskGroup, batch: _Batch) -> None:
        while len(self._batches) >= IN_FLIGHT or not self._busy.keys().isdisjoint(batch.items):
            if self._fatal:
                return
            self._finished.clear()
            await self._finished.wait()
        self._batches.append(batch)
        self._busy.update(dict.fromkeys(batch.items, batch))
        group.create_task(self._carry(batch))

    async def _carry(self, batch: _Batch) -> None:
        try:
            batch.is_done = await self._write(batch)
        finally:
            for key in batch.items:
                del self._busy[key]
            self._advance()

    def _advance(self) -> None:
        while self._batches and self._batches[0].is_done:
            batch = self._batches.popleft()
            self.place = batch.behind
            self.counts.add(batch.counts)
            self._moved()
        self._finished.set()

    async def _write(self, batch: _Batch) -> bool:
        """Store a batch; return whether all its items are stored or reported as bad."""
        now_ms = time.time_ns() // 1_000_000
        items = [item for _, item in batch.items.values() if not item.has_expired(now_ms)]
        batch.counts.expired += len(batch.items) - len(items)
        errors: dict[str, LimeDBError] = {}
        try:
            await self._store.set_many(
                {item.key: item.value for item in items},
                {item.key: item.ttl_ms / 1000 for item in items if item.ttl_ms},
                expires_at={item.key: item.expires_at_ms / 1000 for item in items if item.expires_at_ms},
            )
        except PartialFailureError as failed:
            errors = failed.errors
        except LimeDBError as error:
            self._fatal.append(error)
            return False
        batch.counts.stored += len(items) - len(errors)
        return min((self._settle(batch, key, error) for key, error in errors.items()), default=True)

    def _settle(self, batch: _Batch, key: str, error: LimeDBError) -> bool:
        """Blame a key's error on its line, or on the cluster; return whether to continue."""
        if isinstance(error, InvalidRequestError):
            return self._bad(batch, batch.items[key][0], error)
        self._fatal.append(error)
        return False
