"""The calls that wait to be sent to a node, joined to batches.

It owns which waiting calls share a batch. It must never decide when a batch is sent.

Tested in tests/client/test_waiting_calls.py.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator

from limedb.client.batches import MAX_ITEMS, Batch, Reads, Writes
from limedb.client.outcomes import Outcome
from limedbpb.v1 import record_pb2

Kind = tuple[record_pb2.Consistency, float]
"""Calls of one level and one timeout (seconds) share a batch."""
ReadKind = tuple[record_pb2.Consistency, float, type[Reads]]
"""Reads, too, if they are of one class."""


class WaitingCalls:
    """Calls that wait. A batch of writes has each key once, so that each write has an outcome of its own;
    writes of a key stay in their order. began: called when the first call of a kind waits, or a batch is
    complete.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, began: Callable[[], None]) -> None:
        self._loop, self._began = loop, began
        self._reads: dict[ReadKind, Reads] = {}
        self._writes: dict[Kind, Writes] = {}
        self._later: dict[Kind, Writes] = {}
        """Writes of keys that the batch of their kind already has: they follow it."""
        self._full: deque[Batch] = deque()
        """Batches that take no more calls."""

    def __bool__(self) -> bool:
        return bool(self._reads or self._writes or self._full)

    def read(
        self, key: str, level: record_pb2.Consistency, timeout: float, reads: type[Reads] = Reads
    ) -> "asyncio.Future[Outcome]":
        """Add a read; return its outcome. reads: the class of its batch."""
        kind = level, timeout, reads
        batch = self._reads.get(kind)
        if batch is None:
            batch = self._reads[kind] = reads(level, timeout)
            self._began()
        future: asyncio.Future[Outcome] = self._loop.create_future()
        batch.keys.append(key)
        batch.futures.append(future)
        if len(batch.keys) >= MAX_ITEMS:
            self.add(self._reads.pop(kind))
        return future

    def write(
        self, key: str, item: bytes, may_repeat: bool, level: record_pb2.Consistency, timeout: float
    ) -> "asyncio.Future[Outcome]":
        """Add a write; return its outcome. item: the bytes of a BatchWrite; may_repeat: it has an idempotency
        key.
        """
        kind = level, timeout
        batch = self._writes.get(kind)
        if batch is None:
            batch = self._writes[kind] = Writes(level, timeout)
            self._began()
        elif batch.is_full or key in batch.known:
            batch = self._next(kind, batch, key)
        future: asyncio.Future[Outcome] = self._loop.create_future()
        batch.add(key, item, may_repeat, future)
        return future

    def add(self, batch: Batch) -> None:
        """Add a batch that is complete."""
        self._full.append(batch)
        self._began()

    def full(self, may_send: Callable[[Batch], bool]) -> Iterator[Batch]:
        """Take out the complete batches, as long as they may be sent."""
        while self._full and may_send(self._full[0]):
            yield self._full.popleft()

    def others(self, may_send: Callable[[Batch], bool]) -> Iterator[Batch]:
        """Take out the other batches that may be sent."""
        for read_kind, reads in [*self._reads.items()]:
            if may_send(reads):
                yield self._reads.pop(read_kind)
        for kind, writes in [*self._writes.items()]:
            if may_send(writes):
                del self._writes[kind]
                if (later := self._later.pop(kind, None)) is not None:
                    self._writes[kind] = later
                yield writes

    def take_all(self) -> list[Batch]:
        """Take out all batches."""
        batches = [*self._full, *self._reads.values(), *self._writes.values(), *self._later.values()]
        for waiting in (self._full, self._reads, self._writes, self._later):
            waiting.clear()
        return batches

    def _next(self, kind: Kind, batch: Writes, key: str) -> Writes:
        """The batch that takes a key when the first one of its kind can't."""
        later = self._later.get(kind)
        if not batch.is_full and (later is None or not (later.is_full or key in later.known)):
            if later is None:
                later = self._later[kind] = Writes(*kind)
            return later
        self.add(batch)
        if later is None or not (later.is_full or key in later.known):
            first = self._writes[kind] = later if later is not None else Writes(*kind)
            self._later.pop(kind, None)
            return first
        self._writes[kind] = later
        newest = self._later[kind] = Writes(*kind)
        return newest
