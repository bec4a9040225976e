"""Scans as callers see them.

It owns the request of a scan, and turns its answers into entries. It must never choose a node.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple

from limedb.client.arguments import check_text, flag, whole_number
from limedb.client.outcomes import Entry
from limedb.client.resume import resume
from limedb.client.routing import Routing
from limedb.core.limits import MAX_PAGE_SIZE
from limedbpb.v1 import kv_pb2, record_pb2


class KeySpan(NamedTuple):
    """The keys of a scan. limit: the most keys; None: all."""

    prefix: str
    start: str
    end: str
    limit: int | None
    keys_only: bool


def scan_request(span: KeySpan, page_size: int, level: record_pb2.Consistency) -> kv_pb2.ScanRequest:
    """Return the request of a scan. InvalidRequestError: it makes no sense."""
    prefix, start, end, limit, keys_only = span
    flag("keys_only", keys_only)
    for name, text in (("prefix", prefix), ("start", start), ("end", end)):
        check_text(name, text)
    return kv_pb2.ScanRequest(
        prefix=prefix,
        start=start,
        end=end,
        limit=0 if limit is None else whole_number("limit", limit, 1, (1 << 32) - 1),
        page_size=whole_number("page_size", page_size, 1, MAX_PAGE_SIZE),
        keys_only=keys_only,
        consistency=level,
    )


async def scan_pages(
    routing: Routing, request: kv_pb2.ScanRequest, timeout: float
) -> AsyncGenerator[list[Entry], None]:
    """Yield the pages of a scan; if a node fails, continue after the last page. timeout: seconds a page."""
    answers = resume(routing, lambda stub, metadata: stub.Scan(request, metadata=metadata), timeout, timeout)
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
