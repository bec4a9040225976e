"""A disk that keeps what was synced when its node crashes, and the store and node file on it.

It owns what outlives a crash. A write is acknowledged once it is durable, after a delay; of those under way
when the node crashes a part is kept, the first ones. Nothing reaches the disk from a process that is dead.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from limedb.core.key_range import KeyRange
from limedb.core.layout import Span
from limedb.core.record import Record
from limedb.ports import Applied, ChangeTail, Entry, RangePage, Saved, StoreStats
from limedb.storage.memory_store import MemoryStore
from tests.simulation.loop import Process

Step = Callable[[], Any]


class SimDisk:
    """What a node has on disk. delay: the most seconds that a sync takes, mostly far less."""

    def __init__(self, rng: Random, delay: float = 0.02) -> None:
        self.rng, self.delay = rng, delay
        self.wipe()

    def wipe(self) -> None:
        """Lose everything. Only while no process uses it."""
        self.records: dict[str, Record] = {}
        self.high_water = 0
        self.saved: Saved | None = None
        self.hints: Any = None
        self.operations: Any = None
        self.tail: tuple[ChangeTail, int] | None = None  # and the high-water mark

    def sync_seconds(self) -> float:
        """How long the next sync takes."""
        return self.delay * self.rng.random() ** 4


class _Queue:
    """Writes on their way to the disk: done in their order by one worker, as a writer thread would."""

    def __init__(self, disk: SimDisk, process: Process, name: str) -> None:
        self._disk, self._process, self._name = disk, process, name
        self._waiting: deque[tuple[Step, asyncio.Future[Any]]] = deque()
        self._worker: asyncio.Task[None] | None = None

    async def do(self, step: Step) -> Any:
        """Have a step done and synced; what it returned. The caller may be cancelled, the step is done."""
        if self._process.is_dead:
            raise asyncio.CancelledError
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((step, done))
        if self._worker is None or self._worker.done():
            self._worker = self._process.start(self._work(), f"{self._name} sync")
        return await done

    def crash(self) -> None:
        """Keep the first few of what is under way. Only once the process is dead."""
        for _ in range(self._disk.rng.randint(0, len(self._waiting))):
            self._waiting.popleft()[0]()
        self._waiting.clear()

    async def _work(self) -> None:
        while self._waiting:
            group = len(self._waiting)
            await asyncio.sleep(self._disk.sync_seconds())
            if self._process.is_dead:
                return
            done = [self._waiting.popleft() for _ in range(group)]
            results = [(answer, step()) for step, answer in done]
            for answer, result in results:
                if not answer.done():
                    answer.set_result(result)


class SimStore:
    """`ports.Store` on a SimDisk: what can be read is durable, as with LMDB."""

    def __init__(self, disk: SimDisk, process: Process) -> None:
        self._disk = disk
        self._inner = MemoryStore(disk.records.values())
        self._queue = _Queue(disk, process, "store")

    def crash(self) -> None:
        self._queue.crash()

    async def apply(self, records: Sequence[Record], now_ms: int) -> list[Applied]:
        applied: list[Applied] = await self._queue.do(lambda: self._apply(tuple(records), now_ms))
        return applied

    async def purge(self, entries: Sequence[Entry]) -> int:
        purged: int = await self._queue.do(lambda: self._purge(tuple(entries)))
        return purged

    def _apply(self, records: Sequence[Record], now_ms: int) -> list[Applied]:
        applied = _run(self._inner.apply(records, now_ms))
        self._keep(record.key for record in records)
        self._disk.high_water = max(self._disk.high_water, self._inner.high_water())
        return applied

    def _purge(self, entries: Sequence[Entry]) -> int:
        purged = _run(self._inner.purge(entries))
        self._keep(entry.key for entry in entries)
        return purged

    def _keep(self, keys: Any) -> None:
        for key in keys:
            record = _run(self._inner.get(key))
            if record is None:
                self._disk.records.pop(key, None)
            else:
                self._disk.records[key] = record

    async def get(self, key: str) -> Record | None:
        return await self._inner.get(key)

    async def get_many(self, keys: Sequence[str]) -> list[Record | None]:
        return await self._inner.get_many(keys)

    async def scan_range(self, keys: KeyRange, limit: int, max_bytes: int) -> RangePage:
        return await self._inner.scan_range(keys, limit, max_bytes)

    async def scan_keys(self, after: str | None, limit: int, now_ms: int, skip: int = 0) -> list[Record]:
        return await self._inner.scan_keys(after, limit, now_ms, skip)

    async def scan_tokens(self, start: int, end: int, limit: int) -> list[tuple[int, Record]]:
        return await self._inner.scan_tokens(start, end, limit)

    async def digests(self, spans: Sequence[Span], cutoff_ms: int) -> list[int]:
        return await self._inner.digests(spans, cutoff_ms)

    async def entries(self, spans: Sequence[Span]) -> list[Entry]:
        return await self._inner.entries(spans)

    async def garbage(self, span: Span, cutoff_ms: int, limit: int) -> tuple[list[Entry], int]:
        return await self._inner.garbage(span, cutoff_ms, limit)

    def count(self) -> int:
        return self._inner.count()

    def high_water(self) -> int:
        return max(self._disk.high_water, self._inner.high_water())

    def stats(self) -> StoreStats:
        return self._inner.stats()

    async def snapshot(self, path: str) -> None:
        await self._inner.snapshot(path)

    async def close(self) -> None:
        await self._inner.close()


def _run(work: Any) -> Any:
    """The result of a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as result:
        return result.value
    raise AssertionError("the memory store waited for something in the middle of a write")


class SimNodeFile:
    """`ports.NodeFile` on a SimDisk."""

    def __init__(self, disk: SimDisk, process: Process) -> None:
        self._disk = disk
        self._queue = _Queue(disk, process, "node file")

    def crash(self) -> None:
        self._queue.crash()

    def load(self) -> Saved | None:
        return self._disk.saved

    async def save(self, saved: Saved) -> None:
        await self._queue.do(lambda: self._write(saved))

    def _write(self, saved: Saved) -> None:
        self._disk.saved = saved
