"""Scans as callers see them.

It owns the request of a scan, and turns its answers into entries. It must never choose a node.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple

from limedb.client.resume import resume
from limedb.client.routing import Routing
from limedb.errors import InvalidRequestError
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
    if limit is not None and not 1 <= limit < 1 << 32:
        raise InvalidRequestError(f"limit={limit}: must be 1 to {(1 << 32) - 1}, or None")
    return limit or 0


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
