"""Messages of KVService to values and back.

It owns the meaning of each field; protobuf objects go no further in than this package. It must never decide
which requests are allowed: `rpc/server/checks.py` does.
"""

from limedb.core.edits import Append, Increment, Swap
from limedb.core.record import Record, value_size
from limedb.errors import LimeDBError
from limedb.replication.coordinator import Found, Write, Written
from limedb.replication.page import KeyPage
from limedb.wire.conditions import condition_from
from limedb.wire.expiry import ttl_ms_of
from limedb.wire.old_errors import failure_of
from limedb.wire.status import status_of
from limedbpb.v1 import kv_pb2, record_pb2

EditMessage = (
    kv_pb2.IncrementRequest | kv_pb2.AppendRequest | kv_pb2.GetAndSetRequest | kv_pb2.GetAndDeleteRequest
)
SetMessage = kv_pb2.SetRequest | kv_pb2.SetDirectRequest


def write_from(request: SetMessage, kind: str) -> Write:
    """The write that a Set or SetDirect requests. kind: of its content, value or blob."""
    value = request.blob if kind == "blob" else request.value
    if isinstance(request, kv_pb2.SetDirectRequest):
        return Write(request.key, value, ttl_ms_of(request), expires_at_ms=request.expires_at_ms)
    return Write(
        request.key,
        value,
        ttl_ms_of(request),
        request.idempotency_key,
        request.attempt,
        request.expires_at_ms,
        condition_from(request),
        request.keep_ttl,
        lease=request.lease,
    )


def delete_from(request: kv_pb2.DeleteRequest) -> Write:
    """The write that a Delete requests."""
    key, attempt = request.idempotency_key, request.attempt
    return Write(request.key, None, 0, key, attempt, condition=condition_from(request))


def increment_from(request: kv_pb2.IncrementRequest) -> Write:
    """The write that an Increment requests."""
    by = request.by if request.HasField("by") else 1
    key, attempt = request.idempotency_key, request.attempt
    return Write(request.key, str(request.initial + by), request.ttl_ms, key, attempt, edit=Increment(by))


def append_from(request: kv_pb2.AppendRequest, kind: str, most: int) -> Write:
    """The write that an Append requests. kind: of its content, value or blob. most: bytes of a value."""
    value = request.blob if kind == "blob" else request.value
    key, attempt = request.idempotency_key, request.attempt
    return Write(request.key, value, request.ttl_ms, key, attempt, edit=Append(most))


def get_and_set_from(request: kv_pb2.GetAndSetRequest, kind: str, most: int) -> Write:
    """The write that a GetAndSet requests. kind, most: as in `append_from`."""
    return Write(
        request.key,
        request.blob if kind == "blob" else request.value,
        request.ttl_ms,
        request.idempotency_key,
        request.attempt,
        request.expires_at_ms,
        None,
        request.keep_ttl,
        Swap(most if request.idempotency_key else 0),
    )


def get_and_delete_from(request: kv_pb2.GetAndDeleteRequest) -> Write:
    """The write that a GetAndDelete requests."""
    return Write(request.key, None, 0, request.idempotency_key, request.attempt, edit=Swap())


def increment_response(written: Written) -> kv_pb2.IncrementResponse:
    """The answer to an Increment."""
    return kv_pb2.IncrementResponse(value=int(written.answer or 0), receipt=receipt(written))


def append_response(written: Written) -> kv_pb2.AppendResponse:
    """The answer to an Append."""
    return kv_pb2.AppendResponse(size=int(written.answer or 0), receipt=receipt(written))


def get_and_set_response(written: Written) -> kv_pb2.GetAndSetResponse:
    """The answer to a GetAndSet."""
    answer = kv_pb2.GetAndSetResponse(receipt=receipt(written))
    _show_previous(answer, written)
    return answer


def get_and_delete_response(written: Written) -> kv_pb2.GetAndDeleteResponse:
    """The answer to a GetAndDelete."""
    answer = kv_pb2.GetAndDeleteResponse(receipt=receipt(written))
    _show_previous(answer, written)
    return answer


def _show_previous(answer: kv_pb2.GetAndSetResponse | kv_pb2.GetAndDeleteResponse, written: Written) -> None:
    if isinstance(written.answer, str):
        answer.value = written.answer
    elif written.answer is not None:
        answer.blob = written.answer


def batch_write_from(item: kv_pb2.BatchWrite, kind: str) -> Write:
    """The write that an item of a BatchSet requests. kind: of its content, value, blob or delete."""
    value = None if kind == "delete" else item.blob if kind == "blob" else item.value
    return Write(
        item.key,
        value,
        ttl_ms_of(item),
        item.idempotency_key,
        item.attempt,
        item.expires_at_ms,
        condition_from(item),
        item.keep_ttl,
        lease=item.lease,
    )


def get_response(found: Found) -> kv_pb2.GetResponse:
    """The answer to a Get."""
    answer = kv_pb2.GetResponse(
        node_url=found.node_url, version=found.version, expires_at_ms=found.expires_at
    )
    if isinstance(found.value, str):
        answer.value = found.value
    else:
        answer.blob = found.value
    return answer


def receipt(written: Written) -> record_pb2.Receipt:
    """The receipt of a write."""
    return record_pb2.Receipt(
        version=written.version, epoch=written.epoch, acked=written.acked, replicas=written.replicas
    )


def batch_get_result(outcome: Found | LimeDBError) -> kv_pb2.BatchGetResult:
    """The outcome for a key of a BatchGet."""
    if isinstance(outcome, LimeDBError):
        return kv_pb2.BatchGetResult(error=status_of(outcome), failure=failure_of(outcome))
    result = kv_pb2.BatchGetResult(found=True, version=outcome.version, expires_at_ms=outcome.expires_at)
    if isinstance(outcome.value, str):
        result.value = outcome.value
    else:
        result.blob = outcome.value
    return result


def batch_set_result(outcome: Written | LimeDBError) -> kv_pb2.BatchSetResult:
    """The outcome of a write of a BatchSet."""
    if isinstance(outcome, LimeDBError):
        return kv_pb2.BatchSetResult(error=status_of(outcome), failure=failure_of(outcome))
    return kv_pb2.BatchSetResult(receipt=receipt(outcome), existed=outcome.existed)


def list_keys_response(page: KeyPage) -> kv_pb2.ListKeysResponse:
    """The answer to a ListKeys."""
    return kv_pb2.ListKeysResponse(
        keys=[_key_entry(record) for record in page.records],
        total=page.total,
        page=page.page,
        page_size=page.page_size,
        total_pages=page.total_pages,
    )


def scan_entry(record: Record, keys_only: bool) -> kv_pb2.ScanEntry:
    """A live record as a scan reports it."""
    value = "" if record.value is None else record.value
    entry = kv_pb2.ScanEntry(
        key=record.key,
        size=value_size(value),
        version=record.version,
        expires_at_ms=record.expires_at,
    )
    if isinstance(value, bytes) and not keys_only:
        entry.blob = value
    elif isinstance(value, str) and not keys_only:
        entry.value = value
    return entry


def watch_event(record: Record) -> kv_pb2.WatchEvent:
    """A change as a watch reports it."""
    event = kv_pb2.WatchEvent(key=record.key, version=record.version, expires_at_ms=record.expires_at)
    if record.value is None:
        event.delete = True
    elif isinstance(record.value, bytes):
        event.blob = record.value
    else:
        event.value = record.value
    return event


def _key_entry(record: Record) -> kv_pb2.KeyEntry:
    if isinstance(record.value, bytes):
        return kv_pb2.KeyEntry(key=record.key, blob=record.value, size=len(record.value))
    value = record.value or ""
    return kv_pb2.KeyEntry(key=record.key, value=value, size=value_size(value))
