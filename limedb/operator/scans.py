"""Scans and watches from outside a node: streams that block, for the command line.

It owns their messages. As `limedb.operator.calls`, it must never run in a node.

Tested in tests/operator/test_silence.py and tests/cli/test_following.py.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import grpc

from limedb.core.quorum import Level
from limedb.operator.calls import Caller
from limedb.operator.connections import connection
from limedb.tls.target import Target, target_of
from limedb.wire.channels import options_for
from limedb.wire.levels import consistency_of
from limedbpb.v1 import kv_pb2, kv_pb2_grpc

Value = str | bytes

SILENCE_SECONDS = 15.0
"""After this much silence a watch fails: a node that serves one sends something every few seconds."""


@dataclass(frozen=True, slots=True)
class ScanRange:
    """Keys that begin with prefix, from start (included) to end (excluded); an empty one is no bound."""

    prefix: str = ""
    start: str = ""
    end: str = ""


@dataclass(frozen=True, slots=True)
class ScanEntry:
    """A key of a scan. value: None if the scan is for keys only. size: bytes of the value.

    expires_at_ms: since 1970, 0 for never.
    """

    key: str
    value: Value | None
    size: int
    version: int
    expires_at_ms: int


@dataclass(frozen=True, slots=True)
class ScanPage:
    """Keys in order. after: the cursor after them; None: this is the end of the range."""

    entries: tuple[ScanEntry, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class WatchedChange:
    """A change of a key. value: None: it was deleted."""

    key: str
    value: Value | None
    version: int
    expires_at_ms: int


@dataclass(frozen=True, slots=True)
class ChangePage:
    """Changes as they arrived; none: the watch has begun. resume_version: to continue after it."""

    changes: tuple[WatchedChange, ...]
    resume_version: int


class ScanClient(Caller):
    """Streams of a node. timeout: seconds for each page of a scan, and until a watch begins. It raises the
    errors of every Caller, between two messages.
    """

    def __init__(self, target: Target, channel: grpc.Channel, timeout: float) -> None:
        super().__init__(target, channel, timeout)
        self._kv = kv_pb2_grpc.KVServiceStub(channel)

    def scan(
        self,
        keys: ScanRange,
        *,
        after: str | None = None,
        limit: int = 0,
        keys_only: bool = False,
        level: Level | None = None,
        local: bool = False,
        page_size: int = 0,
    ) -> Iterator[ScanPage]:
        """Yield the pages of a range. after: a cursor; limit: of all keys, 0: none; local: the node's own
        keys.
        """
        request = kv_pb2.ScanRequest(
            prefix=keys.prefix,
            start=keys.start,
            end=keys.end,
            after=after,
            limit=limit,
            keys_only=keys_only,
            consistency=consistency_of(level),
            local=local,
            page_size=page_size,
        )
        for answer in self._stream(lambda: self._kv.Scan(request), self._timeout):
            entries = tuple(_entry(entry, keys_only) for entry in answer.entries)
            yield ScanPage(entries, answer.after if answer.HasField("after") else None)

    def watch(
        self, *, key: str | None = None, prefix: str = "", after_version: int | None = None
    ) -> Iterator[ChangePage]:
        """Yield the changes of a key, or of keys with a prefix. RemoteError of reason WATCH_GAP: a gap."""
        request = kv_pb2.WatchRequest(
            key=key, prefix=prefix if key is None else None, after_version=after_version
        )
        for answer in self._stream(lambda: self._kv.Watch(request), SILENCE_SECONDS, self._timeout):
            yield ChangePage(tuple(_change(event) for event in answer.events), answer.resume_version)


@contextmanager
def scan_client(target: Target | str, timeout: float = 5.0) -> Iterator[ScanClient]:
    """Open a client of the node or Envoy at target (host:port: without TLS) for the block."""
    to = target_of(target).first
    with connection(to, options_for(timeout)) as channel:
        yield ScanClient(to, channel, timeout)


def _entry(entry: kv_pb2.ScanEntry, keys_only: bool) -> ScanEntry:
    value: Value | None = None
    if not keys_only:
        value = entry.blob if entry.WhichOneof("content") == "blob" else entry.value
    return ScanEntry(entry.key, value, entry.size, entry.version, entry.expires_at_ms)


def _change(event: kv_pb2.WatchEvent) -> WatchedChange:
    kind = event.WhichOneof("content")
    value = None if kind == "delete" else event.blob if kind == "blob" else event.value
    return WatchedChange(event.key, value, event.version, event.expires_at_ms)
