"""The streams of KVService that tell of many keys: check, call, convert.

It owns how what is found is cut into messages. A message is made when the one before it was taken: nothing
runs ahead of the client.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol

from limedb.core.record import Record, value_size
from limedb.replication.scanning import Scanner
from limedb.replication.watching import Watcher
from limedb.rpc.checks import Checks, ScanOrder
from limedb.rpc.convert import scan_entry, watch_event
from limedb.rpc.deadlines import Deadlines
from limedb.rpc.memory import ROOM_SECONDS, Memory
from limedb.rpc.server import Context
from limedbpb.v1 import kv_pb2

MAX_PAGE_BYTES = 384 << 10
"""Bytes of keys and values behind which a message ends; who does not read holds some times as many."""


PAGE_READS = 16 << 20
"""What the pages of all nodes count while they are gathered, in bytes: a MiB each, and the processor's
time.
"""


class Pages(Protocol):
    """What a scan finds, bit by bit."""

    async def page(self) -> list[Record]:
        """The next live records, in the order of their keys; none: the range is at its end."""


class KeyStreams:
    """Serves scans and watches."""

    def __init__(
        self, scanner: Scanner, watcher: Watcher, checks: Checks, deadlines: Deadlines, memory: Memory
    ) -> None:
        self._scanner, self._watcher, self._memory = scanner, watcher, memory
        self._checks, self._deadlines = checks, deadlines

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
            for record in records:
                if left == 0 or len(message.entries) >= order.page_size or size >= MAX_PAGE_BYTES:
                    message.after = message.entries[-1].key
                    yield message
                    message, size = kv_pb2.ScanResponse(), 0
                    if left == 0:
                        return
                message.entries.append(scan_entry(record, order.keys_only))
                size += _told_size(record, order)
                left = None if left is None else left - 1
        yield message

    async def _page(self, pages: Pages, context: Context) -> list[Record]:
        """What a scan finds next, gathered when there is room for it. OverloadedError: there is none."""
        async with self._memory.reading(context, PAGE_READS, ROOM_SECONDS):
            return await pages.page()

    async def watch(self, request: kv_pb2.WatchRequest) -> AsyncGenerator[kv_pb2.WatchResponse, None]:
        """See KVService.Watch."""
        what, level = self._checks.watch(request), self._checks.consistency(request.consistency)
        after = request.after_version if request.HasField("after_version") else None
        async with aclosing(self._watcher.watch(what, after, level)) as news:
            async for changes, resume_version in news:
                yield kv_pb2.WatchResponse(
                    events=[watch_event(record) for record in changes], resume_version=resume_version
                )


def _told_size(record: Record, order: ScanOrder) -> int:
    """The bytes that an entry takes, about."""
    told = 0 if order.keys_only or record.value is None else value_size(record.value)
    return value_size(record.key) + told
