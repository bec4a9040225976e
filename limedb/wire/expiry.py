"""The moment at which a value expires, in the messages of writes.

It owns how a write means the same to nodes of 0.2.0 and older, which ignore the moment: they get a
time to live as well.
It must never check ranges: `rpc/server/checks.py` does.

Tested in tests/wire/test_expiry.py and tests/client/test_old_nodes.py.
"""

from limedb.core.limits import MAX_TTL_MS
from limedbpb.v1 import kv_pb2

WriteMessage = kv_pb2.SetRequest | kv_pb2.SetDirectRequest | kv_pb2.BatchWrite


def expire_at(write: WriteMessage, moment_ms: int, now_ms: int) -> None:
    """Let a write's value expire at a moment, in milliseconds since 1970. now_ms: likewise."""
    write.expires_at_ms = moment_ms
    write.ttl_ms = min(max(1, moment_ms - now_ms), MAX_TTL_MS)
    write.ttl_is_fallback = True


def ttl_ms_of(write: WriteMessage) -> int:
    """How many milliseconds a write's value lives; 0: forever, or until its moment."""
    return 0 if write.ttl_is_fallback and write.expires_at_ms else write.ttl_ms
