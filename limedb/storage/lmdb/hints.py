"""Hints on disk, in a separate LMDB environment with its own writer thread.

It owns the hints that a node keeps for others. It must never fail or delay a client's write: a hint that
finds no room is dropped, with a line in the log, and left to repair.

Table: node URL, 0, and 8 bytes of sequence number (big-endian), to 8 bytes of the time when it was kept (ms),
8 of checksum (XXH3 of everything else, including the place) and the record's stored bytes. The first byte
marks a hint with a checksum: an older LimeDB wrote 0 there, and no checksum. A hint that fails its checksum
is dropped, and left to repair. Hints are synced to disk within a second; a crash before that loses those of
that second.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice, takewhile
from pathlib import Path

import lmdb
import xxhash
from typing_extensions import override

from limedb.core.record import Record
from limedb.encoding.record import decode, encode, utf8
from limedb.errors import StoreClosedError, StoreDamagedError, StoreError
from limedb.ports import HintLog
from limedb.storage.files import FileLock, make_private_folder
from limedb.storage.lmdb.env import explain, is_broken_tree, open_env
from limedb.storage.lmdb.hint_writer import HintWriter
from limedb.storage.lmdb.layout import number, number_of
from limedb.storage.lmdb.pages import check_file

log = logging.getLogger(__name__)

MAX_BYTES_PER_NODE = 64 << 20
MAP_SIZE = 1 << 36
"""Address space, far more than all nodes' hints may need."""
_MAX_URL = 480
_NUMBER = 8
_CHECKED = 0xC3  # no single bit away from 0
_PAGE = 1000


class LmdbHintLog(HintLog):
    """Hints that outlive a restart (`ports.HintLog`). Made inside the running event loop, the only one that
    may use it. Opening reads all hints: some 0.1 s for 64 MiB of small records.
    """

    def __init__(
        self, folder: Path, max_bytes_per_node: int = MAX_BYTES_PER_NODE, map_size: int = MAP_SIZE
    ) -> None:
        """Open the log in a folder, which is made if missing. max_bytes_per_node: of keys and records.

        StoreError: it can't be opened, or is open elsewhere. StoreCorruptError: it isn't a hint log.
        """
        make_private_folder(folder)
        self._folder, self._bound = folder, max_bytes_per_node
        self._lock = FileLock(folder / "limedb.lock", folder)
        try:
            check_file(folder / "data.mdb")
            self._env = open_env(folder, map_size)
            self._sizes, self._next = _measure(self._env)
        except StoreError:
            self._lock.release()
            raise
        except (lmdb.Error, OSError) as error:
            self._lock.release()
            raise explain(error, folder) from error
        except ValueError as error:  # a damaged URL
            self._env.close()
            self._lock.release()
            raise StoreDamagedError(f"{folder} is damaged: {error}") from error
        self._loop = asyncio.get_running_loop()
        self._losses = 0
        self._writer = HintWriter(self._env, folder, self._loop, self._dropped)
        self._taken: dict[str, dict[tuple[str, int], list[bytes]]] = {}
        self._is_closed = False

    @override
    def add(self, node_url: str, records: Sequence[Record], now_ms: int) -> bool:
        """As HintLog.add; False after `close`."""
        prefix = _prefix(node_url)
        first = self._next
        values = [
            pack_hint(prefix + number(first + i), now_ms, encode(record)) for i, record in enumerate(records)
        ]
        size = sum(map(len, values)) + len(values) * (len(prefix) + _NUMBER)
        held = self._sizes.get(node_url, 0)
        if self._is_closed or self._writer.failure or len(prefix) > _MAX_URL or held + size > self._bound:
            self._losses += 1
            return False
        self._writer.put(node_url, [(prefix + number(self._next + i), v) for i, v in enumerate(values)])
        self._next += len(values)
        self._sizes[node_url] = held + size
        return True

    @override
    async def oldest(self, node_url: str, limit: int, oldest_ms: int) -> list[Record]:
        """As HintLog.oldest. StoreClosedError, StoreError, StoreCorruptError."""
        self._check_open()
        await self._writer.flush()
        start, found = _prefix(node_url), list[tuple[bytes, bytes]]()
        while len(found) < limit:
            page = self._page(node_url, start, min(_PAGE, limit))
            kept_ms = [_kept_ms(*item) for item in page]
            gone = [item for item, ms in zip(page, kept_ms, strict=True) if ms is None or ms < oldest_ms]
            found += [item for item, ms in zip(page, kept_ms, strict=True) if ms and ms >= oldest_ms]
            if damaged := kept_ms.count(None):
                log.error("%s: %d hints are damaged; they are left to repair", self._folder, damaged)
            self._losses += bool(gone)
            await self._remove(node_url, gone)
            if len(page) < min(_PAGE, limit):
                break
            start = page[-1][0] + b"\0"
        return self._remember(node_url, found[:limit])

    @override
    async def done(self, node_url: str, records: Sequence[Record]) -> None:
        """As HintLog.done; it concerns hints that the last `oldest` for the node returned."""
        self._check_open()
        taken = self._taken.get(node_url, {})
        places = [place for record in records for place in taken.pop((record.key, record.version), [])]
        if not self._writer.is_whole():
            return
        with self._explained(), self._env.begin() as txn:
            items = [(place, txn.get(place) or b"") for place in places]
        await self._remove(node_url, items)

    @override
    async def forget(self, node_url: str) -> None:
        self._check_open()
        await self._writer.flush()
        self._taken.pop(node_url, None)
        while page := self._page(node_url, _prefix(node_url), _PAGE):
            if not await self._remove(node_url, page):
                raise StoreError(f"{self._folder}: the hints for {node_url} can't be removed; see the log")

    @property
    @override
    def trouble(self) -> str:
        if not self._writer.failure:
            return ""
        return (
            f"{self._writer.failure}: this node keeps no hints until it is restarted, and what nodes miss"
            " reaches them by repair (limedb admin repair does it at once)"
        )

    @property
    @override
    def losses(self) -> int:
        return self._losses + bool(self._writer.failure)

    @override
    def look(self) -> None:
        self._writer.is_whole()

    @override
    def waiting(self) -> dict[str, int]:
        return {} if self._writer.failure else {url: size for url, size in self._sizes.items() if size}

    @override
    async def close(self) -> None:
        """As HintLog.close. A second call does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        await asyncio.to_thread(self._writer.finish)
        self._env.close()
        self._lock.release()

    def _check_open(self) -> None:
        if self._is_closed:
            raise StoreClosedError

    def _page(self, node_url: str, start: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """Places and values of a node's hints, the oldest first."""
        self._check_open()
        if not self._writer.is_whole():
            return []
        end = (_prefix(node_url)[:-1] + b"\1",)
        with self._explained(), self._env.begin() as txn:
            cursor = txn.cursor()
            items = cursor.iternext() if cursor.set_range(start) else iter(())
            return list(islice(takewhile(end.__gt__, items), limit))

    def _remember(self, node_url: str, items: list[tuple[bytes, bytes]]) -> list[Record]:
        taken = self._taken[node_url] = {}
        records = [decode(_record_of(value)) for _, value in items]
        for (place, _), record in zip(items, records, strict=True):
            taken.setdefault((record.key, record.version), []).append(place)
        return records

    async def _remove(self, node_url: str, items: list[tuple[bytes, bytes]]) -> bool:
        is_done = not items or await self._writer.remove([place for place, _ in items])
        if is_done:
            self._lost(node_url, sum(len(place) + len(value) for place, value in items))
        return is_done

    def _dropped(self, node_url: str, size: int) -> None:
        """Note that hints could not be written."""
        self._losses += 1
        self._lost(node_url, size)

    def _lost(self, node_url: str, size: int) -> None:
        """Subtract bytes that are no longer kept."""
        self._sizes[node_url] = max(0, self._sizes.get(node_url, 0) - size)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except lmdb.Error as error:
            if is_broken_tree(error):
                self._writer.give_up(f"{self._folder / 'data.mdb'} was damaged while it was in use ({error})")
            raise explain(error, self._folder) from error


def pack_hint(place: bytes, now_ms: int, data: bytes) -> bytes:
    """The value of a hint at a place: the time when it is kept, and a record's stored bytes."""
    head = bytes((_CHECKED,)) + number(now_ms)[1:]
    return head + xxhash.xxh3_64_digest(head + place + data) + data


def _kept_ms(place: bytes, value: bytes) -> int | None:
    """The time when a hint was kept; None: it is damaged."""
    head, data = value[:_NUMBER], _record_of(value)
    if value[:1] == b"\0":
        return number_of(head)
    is_whole = value[_NUMBER : 2 * _NUMBER] == xxhash.xxh3_64_digest(head + place + data)
    return number_of(head[1:]) if is_whole and value[0] == _CHECKED else None


def _record_of(value: bytes) -> bytes:
    return value[_NUMBER if value[:1] == b"\0" else 2 * _NUMBER :]


def _prefix(node_url: str) -> bytes:
    return utf8(node_url) + b"\0"


def _measure(env: lmdb.Environment) -> tuple[dict[str, int], int]:
    """Bytes kept by node URL, and the next sequence."""
    sizes: dict[str, int] = {}
    last = 0
    with env.begin(buffers=True) as txn:
        for place, value in txn.cursor().iternext():
            url = bytes(place[: -_NUMBER - 1]).decode()
            sizes[url] = sizes.get(url, 0) + len(place) + len(value)
            last = max(last, number_of(bytes(place[-_NUMBER:])))
    return sizes, last + 1
