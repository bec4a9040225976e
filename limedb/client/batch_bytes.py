"""Writes and their results as bytes: protobuf cuts and joins the items, and none becomes a message.

It owns the bytes of a write, and the form of the usual results of writes; protobuf parses all other results.
It must never take a result for a usual one if protobuf would read it differently.

Results of reads stay messages: taking their bytes apart in Python takes longer.

Tested in tests/client/test_batch_bytes.py.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from struct import Struct
from typing import NamedTuple, cast

from google.protobuf.message import DecodeError

from limedb.client.outcomes import Outcome, Stored
from limedb.core.receipt import Receipt
from limedb.encoding.varint import head, varint
from limedb.wire.as_bytes import as_bytes
from limedb.wire.expiry import expire_at
from limedb.wire.status import item_error
from limedbpb.v1 import kv_pb2, record_pb2

_KEY, _TEXT, _BLOB, _TTL_MS = b"\x0a", b"\x12", b"\x1a", b"\x20"
_DELETE, _ONCE, _ATTEMPT = b"\x28\x01", b"\x32", b"\x38"
"""Tags of BatchWrite; that of a delete with its value."""
_BEGIN, _AFTER = 3, 11
"""Where the version of a usual receipt is: after the tag and size of the receipt, and its own tag."""
_VERSION = Struct("<Q")
_SOME_VERSION = 0xFEDC_BA98_7654_3210
_LONGEST_RECEIPT = 48  # with the longest numbers
_new = tuple.__new__  # the same as Receipt(...) and Stored(...), in half of their time

_MESSAGES = as_bytes(
    "limedb.client.batch_bytes",
    {
        kv_pb2.BatchSetRequest: ("writes",),
        kv_pb2.SessionRequest: (),
        kv_pb2.BatchSetResponse: ("results",),
        kv_pb2.SessionResponse: (),
    },
)
_BatchSet = _MESSAGES["limedb.v1.BatchSetRequest"]
_Request = _MESSAGES["limedb.v1.SessionRequest"]
_Response = _MESSAGES["limedb.v1.SessionResponse"]


# --- requests


def storing(key: str, value: str | bytes, ttl_ms: int, moment_ms: int = 0, now_ms: int = 0) -> bytes:
    """The BatchWrite that stores a value. moment_ms: when it expires, with the time now; 0: see ttl_ms."""
    if moment_ms:
        write = kv_pb2.BatchWrite(key=key, value=value) if isinstance(value, str) else None
        write = write or kv_pb2.BatchWrite(key=key, blob=cast("bytes", value))
        expire_at(write, moment_ms, now_ms)
        return write.SerializeToString()
    name, is_text = key.encode(), isinstance(value, str)
    content = value.encode() if isinstance(value, str) else value
    parts = head(_KEY, len(name)), name, head(_TEXT if is_text else _BLOB, len(content)), content
    return b"".join((*parts, _TTL_MS, varint(ttl_ms)) if ttl_ms else parts)


def deleting(key: str) -> bytes:
    """The BatchWrite that deletes a key."""
    name = key.encode()
    return b"".join((head(_KEY, len(name)), name, _DELETE))


def marked(write: bytes, idempotency_key: bytes, attempt: int) -> bytes:
    """A BatchWrite with an idempotency key and the number of an attempt."""
    parts = write, _ONCE, varint(len(idempotency_key)), idempotency_key
    return b"".join((*parts, _ATTEMPT, varint(attempt)) if attempt else parts)


def write_request(
    number: int, timeout_ms: int, writes: Iterable[bytes], level: record_pb2.Consistency
) -> bytes:
    """The SessionRequest of some writes, each the bytes of a BatchWrite."""
    batch = _BatchSet(writes=writes, consistency=level)
    return _Request(id=number, timeout_ms=timeout_ms, batch_set=batch).SerializeToString()


# --- answers


def response_of(data: bytes) -> kv_pb2.SessionResponse:
    """The SessionResponse in bytes; results of a BatchSet in it are bytes. DecodeError: it is none."""
    return cast("kv_pb2.SessionResponse", _Response.FromString(data))


def write_results(response: kv_pb2.SessionResponse) -> Sequence[bytes]:
    """The results of a BatchSet."""
    return cast("Sequence[bytes]", response.batch_set.results)


def writes_of(address: str, results: Sequence[bytes]) -> list[Outcome]:
    """The outcomes in results of a BatchSet. address: the node's. DecodeError: one is no result."""
    items = [*results]
    sizes = {*map(len, items)}
    if len(sizes) == 1 and _AFTER < (size := sizes.pop()) < _LONGEST_RECEIPT:
        befores, versions, afters = zip(*_split(size).iter_unpack(b"".join(items)), strict=True)
        if len({*befores}) == len({*afters}) == 1 and (usual := _usual(befores[0], afters[0])):
            epoch, acked, replicas, existed = usual
            return [
                _new(Stored, (_new(Receipt, (version, epoch, acked, replicas)), existed))
                for version in versions
            ]
    return [_written(address, item) for item in items]


@lru_cache(maxsize=_LONGEST_RECEIPT)
def _split(size: int) -> Struct:
    """The bytes before a version, the version, and the bytes after it, of a result of that size."""
    return Struct(f"<{_BEGIN}sQ{size - _AFTER}s")


class _Usual(NamedTuple):
    """The content of a result of a BatchSet, without the version."""

    epoch: int
    acked: int
    replicas: int
    existed: bool


@lru_cache(maxsize=256)
def _usual(before: bytes, after: bytes) -> _Usual | None:
    """The content of the bytes before and after the version of a receipt; None: they aren't such bytes, or
    contain more. The same bytes around another version mean the same.
    """
    version = _VERSION.pack(_SOME_VERSION)
    item = b"".join((before, version, after))
    try:
        result = kv_pb2.BatchSetResult.FromString(item)
    except DecodeError:
        return None
    receipt = result.receipt
    is_whole = receipt.version == _SOME_VERSION and result.SerializeToString(deterministic=True) == item
    if not is_whole or result.HasField("error") or item.count(version) != 1:
        return None
    return _Usual(receipt.epoch, receipt.acked, receipt.replicas, result.existed)


def _written(address: str, item: bytes) -> Outcome:
    result = kv_pb2.BatchSetResult.FromString(item)
    if result.HasField("error"):
        return item_error(address, result.error, result.failure)
    receipt = result.receipt
    return Stored(Receipt(receipt.version, receipt.epoch, receipt.acked, receipt.replicas), result.existed)
