"""Watches as callers see them.

It owns the request of a watch and the version after which it continues, and ensures that no change is
reported twice. It must never choose a node.
"""

from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple

from limedb.client.arguments import check_key, check_text, whole_number
from limedb.client.resume import resume
from limedb.client.routing import Routing
from limedb.errors import InvalidRequestError
from limedbpb.v1 import kv_pb2, record_pb2

SILENCE_SECONDS = 15.0
"""After this much silence the client asks another node: a node that is up sends something every few seconds.
"""
MAX_KNOWN_KEYS = 200_000
"""Keys whose last version the watch remembers: a change may come twice where it continues at another node,
and is reported once.
"""


class Change(NamedTuple):
    """A change of a key.

    value: None where the key was deleted. version: the version that it is stored under. expires_at_ms: when
    it expires, in milliseconds since 1970; 0: never. resume_version: a watch after it begins with this
    change, or with the next one.
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
    """Return the request of a watch. InvalidRequestError: it makes no sense."""
    check_text("prefix", prefix)
    if key is not None:
        check_key(key)
    if key is not None and prefix:
        raise InvalidRequestError(f"key={key!r} and prefix={prefix!r}: give one of them")
    if after_version is not None:
        whole_number("after_version", after_version, 0, (1 << 64) - 1)
    request = kv_pb2.WatchRequest(after_version=after_version, consistency=level)
    if key is not None:
        request.key = key
    else:
        request.prefix = prefix
    return request


async def watch_changes(
    routing: Routing, request: kv_pb2.WatchRequest, timeout: float
) -> AsyncGenerator[list[Change], None]:
    """Yield changes as they come; an empty list first: the watch has begun. timeout: how many seconds it
    waits for a node that serves it.
    """
    known: OrderedDict[str, int] = OrderedDict()
    answers = resume(
        routing, lambda stub, metadata: stub.Watch(request, metadata=metadata), SILENCE_SECONDS, timeout
    )
    async with aclosing(answers):
        async for answer in answers:
            before, request.after_version = request.after_version, answer.resume_version
            yield [_change(event, before) for event in answer.events if _is_new(known, event)]


def _is_new(known: "OrderedDict[str, int]", event: kv_pb2.WatchEvent) -> bool:
    version = known.get(event.key)
    if version is not None and version >= event.version:
        return False
    known[event.key] = event.version
    known.move_to_end(event.key)
    if len(known) > MAX_KNOWN_KEYS:
        known.popitem(last=False)
    return True


def _change(event: kv_pb2.WatchEvent, resume_version: int) -> Change:
    kind = event.WhichOneof("content")
    value = event.value if kind == "value" else event.blob if kind == "blob" else None
    return Change(event.key, value, event.version, event.expires_at_ms, resume_version)
