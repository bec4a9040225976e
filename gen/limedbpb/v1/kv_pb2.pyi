from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.rpc import error_details_pb2 as _error_details_pb2
from google.rpc import status_pb2 as _status_pb2
from limedbpb.v1 import lease_pb2 as _lease_pb2
from limedbpb.v1 import record_pb2 as _record_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SetRequest(_message.Message):
    __slots__ = ("key", "value", "blob", "ttl_ms", "consistency", "idempotency_key", "attempt", "expires_at_ms", "ttl_is_fallback", "condition", "keep_ttl", "lease")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    BLOB_FIELD_NUMBER: _ClassVar[int]
    TTL_MS_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    TTL_IS_FALLBACK_FIELD_NUMBER: _ClassVar[int]
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    KEEP_TTL_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: str
    blob: bytes
    ttl_ms: int
    consistency: _record_pb2.Consistency
    idempotency_key: bytes
    attempt: int
    expires_at_ms: int
    ttl_is_fallback: bool
    condition: Condition
    keep_ttl: bool
    lease: int
    def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ..., blob: _Optional[bytes] = ..., ttl_ms: _Optional[int] = ..., consistency: _Optional[_Union[_record_pb2.Consistency, str]] = ..., idempotency_key: _Optional[bytes] = ..., attempt: _Optional[int] = ..., expires_at_ms: _Optional[int] = ..., ttl_is_fallback: _Optional[bool] = ..., condition: _Optional[_Union[Condition, _Mapping]] = ..., keep_ttl: _Optional[bool] = ..., lease: _Optional[int] = ...) -> None: ...

class Condition(_message.Message):
    __slots__ = ("version", "value", "blob", "exists", "wants_current")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    BLOB_FIELD_NUMBER: _ClassVar[int]
    EXISTS_FIELD_NUMBER: _ClassVar[int]
    WANTS_CURRENT_FIELD_NUMBER: _ClassVar[int]
    version: int
    value: str
    blob: bytes
    exists: bool
    wants_current: bool
    def __init__(self, version: _Optional[int] = ..., value: _Optional[str] = ..., blob: _Optional[bytes] = ..., exists: _Optional[bool] = ..., wants_current: _Optional[bool] = ...) -> None: ...

class CurrentValue(_message.Message):
    __slots__ = ("value", "blob", "version", "expires_at_ms")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    BLOB_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    value: str
    blob: bytes
    version: int
    expires_at_ms: int
    def __init__(self, value: _Optional[str] = ..., blob: _Optional[bytes] = ..., version: _Optional[int] = ..., expires_at_ms: _Optional[int] = ...) -> None: ...

class SetResponse(_message.Message):
    __slots__ = ("receipt",)
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: _record_pb2.Receipt
    def __init__(self, receipt: _Optional[_Union[_record_pb2.Receipt, _Mapping]] = ...) -> None: ...

class GetRequest(_message.Message):
    __slots__ = ("key", "consistency")
    KEY_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    key: str
    consistency: _record_pb2.Consistency
    def __init__(self, key: _Optional[str] = ..., consistency: _Optional[_Union[_record_pb2.Consistency, str]] = ...) -> None: ...

class GetResponse(_message.Message):
    __slots__ = ("value", "blob", "node_url", "version", "expires_at_ms")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    BLOB_FIELD_NUMBER: _ClassVar[int]
    NODE_URL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    value: str
    blob: bytes
    node_url: str
    version: int
    expires_at_ms: int
    def __init__(self, value: _Optional[str] = ..., blob: _Optional[bytes] = ..., node_url: _Optional[str] = ..., version: _Optional[int] = ..., expires_at_ms: _Optional[int] = ...) -> None: ...

class DeleteRequest(_message.Message):
    __slots__ = ("key", "consistency", "idempotency_key", "attempt", "condition")
    KEY_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    key: str
    consistency: _record_pb2.Consistency
    idempotency_key: bytes
    attempt: int
    condition: Condition
    def __init__(self, key: _Optional[str] = ..., consistency: _Optional[_Union[_record_pb2.Consistency, str]] = ..., idempotency_key: _Optional[bytes] = ..., attempt: _Optional[int] = ..., condition: _Optional[_Union[Condition, _Mapping]] = ...) -> None: ...

class DeleteResponse(_message.Message):
    __slots__ = ("deleted", "receipt")
    DELETED_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    deleted: int
    receipt: _record_pb2.Receipt
    def __init__(self, deleted: _Optional[int] = ..., receipt: _Optional[_Union[_record_pb2.Receipt, _Mapping]] = ...) -> None: ...

class IncrementRequest(_message.Message):
    __slots__ = ("key", "by", "initial", "ttl_ms", "consistency", "idempotency_key", "attempt")
    KEY_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    INITIAL_FIELD_NUMBER: _ClassVar[int]
    TTL_MS_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    key: str
    by: int
    initial: int
    ttl_ms: int
    consistency: _record_pb2.Consistency
    idempotency_key: bytes
    attempt: int
    def __init__(self, key: _Optional[str] = ..., by: _Optional[int] = ..., initial: _Optional[int] = ..., ttl_ms: _Optional[int] = ..., consistency: _Optional[_Union[_record_pb2.Consistency, str]] = ..., idempotency_key: _Optional[bytes] = ..., attempt: _Optional[int] = ...) -> None: ...

class IncrementResponse(_message.Message):
    __slots__ = ("value", "receipt")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    value: int
    receipt: _record_pb2.Receipt
    def __init__(self, value: _Optional[int] = ..., receipt: _Optional[_Union[_record_pb2.Receipt, _Mapping]] = ...) -> None: ...

class AppendRequest(_message.Message):
    __slots__ = ("key", "value", "blob", "ttl_ms", "consistency", "idempotency_key", "attempt")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    BLOB_FIELD_NUMBER: _ClassVar[int]
    TTL_MS_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: str
    blob: bytes
    ttl_ms: int
    consistency: _record_pb2.Consistency
    idempotency_key: bytes
    attempt: int
    def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ..., blob: _Optional[bytes] = ..., ttl_ms: _Optional[int] = ..., consistency: _Optional[_Union[_record_pb2.Consistency, str]] = ..., idempotency_key: _Optional[bytes] = ..., attempt: _Optional[int] = ...) -> None: ...

class AppendResponse(_message.Message):
    __slots__ = ("size", "receipt")
    SIZE_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    size: int
    receipt: _record_pb2.Receipt
    def __init__(self, size: _Optional[int] = ..., receipt: _Optional[_Union[_record_pb2.Receipt, _Mapping]] = ...) -> None: ...

class GetAndSetRequest(_message.Message):
    __slots__ = ("key", "value", "blob", "ttl_ms", "consistency", "idempotency_key", "attempt", "expires_at_ms", "keep_ttl")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    BLOB_FIELD_NUMBER: _ClassVar[int]
    TTL_MS_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    KEEP_TTL_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: str
    blob: bytes
    ttl_ms: int
    consistency: _record_pb2.Consistency
    idempotency_key: bytes
    attempt: int
    expires_at_ms: int
    keep_ttl: bool
    def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ..., blob: _Optional[bytes] = ..., ttl_ms: _Optional[int] = ..., consistency: _Optional[_Union[_record_pb2.Consistency, str]] = ..., idempotency_key: _Optional[bytes] = ..., attempt: _Optional[int] = ..., expires_at_ms: _Optional[int] = ..., keep_ttl: _Optional[bool] = ...) -> None: ...

class GetAndSetResponse(_message.Message):
    __slots__ = ("value", "blob", "receipt")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    BLOB_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    value: str
    blob: bytes
    receipt: _record_pb2.Receipt
    def __init__(self, value: _Optional[str] = ..., blob: _Optional[bytes] = ..., receipt: _Optional[_Union[_record_pb2.Receipt, _Mapping]] = ...) -> None: ...

class GetAndDeleteRequest(_message.Message):
    __slots__ = ("key", "consistency", "idempotency_key", "attempt")
    KEY_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    key: str
    consistency: _record_pb2.Consistency
    idempotency_key: bytes
    attempt: int
    def __init__(self, key: _Optional[str] = ..., consistency: _Optional[_Union[_record_pb2.Consistency, str]] = ..., idempotency_key: _Optional[bytes] = ..., attempt: _Optional[int] = ...) -> None: ...

class GetAndDeleteResponse(_message.Message):
    __slots__ = ("value", "blob", "receipt")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    BLOB_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    value: str
    blob: bytes
    receipt: _record_pb2.Receipt
    def __init__(self, value: _Optional[str] = ..., blob: _Optional[bytes] = ..., receipt: _Optional[_Union[_record_pb2.Receipt, _Mapping]] = ...) -> None: ...

class TxnRequest(_message.Message):
    __slots__ = ("compare", "success", "failure", "idempotency_key", "attempt")
    COMPARE_FIELD_NUMBER: _ClassVar[int]
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    compare: _containers.RepeatedCompositeFieldContainer[TxnCompare]
    success: _containers.RepeatedCompositeFieldContainer[TxnStep]
    failure: _containers.RepeatedCompositeFieldContainer[TxnStep]
    idempotency_key: bytes
    attempt: int
    def __init__(self, compare: _Optional[_Iterable[_Union[TxnCompare, _Mapping]]] = ..., success: _Optional[_Iterable[_Union[TxnStep, _Mapping]]] = ..., failure: _Optional[_Iterable[_Union[TxnStep, _Mapping]]] = ..., idempotency_key: _Optional[bytes] = ..., attempt: _Optional[int] = ...) -> None: ...

class TxnCompare(_message.Message):
    __slots__ = ("key", "condition")
    KEY_FIELD_NUMBER: _ClassVar[int]
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    key: str
    condition: Condition
    def __init__(self, key: _Optional[str] = ..., condition: _Optional[_Union[Condition, _Mapping]] = ...) -> None: ...

class TxnStep(_message.Message):
    __slots__ = ("set", "delete", "get", "increment")
    SET_FIELD_NUMBER: _ClassVar[int]
    DELETE_FIELD_NUMBER: _ClassVar[int]
    GET_FIELD_NUMBER: _ClassVar[int]
    INCREMENT_FIELD_NUMBER: _ClassVar[int]
    set: TxnSet
    delete: str
    get: str
    increment: TxnIncrement
    def __init__(self, set: _Optional[_Union[TxnSet, _Mapping]] = ..., delete: _Optional[str] = ..., get: _Optional[str] = ..., increment: _Optional[_Union[TxnIncrement, _Mapping]] = ...) -> None: ...

class TxnSet(_message.Message):
    __slots__ = ("key", "value", "blob", "ttl_ms", "expires_at_ms", "keep_ttl")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    BLOB_FIELD_NUMBER: _ClassVar[int]
    TTL_MS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    KEEP_TTL_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: str
    blob: bytes
    ttl_ms: int
    expires_at_ms: int
    keep_ttl: bool
    def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ..., blob: _Optional[bytes] = ..., ttl_ms: _Optional[int] = ..., expires_at_ms: _Optional[int] = ..., keep_ttl: _Optional[bool] = ...) -> None: ...

class TxnIncrement(_message.Message):
    __slots__ = ("key", "by", "initial", "ttl_ms")
    KEY_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    INITIAL_FIELD_NUMBER: _ClassVar[int]
    TTL_MS_FIELD_NUMBER: _ClassVar[int]
    key: str
    by: int
    initial: int
    ttl_ms: int
    def __init__(self, key: _Optional[str] = ..., by: _Optional[int] = ..., initial: _Optional[int] = ..., ttl_ms: _Optional[int] = ...) -> None: ...

class TxnResponse(_message.Message):
    __slots__ = ("succeeded", "responses", "receipt")
    SUCCEEDED_FIELD_NUMBER: _ClassVar[int]
    RESPONSES_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    succeeded: bool
    responses: _containers.RepeatedCompositeFieldContainer[TxnResult]
    receipt: _record_pb2.Receipt
    def __init__(self, succeeded: _Optional[bool] = ..., responses: _Optional[_Iterable[_Union[TxnResult, _Mapping]]] = ..., receipt: _Optional[_Union[_record_pb2.Receipt, _Mapping]] = ...) -> None: ...

class TxnResult(_message.Message):
    __slots__ = ("existed", "value", "blob", "version", "expires_at_ms")
    EXISTED_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    BLOB_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    existed: bool
    value: str
    blob: bytes
    version: int
    expires_at_ms: int
    def __init__(self, existed: _Optional[bool] = ..., value: _Optional[str] = ..., blob: _Optional[bytes] = ..., version: _Optional[int] = ..., expires_at_ms: _Optional[int] = ...) -> None: ...

class SetDirectRequest(_message.Message):
    __slots__ = ("key", "value", "blob", "ttl_ms", "expires_at_ms", "ttl_is_fallback")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    BLOB_FIELD_NUMBER: _ClassVar[int]
    TTL_MS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    TTL_IS_FALLBACK_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: str
    blob: bytes
    ttl_ms: int
    expires_at_ms: int
    ttl_is_fallback: bool
    def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ..., blob: _Optional[bytes] = ..., ttl_ms: _Optional[int] = ..., expires_at_ms: _Optional[int] = ..., ttl_is_fallback: _Optional[bool] = ...) -> None: ...

class SetDirectResponse(_message.Message):
    __slots__ = ("receipt",)
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: _record_pb2.Receipt
    def __init__(self, receipt: _Optional[_Union[_record_pb2.Receipt, _Mapping]] = ...) -> None: ...

class ListKeysRequest(_message.Message):
    __slots__ = ("page", "page_size", "after")
    PAGE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    page: int
    page_size: int
    after: str
    def __init__(self, page: _Optional[int] = ..., page_size: _Optional[int] = ..., after: _Optional[str] = ...) -> None: ...

class ListKeysResponse(_message.Message):
    __slots__ = ("keys", "total", "page", "page_size", "total_pages")
    KEYS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_PAGES_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedCompositeFieldContainer[KeyEntry]
    total: int
    page: int
    page_size: int
    total_pages: int
    def __init__(self, keys: _Optional[_Iterable[_Union[KeyEntry, _Mapping]]] = ..., total: _Optional[int] = ..., page: _Optional[int] = ..., page_size: _Optional[int] = ..., total_pages: _Optional[int] = ...) -> None: ...

class KeyEntry(_message.Message):
    __slots__ = ("key", "value", "blob", "size")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    BLOB_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: str
    blob: bytes
    size: int
    def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ..., blob: _Optional[bytes] = ..., size: _Optional[int] = ...) -> None: ...

class BatchGetRequest(_message.Message):
    __slots__ = ("keys", "consistency")
    KEYS_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedScalarFieldContainer[str]
    consistency: _record_pb2.Consistency
    def __init__(self, keys: _Optional[_Iterable[str]] = ..., consistency: _Optional[_Union[_record_pb2.Consistency, str]] = ...) -> None: ...

class BatchGetResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[BatchGetResult]
    def __init__(self, results: _Optional[_Iterable[_Union[BatchGetResult, _Mapping]]] = ...) -> None: ...

class BatchGetResult(_message.Message):
    __slots__ = ("found", "error", "value", "blob", "failure", "version", "expires_at_ms")
    FOUND_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    BLOB_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    found: bool
    error: _status_pb2.Status
    value: str
    blob: bytes
    failure: Failure
    version: int
    expires_at_ms: int
    def __init__(self, found: _Optional[bool] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., value: _Optional[str] = ..., blob: _Optional[bytes] = ..., failure: _Optional[_Union[Failure, _Mapping]] = ..., version: _Optional[int] = ..., expires_at_ms: _Optional[int] = ...) -> None: ...

class BatchSetRequest(_message.Message):
    __slots__ = ("writes", "consistency")
    WRITES_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    writes: _containers.RepeatedCompositeFieldContainer[BatchWrite]
    consistency: _record_pb2.Consistency
    def __init__(self, writes: _Optional[_Iterable[_Union[BatchWrite, _Mapping]]] = ..., consistency: _Optional[_Union[_record_pb2.Consistency, str]] = ...) -> None: ...

class BatchWrite(_message.Message):
    __slots__ = ("key", "value", "blob", "delete", "ttl_ms", "idempotency_key", "attempt", "expires_at_ms", "ttl_is_fallback", "condition", "keep_ttl", "lease")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    BLOB_FIELD_NUMBER: _ClassVar[int]
    DELETE_FIELD_NUMBER: _ClassVar[int]
    TTL_MS_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    TTL_IS_FALLBACK_FIELD_NUMBER: _ClassVar[int]
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    KEEP_TTL_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: str
    blob: bytes
    delete: bool
    ttl_ms: int
    idempotency_key: bytes
    attempt: int
    expires_at_ms: int
    ttl_is_fallback: bool
    condition: Condition
    keep_ttl: bool
    lease: int
    def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ..., blob: _Optional[bytes] = ..., delete: _Optional[bool] = ..., ttl_ms: _Optional[int] = ..., idempotency_key: _Optional[bytes] = ..., attempt: _Optional[int] = ..., expires_at_ms: _Optional[int] = ..., ttl_is_fallback: _Optional[bool] = ..., condition: _Optional[_Union[Condition, _Mapping]] = ..., keep_ttl: _Optional[bool] = ..., lease: _Optional[int] = ...) -> None: ...

class BatchSetResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[BatchSetResult]
    def __init__(self, results: _Optional[_Iterable[_Union[BatchSetResult, _Mapping]]] = ...) -> None: ...

class BatchSetResult(_message.Message):
    __slots__ = ("receipt", "existed", "error", "failure")
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    EXISTED_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    receipt: _record_pb2.Receipt
    existed: bool
    error: _status_pb2.Status
    failure: Failure
    def __init__(self, receipt: _Optional[_Union[_record_pb2.Receipt, _Mapping]] = ..., existed: _Optional[bool] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., failure: _Optional[_Union[Failure, _Mapping]] = ...) -> None: ...

class ScanRequest(_message.Message):
    __slots__ = ("prefix", "start", "end", "after", "limit", "page_size", "keys_only", "consistency", "local")
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    KEYS_ONLY_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    LOCAL_FIELD_NUMBER: _ClassVar[int]
    prefix: str
    start: str
    end: str
    after: str
    limit: int
    page_size: int
    keys_only: bool
    consistency: _record_pb2.Consistency
    local: bool
    def __init__(self, prefix: _Optional[str] = ..., start: _Optional[str] = ..., end: _Optional[str] = ..., after: _Optional[str] = ..., limit: _Optional[int] = ..., page_size: _Optional[int] = ..., keys_only: _Optional[bool] = ..., consistency: _Optional[_Union[_record_pb2.Consistency, str]] = ..., local: _Optional[bool] = ...) -> None: ...

class ScanResponse(_message.Message):
    __slots__ = ("entries", "after", "error")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[ScanEntry]
    after: str
    error: _status_pb2.Status
    def __init__(self, entries: _Optional[_Iterable[_Union[ScanEntry, _Mapping]]] = ..., after: _Optional[str] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class ScanEntry(_message.Message):
    __slots__ = ("key", "value", "blob", "size", "version", "expires_at_ms")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    BLOB_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: str
    blob: bytes
    size: int
    version: int
    expires_at_ms: int
    def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ..., blob: _Optional[bytes] = ..., size: _Optional[int] = ..., version: _Optional[int] = ..., expires_at_ms: _Optional[int] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("key", "prefix", "after_version", "consistency")
    KEY_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    AFTER_VERSION_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    key: str
    prefix: str
    after_version: int
    consistency: _record_pb2.Consistency
    def __init__(self, key: _Optional[str] = ..., prefix: _Optional[str] = ..., after_version: _Optional[int] = ..., consistency: _Optional[_Union[_record_pb2.Consistency, str]] = ...) -> None: ...

class WatchResponse(_message.Message):
    __slots__ = ("events", "resume_version", "error")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    RESUME_VERSION_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[WatchEvent]
    resume_version: int
    error: _status_pb2.Status
    def __init__(self, events: _Optional[_Iterable[_Union[WatchEvent, _Mapping]]] = ..., resume_version: _Optional[int] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class WatchEvent(_message.Message):
    __slots__ = ("key", "value", "blob", "delete", "version", "expires_at_ms")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    BLOB_FIELD_NUMBER: _ClassVar[int]
    DELETE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: str
    blob: bytes
    delete: bool
    version: int
    expires_at_ms: int
    def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ..., blob: _Optional[bytes] = ..., delete: _Optional[bool] = ..., version: _Optional[int] = ..., expires_at_ms: _Optional[int] = ...) -> None: ...

class SessionRequest(_message.Message):
    __slots__ = ("id", "timeout_ms", "batch_get", "batch_set", "get", "set", "delete", "increment", "append", "get_and_set", "get_and_delete", "txn", "grant_lease", "renew_lease", "revoke_lease", "lease_time_to_live")
    ID_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    BATCH_GET_FIELD_NUMBER: _ClassVar[int]
    BATCH_SET_FIELD_NUMBER: _ClassVar[int]
    GET_FIELD_NUMBER: _ClassVar[int]
    SET_FIELD_NUMBER: _ClassVar[int]
    DELETE_FIELD_NUMBER: _ClassVar[int]
    INCREMENT_FIELD_NUMBER: _ClassVar[int]
    APPEND_FIELD_NUMBER: _ClassVar[int]
    GET_AND_SET_FIELD_NUMBER: _ClassVar[int]
    GET_AND_DELETE_FIELD_NUMBER: _ClassVar[int]
    TXN_FIELD_NUMBER: _ClassVar[int]
    GRANT_LEASE_FIELD_NUMBER: _ClassVar[int]
    RENEW_LEASE_FIELD_NUMBER: _ClassVar[int]
    REVOKE_LEASE_FIELD_NUMBER: _ClassVar[int]
    LEASE_TIME_TO_LIVE_FIELD_NUMBER: _ClassVar[int]
    id: int
    timeout_ms: int
    batch_get: BatchGetRequest
    batch_set: BatchSetRequest
    get: GetRequest
    set: SetRequest
    delete: DeleteRequest
    increment: IncrementRequest
    append: AppendRequest
    get_and_set: GetAndSetRequest
    get_and_delete: GetAndDeleteRequest
    txn: TxnRequest
    grant_lease: _lease_pb2.GrantLeaseRequest
    renew_lease: _lease_pb2.RenewLeaseRequest
    revoke_lease: _lease_pb2.RevokeLeaseRequest
    lease_time_to_live: _lease_pb2.LeaseTimeToLiveRequest
    def __init__(self, id: _Optional[int] = ..., timeout_ms: _Optional[int] = ..., batch_get: _Optional[_Union[BatchGetRequest, _Mapping]] = ..., batch_set: _Optional[_Union[BatchSetRequest, _Mapping]] = ..., get: _Optional[_Union[GetRequest, _Mapping]] = ..., set: _Optional[_Union[SetRequest, _Mapping]] = ..., delete: _Optional[_Union[DeleteRequest, _Mapping]] = ..., increment: _Optional[_Union[IncrementRequest, _Mapping]] = ..., append: _Optional[_Union[AppendRequest, _Mapping]] = ..., get_and_set: _Optional[_Union[GetAndSetRequest, _Mapping]] = ..., get_and_delete: _Optional[_Union[GetAndDeleteRequest, _Mapping]] = ..., txn: _Optional[_Union[TxnRequest, _Mapping]] = ..., grant_lease: _Optional[_Union[_lease_pb2.GrantLeaseRequest, _Mapping]] = ..., renew_lease: _Optional[_Union[_lease_pb2.RenewLeaseRequest, _Mapping]] = ..., revoke_lease: _Optional[_Union[_lease_pb2.RevokeLeaseRequest, _Mapping]] = ..., lease_time_to_live: _Optional[_Union[_lease_pb2.LeaseTimeToLiveRequest, _Mapping]] = ...) -> None: ...

class SessionResponse(_message.Message):
    __slots__ = ("id", "failure", "batch_get", "batch_set", "get", "set", "delete", "error", "increment", "append", "get_and_set", "get_and_delete", "txn", "grant_lease", "renew_lease", "revoke_lease", "lease_time_to_live")
    ID_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    BATCH_GET_FIELD_NUMBER: _ClassVar[int]
    BATCH_SET_FIELD_NUMBER: _ClassVar[int]
    GET_FIELD_NUMBER: _ClassVar[int]
    SET_FIELD_NUMBER: _ClassVar[int]
    DELETE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    INCREMENT_FIELD_NUMBER: _ClassVar[int]
    APPEND_FIELD_NUMBER: _ClassVar[int]
    GET_AND_SET_FIELD_NUMBER: _ClassVar[int]
    GET_AND_DELETE_FIELD_NUMBER: _ClassVar[int]
    TXN_FIELD_NUMBER: _ClassVar[int]
    GRANT_LEASE_FIELD_NUMBER: _ClassVar[int]
    RENEW_LEASE_FIELD_NUMBER: _ClassVar[int]
    REVOKE_LEASE_FIELD_NUMBER: _ClassVar[int]
    LEASE_TIME_TO_LIVE_FIELD_NUMBER: _ClassVar[int]
    id: int
    failure: Failure
    batch_get: BatchGetResponse
    batch_set: BatchSetResponse
    get: GetResponse
    set: SetResponse
    delete: DeleteResponse
    error: _status_pb2.Status
    increment: IncrementResponse
    append: AppendResponse
    get_and_set: GetAndSetResponse
    get_and_delete: GetAndDeleteResponse
    txn: TxnResponse
    grant_lease: _lease_pb2.GrantLeaseResponse
    renew_lease: _lease_pb2.RenewLeaseResponse
    revoke_lease: _lease_pb2.RevokeLeaseResponse
    lease_time_to_live: _lease_pb2.LeaseTimeToLiveResponse
    def __init__(self, id: _Optional[int] = ..., failure: _Optional[_Union[Failure, _Mapping]] = ..., batch_get: _Optional[_Union[BatchGetResponse, _Mapping]] = ..., batch_set: _Optional[_Union[BatchSetResponse, _Mapping]] = ..., get: _Optional[_Union[GetResponse, _Mapping]] = ..., set: _Optional[_Union[SetResponse, _Mapping]] = ..., delete: _Optional[_Union[DeleteResponse, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., increment: _Optional[_Union[IncrementResponse, _Mapping]] = ..., append: _Optional[_Union[AppendResponse, _Mapping]] = ..., get_and_set: _Optional[_Union[GetAndSetResponse, _Mapping]] = ..., get_and_delete: _Optional[_Union[GetAndDeleteResponse, _Mapping]] = ..., txn: _Optional[_Union[TxnResponse, _Mapping]] = ..., grant_lease: _Optional[_Union[_lease_pb2.GrantLeaseResponse, _Mapping]] = ..., renew_lease: _Optional[_Union[_lease_pb2.RenewLeaseResponse, _Mapping]] = ..., revoke_lease: _Optional[_Union[_lease_pb2.RevokeLeaseResponse, _Mapping]] = ..., lease_time_to_live: _Optional[_Union[_lease_pb2.LeaseTimeToLiveResponse, _Mapping]] = ...) -> None: ...

class Failure(_message.Message):
    __slots__ = ("kind", "facts")
    KIND_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    kind: str
    facts: _struct_pb2.Struct
    def __init__(self, kind: _Optional[str] = ..., facts: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...
