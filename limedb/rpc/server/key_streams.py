"""The streams of KVService that return many keys: check, call, convert.

It owns how records are divided into messages. It must never run ahead of the client: it makes a message only
when the client has taken the previous one.

Tested in tests/scenarios/test_scan.py and tests/scenarios/test_watch.py.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from typing import Protocol

from limedb.core.record import Record, value_size
from limedb.core.reserved import public, public_part
from limedb.errors import TooManyWatchesError
from limedb.replication.scan.scanner import Scanner
from limedb.replication.watch.channel import Piece
from limedb.replication.watch.watcher import Watcher
from limedb.rpc.server.behaviour import Context
from limedb.rpc.server.checks import Checks, ScanOrder
from limedb.rpc.server.deadlines import Deadlines
from limedb.rpc.server.memory import Memory
from limedb.wire.kv import scan_entry, watch_event
from limedbpb.v1 import kv_pb2

MAX_PAGE_BYTES = 384 << 10
"""Bytes of keys and values that a message holds, unless one entry alone has more; a client that doesn't read
holds a few times as many.
"""
MAX_OF_CONNECTION = 500
"""Watches of one connection: half of the calls that it carries at a time, so that requests get through."""


PAGE_READ_BYTES = 32 << 20
"""Bytes that the pages of all nodes count for while they are gathered: a MiB each, plus the processor
time.
"""


class Pages(Protocol):
    """The result of a scan, page by page."""

    async def page(self) -> list[Record]:
        """The next live records, in the order of their keys; none: the range has ended."""


class KeyStreams:
    """Serves scans and watches."""

    def __init__(
        self, scanner: Scanner, watcher: Watcher, checks: Checks, deadlines: Deadlines, memory: Memory
    ) -> None:
        self._scanner, self._watcher, self._memory = scanner, watcher, memory
        self._checks, self._deadlines = checks, deadlines
        self._watches: Counter[str] = Counter()  # by connection

    async def scan(
        self, request: kv_pb2.ScanRequest, context: Context
    ) -> AsyncGenerator[kv_pb2.ScanResponse, None]:
        """See KVService.Scan."""
        order = self._checks.scan(request)
        found = self._scanner.scan(
            order.keys, order.level, order.first, lambda: self._deadlines.of(context), order.keys_only
        )
        pages: Pages = self._scanner.scan_own(order.keys) if order.is_local else found
        message = kv_pb2.ScanResponse()
        size, left = 0, order.limit
        while records := await self._page(pages, context):
            for record in public_part(records):
                more = _entry_size(record, order)
                is_full = len(message.entries) >= order.page_size or size + more > MAX_PAGE_BYTES
                if left == 0 or (message.entries and is_full):
                    message.after = message.entries[-1].key
                    yield message
                    message, size = kv_pb2.ScanResponse(), 0
                    if left == 0:
                        return
                message.entries.append(scan_entry(record, order.keys_only))
                size += more
                left = None if left is None else left - 1
        yield message

    async def _page(self, pages: Pages, context: Context) -> list[Record]:
        """The next page of a scan, gathered when there is room for it. OverloadedError: there is none."""
        return await self._memory.paging(context, PAGE_READ_BYTES, pages.page)

    async def watch(
        self, request: kv_pb2.WatchRequest, context: Context
    ) -> AsyncGenerator[kv_pb2.WatchResponse | bytes, None]:
        """See KVService.Watch."""
        what, level = self._checks.watch(request), self._checks.consistency(request.consistency)
        after = request.after_version if request.HasField("after_version") else None
        with self._one_of(context.peer()):
            async with aclosing(self._watcher.watch(what, after, level)) as news:
                async for pieces, resume_version in news:
                    yield b"".join([*map(_encoded, pieces), _resume(resume_version)])

    @contextmanager
    def _one_of(self, connection: str) -> Iterator[None]:
        """Count a watch of a connection. TooManyWatchesError."""
        if self._watches[connection] >= MAX_OF_CONNECTION:
            raise TooManyWatchesError("this connection", MAX_OF_CONNECTION)
        self._watches[connection] += 1
        try:
            yield
        finally:
            self._watches[connection] -= 1
            if not self._watches[connection]:
                del self._watches[connection]


def _encoded(piece: Piece) -> bytes:
    """The events of a piece, as part of a WatchResponse: made once, for all watches."""
    if not piece.encoded:
        response = kv_pb2.WatchResponse(events=map(watch_event, public(piece.records)))
        piece.encoded = response.SerializeToString()
    return piece.encoded


def _resume(version: int) -> bytes:
    """The rest of a WatchResponse: joining the bytes of messages joins the messages in protobuf."""
    return kv_pb2.WatchResponse(resume_version=version).SerializeToString()


def _entry_size(record: Record, order: ScanOrder) -> int:
    """The approximate bytes of an entry."""
    value = 0 if order.keys_only or record.value is None else value_size(record.value)
    return value_size(record.key) + value
