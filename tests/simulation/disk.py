"""A disk that keeps what was synced when its node crashes, and the store and node file on it.

It owns what outlives a crash. A write is acknowledged once it is durable, after a delay; of those under way
when the node crashes a part is kept, the first ones. Nothing reaches the disk from a process that is dead.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any

from limedb.core.damage import Damage
from limedb.core.key_range import KeyRange
from limedb.core.layout import Span
from limedb.core.record import Record
from limedb.core.ring import token_of
from limedb.encoding.record import encode, stored_form
from limedb.errors import RecordDamagedError
from limedb.ports import (
    Applied,
    ChangeTail,
    Held,
    IndexEntry,
    RangePage,
    Saved,
    Scrubbed,
    SeenTime,
    StoreStats,
)
from limedb.storage.entries import unpack
from limedb.storage.memory.store import MemoryStore
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
        self.rot: dict[str, Record] = {}
        self.rotten_index: set[str] = set()
        self.high_water = 0
        self.saved: Saved | None = None
        self.hints: Any = None
        self.operations: Any = None
        self.tail: tuple[ChangeTail, int] | None = None  # and the high-water mark
        self.seen = SeenTime(0, 0)

    @property
    def is_rotten(self) -> bool:
        """Whether something on it is damaged, and not mended yet."""
        return bool(self.rot or self.rotten_index)

    def rot_record(self, key: str) -> None:
        """Damage the record of a key: its value, or its version by one bit."""
        record = self.records[key]
        if self.rng.random() < 0.5:
            record = Record(key, f"~rot of {key}", record.version, record.expires_at)
        else:
            record = Record(
                key, record.value, record.version ^ 1 << self.rng.randrange(16, 40), record.expires_at
            )
        self.rot[key] = record

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
    """`ports.Store` on a SimDisk: what can be read is durable, as with LMDB.

    What has rotted on the disk is found whenever it is read, unless `belief` says for what it is taken.
    """

    belief: Callable[[Record], Record | None] | None = None

    def __init__(self, disk: SimDisk, process: Process) -> None:
        self._disk = disk
        self.damage = Damage()
        self._inner = MemoryStore(disk.records.values())
        self._queue = _Queue(disk, process, "store")

    def crash(self) -> None:
        self._queue.crash()

    async def apply(self, records: Sequence[Record], now_ms: int) -> list[Applied]:
        applied: list[Applied] | RecordDamagedError = await self._queue.do(
            lambda: self._apply(tuple(records), now_ms)
        )
        if isinstance(applied, RecordDamagedError):
            raise applied
        return applied

    async def mend(self, key: str, record: Record | None) -> None:
        await self._queue.do(lambda: self._mend(key, record))

    async def scrub(self, place: bytes, size: int) -> Scrubbed:
        self._found(self._disk.rot)
        self._disk.rotten_index.clear()
        return Scrubbed(b"", len(self._disk.records), 100 * len(self._disk.records))

    async def purge(self, entries: Sequence[IndexEntry]) -> int:
        purged: int = await self._queue.do(lambda: self._purge(tuple(entries)))
        return purged

    def _found(self, keys: Iterable[str]) -> RecordDamagedError | None:
        """What is damaged of some keys, noted."""
        if self.belief is not None:
            self._believe(self.belief)
        if damaged := tuple(key for key in keys if key in self._disk.rot):
            self.damage.note(damaged, "rotten")
            return RecordDamagedError(damaged, "rotten")
        return None

    def _believe(self, belief: Callable[[Record], Record | None]) -> None:
        """Take what has rotted for what was stored, or for nothing."""
        for key, record in [*self._disk.rot.items()]:
            del self._disk.rot[key]
            self._replace(key, belief(record))

    def _replace(self, key: str, record: Record | None) -> None:
        _run(self._inner.purge([unpack(key, self._inner._pack(key))]))
        if record is not None:
            _run(self._inner.apply([record], 0))
        self._keep([key])

    def _mend(self, key: str, record: Record | None) -> None:
        if self._disk.rot.pop(key, None) is not None:
            self._replace(key, record)
        elif record is not None:
            self._apply([record], 0)

    def _whole(self, records: Iterable[Record]) -> None:
        """RecordDamagedError: some of what was found is damaged."""
        if error := self._found([record.key for record in records]):
            raise error

    def _apply(self, records: Sequence[Record], now_ms: int) -> list[Applied] | RecordDamagedError:
        if error := self._found(record.key for record in records):
            return error
        applied: list[Applied] = _run(self._inner.apply(records, now_ms))
        self._keep(record.key for record in records)
        self._disk.high_water = max(self._disk.high_water, self._inner.high_water())
        return applied

    def _purge(self, entries: Sequence[IndexEntry]) -> int:
        self._found(())
        entries = [entry for entry in entries if entry.key not in self._disk.rot]
        purged: int = _run(self._inner.purge(entries))
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
        if error := self._found([key]):
            raise error
        return await self._inner.get(key)

    async def get_many(self, keys: Sequence[str]) -> list[Held]:
        return [
            self._found([key]) or held
            for key, held in zip(keys, await self._inner.get_many(keys), strict=True)
        ]

    def stored_at(self, key: str) -> bytes | None:
        (found,) = self.stored([key])
        if isinstance(found, RecordDamagedError):
            raise found
        return found

    def stored(self, keys: Sequence[str]) -> list[bytes | RecordDamagedError | None]:
        return [*map(stored_form, _run(self.get_many(keys)))]

    async def stored_tokens(self, start: int, end: int, limit: int) -> list[tuple[int, bytes]]:
        return [(token, encode(record)) for token, record in await self.scan_tokens(start, end, limit)]

    async def scan_range(self, keys: KeyRange, limit: int, max_bytes: int) -> RangePage:
        self._found(())
        page = await self._inner.scan_range(keys, limit, max_bytes)
        self._whole(page.records)
        return page

    async def scan_keys(self, after: str | None, limit: int, now_ms: int, skip: int = 0) -> list[Record]:
        self._found(())
        records = await self._inner.scan_keys(after, limit, now_ms, skip)
        self._whole(records)
        return records

    async def scan_tokens(self, start: int, end: int, limit: int) -> list[tuple[int, Record]]:
        self._found(())
        found = await self._inner.scan_tokens(start, end, limit)
        self._whole(record for _, record in found)
        return found

    async def digests(self, spans: Sequence[Span], cutoff_ms: int) -> list[int]:
        """The index is believed here: where an entry of it has rotted, the digest is another."""
        self._found(())
        digests = await self._inner.digests(spans, cutoff_ms)
        return [digest ^ self._rotten_in(span) for span, digest in zip(spans, digests, strict=True)]

    def _rotten_in(self, span: Span) -> int:
        tokens = [token_of(key) for key in self._disk.rotten_index]
        return sum(span.first <= token <= span.last for token in tokens)

    async def entries(self, spans: Sequence[Span]) -> list[IndexEntry]:
        """Entries are told from their records, so that rotten ones are found, and mended."""
        self._found(())
        entries = await self._inner.entries(spans)
        listed = {entry.key for entry in entries}
        if error := self._found(listed):
            raise error
        self._disk.rotten_index -= listed
        return entries

    async def garbage(self, span: Span, cutoff_ms: int, limit: int) -> tuple[list[IndexEntry], int]:
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


class SimTimeMark:
    """`ports.TimeMark` on a SimDisk."""

    def __init__(self, disk: SimDisk, process: Process) -> None:
        self._disk, self._process = disk, process

    def load(self) -> SeenTime:
        return self._disk.seen

    async def save(self, seen: SeenTime) -> None:
        await asyncio.sleep(self._disk.sync_seconds())
        if not self._process.is_dead:
            self._disk.seen = seen
