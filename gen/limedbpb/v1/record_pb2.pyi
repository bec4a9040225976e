from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Consistency(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONSISTENCY_UNSPECIFIED: _ClassVar[Consistency]
    CONSISTENCY_ONE: _ClassVar[Consistency]
    CONSISTENCY_QUORUM: _ClassVar[Consistency]
    CONSISTENCY_ALL: _ClassVar[Consistency]
    CONSISTENCY_LINEARIZABLE: _ClassVar[Consistency]
CONSISTENCY_UNSPECIFIED: Consistency
CONSISTENCY_ONE: Consistency
CONSISTENCY_QUORUM: Consistency
CONSISTENCY_ALL: Consistency
CONSISTENCY_LINEARIZABLE: Consistency

class Record(_message.Message):
    __slots__ = ("version", "expires_at_ms", "tombstone", "key", "value", "blob", "lineage")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    TOMBSTONE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    BLOB_FIELD_NUMBER: _ClassVar[int]
    LINEAGE_FIELD_NUMBER: _ClassVar[int]
    version: int
    expires_at_ms: int
    tombstone: bool
    key: str
    value: str
    blob: bytes
    lineage: _containers.RepeatedCompositeFieldContainer[Past]
    def __init__(self, version: _Optional[int] = ..., expires_at_ms: _Optional[int] = ..., tombstone: _Optional[bool] = ..., key: _Optional[str] = ..., value: _Optional[str] = ..., blob: _Optional[bytes] = ..., lineage: _Optional[_Iterable[_Union[Past, _Mapping]]] = ...) -> None: ...

class Past(_message.Message):
    __slots__ = ("version", "operation", "outcome")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    version: int
    operation: bytes
    outcome: bytes
    def __init__(self, version: _Optional[int] = ..., operation: _Optional[bytes] = ..., outcome: _Optional[bytes] = ...) -> None: ...

class Receipt(_message.Message):
    __slots__ = ("version", "epoch", "acked", "replicas")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    ACKED_FIELD_NUMBER: _ClassVar[int]
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    version: int
    epoch: int
    acked: int
    replicas: int
    def __init__(self, version: _Optional[int] = ..., epoch: _Optional[int] = ..., acked: _Optional[int] = ..., replicas: _Optional[int] = ...) -> None: ...
