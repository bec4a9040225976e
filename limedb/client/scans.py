"""Scans as callers see them.

It owns the request of a scan, and turns its answers into entries. It must never choose a node.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple

from limedb.client.arguments import whole_number
from limedb.client.resume import resume
from limedb.client.routing import Routing
from limedbpb.v1 import kv_pb2


class Entry(NamedTuple):
    """A key that a scan found.

    value: None where the scan asked for keys only. size: the value's bytes, in UTF-8 for text. version: the
    version that it is stored under. expires_at_ms: when it expires, in milliseconds since 1970; 0: never.
    """

    key: str
    value: str | bytes | None
    size: int
    version: int
    expires_at_ms: int


def check_limit(limit: int | None) -> int:
    """Return a limit as requests have it: 0 for none."""
    return 0 if limit is None else whole_number("limit", limit, 1, (1 << 32) - 1)


async def scan_pages(
    routing: Routing, request: kv_pb2.ScanRequest, timeout: float
) -> AsyncGenerator[list[Entry], None]:
    """Yield the pages of a scan; if a node fails, continue after the last page. timeout: seconds a page."""
    answers = resume(routing, lambda stub: stub.Scan(request), timeout, timeout)
    async with aclosing(answers):
        async for answer in answers:
            if answer.entries:
                yield [_entry(entry) for entry in answer.entries]
            if not answer.HasField("after"):
                return
            request.after = answer.after
            if request.limit:
                request.limit -= len(answer.entries)
                if not request.limit:
                    return


def _entry(entry: kv_pb2.ScanEntry) -> Entry:
    kind = entry.WhichOneof("content")
    value = entry.blob if kind == "blob" else entry.value if kind == "value" else None
    return Entry(entry.key, value, entry.size, entry.version, entry.expires_at_ms)
