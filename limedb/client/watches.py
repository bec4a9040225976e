"""Watches as callers see them.

It owns the request of a watch, where it goes on, and that nothing is told twice. It must never choose a node.
"""

from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple

from limedb.client.resume import resume
from limedb.client.routing import Routing
from limedb.errors import InvalidRequestError
from limedbpb.v1 import kv_pb2, record_pb2

SILENCE_SECONDS = 15.0
"""After which another node is asked: one that is heard tells something every few seconds."""
MAX_TOLD = 200_000
"""Keys whose last version is known, so that what comes twice where a watch goes on is told once."""


class Change(NamedTuple):
    """A change of a key.

    value: None where it was deleted. version: what it is stored under. expires_at_ms: when it ends, in
    milliseconds since 1970; 0: never. resume_version: a watch after it tells this change, or what comes next.
    """

    key: str
    value: str | bytes | None
    version: int
    expires_at_ms: int
    resume_version: int

    @property
    def is_delete(self) -> bool:
        """Whether the key was deleted."""
        return self.value is None


def watch_request(
    key: str | None, prefix: str, after_version: int | None, level: record_pb2.Consistency
) -> kv_pb2.WatchRequest:
    """The request of a watch. InvalidRequestError: a key and a prefix, or no version."""
    if key is not None and prefix:
        raise InvalidRequestError(f"key={key!r} and prefix={prefix!r}: give one of them")
    if after_version is not None and not 0 <= after_version < 1 << 64:
        raise InvalidRequestError(f"after_version={after_version}: must be 0 to {(1 << 64) - 1}, or None")
    request = kv_pb2.WatchRequest(after_version=after_version, consistency=level)
    if key is not None:
        request.key = key
    else:
        request.prefix = prefix
    return request


async def watch_changes(
    routing: Routing, request: kv_pb2.WatchRequest, timeout: float
) -> AsyncGenerator[list[Change], None]:
    """The changes as they come; none: the watch stands. timeout: seconds without a node that tells them."""
    told: OrderedDict[str, int] = OrderedDict()
    answers = resume(routing, lambda stub: stub.Watch(request), SILENCE_SECONDS, timeout)
    async with aclosing(answers):
        async for answer in answers:
            before, request.after_version = request.after_version, answer.resume_version
            yield [_change(event, before) for event in answer.events if _is_new(told, event)]


def _is_new(told: "OrderedDict[str, int]", event: kv_pb2.WatchEvent) -> bool:
    known = told.get(event.key)
    if known is not None and known >= event.version:
        return False
    told[event.key] = event.version
    told.move_to_end(event.key)
    if len(told) > MAX_TOLD:
        told.popitem(last=False)
    return True


def _change(event: kv_pb2.WatchEvent, resume_version: int) -> Change:
    kind = event.WhichOneof("content")
    value = event.value if kind == "value" else event.blob if kind == "blob" else None
    return Change(event.key, value, event.version, event.expires_at_ms, resume_version)
