"""Questions and answers of the stream between peers, as bytes (proto: CarryRequest, CarryResponse).

It owns how they are written: by hand, so that stored records are joined into a frame without becoming
messages; tests/wire/test_frames.py compares every byte with protobuf's output. Protobuf reads the frames. It
must never know of a stream. Encoding: https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from struct import Struct, pack

from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from limedb.core.record import Record, RecordBatch
from limedb.core.topology import Fence, Topology
from limedb.encoding.record import decode, encode_once, utf8
from limedb.encoding.varint import varint
from limedb.errors import MalformedRequestError, RecordDamagedError, StoreCorruptError
from limedb.ports import Applied, Held
from limedb.ports.applied_columns import AppliedColumns, columns_of
from limedb.wire.topology import fence_message, topology_message
from limedbpb.v1 import replica_pb2

# Tags of Question and Answer. Both begin with their number, a fixed32, which is known only when they are
# sent.
_FRAME_ITEM = b"\x0a"
_NUMBER, _TIMEOUT, _FENCE, _KEY, _RECORD = 0x0D, 0x15, b"\x1a", b"\x22", b"\x2a"
_COPIED, _MOST, _SUMS, _IN_COLUMNS = b"\x30\x01", b"\x38", b"\x42", b"\x48\x01"
_FOUND, _RESULT, _NEWER, _REFUSAL, _APPLIED = b"\x12", b"\x1a", b"\x22", b"\x2a", b"\x42"
_COMPARED, _DIFFERING = b"\x30\x01", b"\x3a"
_PROMISE, _RELEASE, _PROMISED, _RELEASED = b"\x52", b"\x5a", b"\x4a", b"\x50\x01"
# Tags of AppliedColumns.
_COLUMN_EXISTED, _COLUMN_PREVIOUS, _PLACES, _VERSIONS = b"\x0a", b"\x12", b"\x1a", b"\x22"
# Tags of ApplyResult.
_SUPERSEDED_BY, _EXISTED, _PREVIOUS = b"\x09", b"\x10\x01", b"\x19"

_QUESTION_HEAD, _ANSWER_HEAD = Struct("<BIBI"), Struct("<BI")
_FIXED64 = Struct("<Q")

DAMAGED = b"\x07"
"""The mark of a damaged record in an answer: bytes that are no message, so that a version that doesn't know
them refuses the answer, rather than taking the key to be absent.
"""
AT_PEER = "as that node says"

HEAD_SIZE = 20
"""Bytes that a question or an answer may take in a frame besides its body."""


# --- questions


def read_body(keys: Iterable[str], fence: Fence, most: int | None = None) -> bytes:
    """A read without its head. most: bytes of values. MalformedRequestError: a key isn't UTF-8."""
    parts = [_fence(fence)]
    for key in keys:
        data = utf8(key)
        parts += (_KEY, varint(len(data)), data)
    if most:
        parts += (_MOST, varint(most))
    return b"".join(parts)


def compare_body(keys: Iterable[str], sums: bytes, fence: Fence) -> bytes:
    """A comparison without its head. MalformedRequestError: a key isn't UTF-8."""
    return b"".join((read_body(keys, fence), _SUMS, varint(len(sums)), sums))


def apply_body(records: Iterable[Record], fence: Fence, copied: bool = False) -> bytes:
    """An apply without its head. MalformedRequestError: a key or value isn't UTF-8."""
    parts = [_fence(fence), _records(records)]
    if copied:
        parts.append(_COPIED)
    parts.append(_IN_COLUMNS)
    return b"".join(parts)


def promise_body(request: replica_pb2.PromiseRequest, fence: Fence) -> bytes:
    """A ballot to promise, without a head."""
    data = request.SerializeToString()
    return b"".join((_fence(fence), _PROMISE, varint(len(data)), data))


def release_body(request: replica_pb2.ReleaseRequest, fence: Fence) -> bytes:
    """A promise to take back, without a head."""
    data = request.SerializeToString()
    return b"".join((_fence(fence), _RELEASE, varint(len(data)), data))


def promise_answer(response: replica_pb2.PromiseResponse) -> bytes:
    """The answer to a ballot, without a head."""
    data = response.SerializeToString()
    return b"".join((_PROMISED, varint(len(data)), data))


def release_answer() -> bytes:
    """The answer to a promise that was to be taken back, without a head."""
    return _RELEASED


def _records(records: Iterable[Record]) -> bytes:
    """Records as fields of a question; those of a batch are written once."""
    if not isinstance(records, RecordBatch):
        return b"".join([part for data in map(encode_once, records) for part in _field(_RECORD, data)])
    if records.parts:
        return b"".join(map(_records, records.parts))
    if not records.sent:
        records.sent = b"".join([part for data in records.data for part in _field(_RECORD, data)])
    return records.sent


def _field(tag: bytes, data: bytes) -> tuple[bytes, bytes, bytes]:
    return tag, varint(len(data)), data


def question(number: int, timeout_ms: int, body: bytes) -> bytes:
    """A question as part of a frame. number, timeout_ms: 1 to 2**32 - 1."""
    head = _QUESTION_HEAD.pack(_NUMBER, number, _TIMEOUT, timeout_ms)
    return b"".join((_FRAME_ITEM, varint(len(head) + len(body)), head, body))


# --- answers


def read_answer(found: Iterable[bytes | RecordDamagedError | None]) -> bytes:
    """The stored records, without the answer's head. A damaged record is DAMAGED."""
    parts: list[bytes] = []
    for data in found:
        if isinstance(data, RecordDamagedError):
            parts += (_FOUND, varint(len(DAMAGED)), DAMAGED)
            continue
        parts += (_FOUND, varint(len(data)), data) if data else (_FOUND, b"\0")
    return b"".join(parts)


def compare_answer(differing: Iterable[int]) -> bytes:
    """The outcome of a comparison, without the answer's head. differing: places of keys."""
    places = b"".join(map(varint, differing))
    return b"".join((_COMPARED, _DIFFERING, varint(len(places)), places)) if places else _COMPARED


def columns_answer(applied: Sequence[Applied]) -> bytes:
    """The outcome of applying records, in columns, without the answer's head."""
    columns = columns_of(applied)
    parts = [
        *_filled(_COLUMN_EXISTED, columns.existed),
        *_filled(_COLUMN_PREVIOUS, _fixed64s(columns.previous)),
        *_filled(_PLACES, b"".join(map(varint, columns.superseded))),
        *_filled(_VERSIONS, _fixed64s(columns.superseded.values())),
    ]
    return b"".join(_field(_APPLIED, b"".join(parts)))


def _filled(tag: bytes, data: bytes) -> tuple[bytes, ...]:
    return _field(tag, data) if data else ()


def _fixed64s(numbers: Collection[int]) -> bytes:
    return pack(f"<{len(numbers)}Q", *numbers)


def apply_answer(applied: Iterable[Applied]) -> bytes:
    """As `columns_answer`, for nodes that don't understand that."""
    parts: list[bytes] = []
    for each in applied:
        result = _result(each)
        parts += (_RESULT, varint(len(result)), result)
    return b"".join(parts)


def newer_answer(topology: Topology) -> bytes:
    """The answer that the caller's topology is too old, without its head."""
    data = topology_message(topology).SerializeToString()
    return b"".join((_NEWER, varint(len(data)), data))


def refusal_answer(status: status_pb2.Status, kind: str, facts: str) -> bytes:
    """An error, without the answer's head. kind, facts: the error in the form that nodes of 0.1 read."""
    refusal = replica_pb2.Refusal(
        code=status.code, kind=kind, message=status.message, facts=facts, details=status.details
    )
    data = refusal.SerializeToString()
    return b"".join((_REFUSAL, varint(len(data)), data))


def answer(number: int, body: bytes) -> bytes:
    """An answer as part of a frame."""
    head = _ANSWER_HEAD.pack(_NUMBER, number)
    return b"".join((_FRAME_ITEM, varint(len(head) + len(body)), head, body))


def answers_of(frame: bytes) -> Sequence[replica_pb2.Answer]:
    """The answers of a frame. MalformedRequestError: it isn't one."""
    try:
        return replica_pb2.CarryResponse.FromString(frame).answers
    except DecodeError:
        raise MalformedRequestError("the frame is not a CarryResponse") from None


def records_of(keys: Sequence[str], message: replica_pb2.Answer) -> list[Held]:
    """The records that a peer holds of keys. StoreCorruptError: it sent something else, or a different
    number.
    """
    held = message.records
    if DAMAGED not in held:
        return [decode(data) if data else None for data in held]
    if len(held) != len(keys):
        raise StoreCorruptError(f"{len(held)} answers to {len(keys)} keys")
    return [
        RecordDamagedError((key,), AT_PEER) if data == DAMAGED else decode(data) if data else None
        for key, data in zip(keys, held, strict=True)
    ]


def applied_of(message: replica_pb2.Answer) -> Sequence[Applied]:
    """The outcomes of records that were sent to a peer. StoreCorruptError: its columns don't fit together."""
    if not message.HasField("applied"):
        return [Applied(r.superseded_by, r.existed, r.previous) for r in message.results]
    columns = message.applied
    existed, previous, places = columns.existed, tuple(columns.previous), columns.superseded
    if not places and not columns.superseded_by and len(existed) == len(previous):
        return AppliedColumns(existed, previous)
    superseded = dict(zip(places, columns.superseded_by, strict=False))
    fits = len(existed) == len(previous) and len(superseded) == len(places) == len(columns.superseded_by)
    if not (fits and [*places] == sorted(places) and places[-1] < len(previous) and all(superseded.values())):
        raise StoreCorruptError("its outcomes don't fit together")
    return AppliedColumns(existed, previous, superseded)


def _result(applied: Applied) -> bytes:
    parts = []
    if applied.superseded_by:
        parts += [_SUPERSEDED_BY, _FIXED64.pack(applied.superseded_by)]
    if applied.existed:
        parts.append(_EXISTED)
    if applied.previous:
        parts += [_PREVIOUS, _FIXED64.pack(applied.previous)]
    return b"".join(parts)


@lru_cache(maxsize=16)
def _fence(fence: Fence) -> bytes:
    data = fence_message(fence).SerializeToString()
    return b"".join((_FENCE, varint(len(data)), data))
