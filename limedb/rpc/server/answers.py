"""Answers of KVService as bytes, joined from stored bytes: no value is converted to a message and back.

It owns how the pieces are put together; tests/rpc/server/test_answers.py compares every byte with protobuf's
output. It must never decide the content of an answer.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from struct import Struct

from google.protobuf.message import Message

from limedb.core.hlc import MAX_VERSION
from limedb.encoding.record import FIRST_TAGS, STAMP, content, own_content, stamp, stamp_of, utf8
from limedb.encoding.varint import varint
from limedb.errors import KeyNotFoundError, LimeDBError, StoreCorruptError
from limedb.replication.requests import Found, Outcome, Written, WrittenBatch
from limedb.wire.kv import batch_get_result, batch_set_result, get_response, receipt
from limedbpb.v1 import kv_pb2

_RESULT = b"\x0a"  # the tag of an item of BatchGetResponse.results
_FOUND = b"\x08\x01"  # BatchGetResult.found
_ABSENT = _RESULT + b"\0"
_FIXED64 = Struct("<Q")


def get_answer(key: str, data: bytes, now_ms: Callable[[], int], node_url: str) -> bytes:
    """A GetResponse from the stored bytes of a key, empty if nothing is stored. now_ms: called if the value
    may have expired. KeyNotFoundError: there is no value; StoreCorruptError.
    """
    field = data and own_content(key, data, now_ms)
    if not field:
        raise KeyNotFoundError(key)
    return field + _node_url(node_url) + stamp(data)


def found_answer(key: str, found: Found) -> bytes:
    """A GetResponse from the record found for a key."""
    return _content_of(key, found) + _node_url(found.node_url) + _stamp_of(found)


def batch_get_answer(keys: Sequence[str], outcomes: Iterable[Outcome], now_ms: Callable[[], int]) -> bytes:
    """A BatchGetResponse from the results for keys; a key without a value gets an answer, not an error, and
    stored bytes that aren't a record become the error of their key.
    """
    parts: list[bytes] = []
    heads, (first_tag, key_tag, text_tag) = _SHORT_HEADS, FIRST_TAGS
    for key, outcome in zip(keys, outcomes, strict=True):
        if isinstance(outcome, bytes):
            # A short text that doesn't expire is checked in place: calls would cost more than the check.
            if len(outcome) > 11 and outcome[9] == key_tag and (size := outcome[10]) < 128:
                field = outcome[11 + size :]
                if (
                    len(field) > 2
                    and field[1] == len(field) - 2 < 128
                    and field[0] == text_tag
                    and outcome[0] == first_tag
                    and field.isascii()
                ):
                    parts += (heads[len(field)], field, STAMP, outcome[1:9])
                    continue
            try:
                field = own_content(key, outcome, now_ms)
                field = field and field + stamp(outcome)
            except StoreCorruptError as error:
                parts += _failure(error)
                continue
        elif outcome is None or isinstance(outcome, KeyNotFoundError):
            field = b""
        elif isinstance(outcome, LimeDBError):
            parts += _failure(outcome)
            continue
        else:
            field = _content_of(key, outcome) + _stamp_of(outcome)
        parts += (_found_head(len(field)), field) if field else (_ABSENT,)
    return b"".join(parts)


def _stamp_of(found: Found) -> bytes:
    return stamp(found.stored) if found.stored else stamp_of(found.version, found.expires_at)


def _failure(error: LimeDBError) -> tuple[bytes, ...]:
    """The bytes of a result that is an error."""
    result = batch_get_result(error).SerializeToString()
    return _RESULT, varint(len(result)), result


def _content_of(key: str, found: Found) -> bytes:
    """The content field of a found record."""
    if not found.stored:
        return get_response(Found(found.value, "")).SerializeToString()
    return content(utf8(key), found.stored, _when_it_was_found)


@lru_cache(maxsize=4096)
def _found_head(size: int) -> bytes:
    """The bytes before a content of that size in a result of BatchGet."""
    return b"".join((_RESULT, varint(2 + size), _FOUND))


_SHORT_HEADS = [_found_head(size + len(STAMP) + 8) for size in range(130)]
"""Of short contents with a version, by the size of the content."""


def set_answer(written: Written) -> bytes:
    """A SetResponse."""
    before, after = _receipt(written.epoch, written.acked, written.replicas, None)
    return b"".join((before, _FIXED64.pack(written.version), after))


def batch_set_answer(outcomes: Iterable[Written | LimeDBError]) -> bytes:
    """A BatchSetResponse."""
    if isinstance(outcomes, WrittenBatch):
        return _written_answer(outcomes)
    parts: list[bytes] = []
    for outcome in outcomes:
        if isinstance(outcome, LimeDBError):
            result = batch_set_result(outcome).SerializeToString()
            parts += (_RESULT, varint(len(result)), result)
        else:
            version, existed, acked, replicas, epoch, _ = outcome
            before, after = _receipt(epoch, acked, replicas, existed)
            parts += (before, _FIXED64.pack(version), after)
    return b"".join(parts)


def _written_answer(batch: WrittenBatch) -> bytes:
    """As batch_set_answer, for receipts that differ in version and existed only."""
    ends = [_receipt(batch.epoch, batch.acked, batch.replicas, existed) for existed in (False, True)]
    versions = map(_FIXED64.pack, batch.versions)
    if len({*batch.existed}) == 1:  # the usual case
        before, after = ends[batch.existed[0]]
        return b"".join((before, (after + before).join(versions), after))
    parts: list[bytes] = []
    for version, existed in zip(versions, batch.existed, strict=True):
        before, after = ends[existed]
        parts += (before, version, after)
    return b"".join(parts)


def serialized(answer: Message | bytes) -> bytes:
    """The bytes of an answer, a message or bytes already."""
    return answer if isinstance(answer, bytes) else answer.SerializeToString()


@lru_cache(maxsize=64)
def _receipt(epoch: int, acked: int, replicas: int, existed: bool | None) -> tuple[bytes, bytes]:
    """The bytes before and after the version in a SetResponse, or (existed: True or False) in a result of a
    BatchSetResponse: the same for most writes.
    """
    version = MAX_VERSION  # no other field has the same eight bytes
    written = Written(version, bool(existed), acked, replicas, epoch)
    answer: Message = kv_pb2.SetResponse(receipt=receipt(written))
    if existed is not None:
        answer = kv_pb2.BatchSetResponse(results=[batch_set_result(written)])
    before, _, after = answer.SerializeToString().partition(_FIXED64.pack(version))
    return before, after


def _when_it_was_found() -> int:
    """A time at which nothing has expired: the read has judged expiry already."""
    return 0


@lru_cache(maxsize=16)
def _node_url(url: str) -> bytes:
    return kv_pb2.GetResponse(node_url=url).SerializeToString()
