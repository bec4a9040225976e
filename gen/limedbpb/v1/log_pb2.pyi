from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LogGroup(_message.Message):
    __slots__ = ("records", "purges")
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    PURGES_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedScalarFieldContainer[bytes]
    purges: _containers.RepeatedCompositeFieldContainer[Purge]
    def __init__(self, records: _Optional[_Iterable[bytes]] = ..., purges: _Optional[_Iterable[_Union[Purge, _Mapping]]] = ...) -> None: ...

class Purge(_message.Message):
    __slots__ = ("key", "version", "checksum")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CHECKSUM_FIELD_NUMBER: _ClassVar[int]
    key: str
    version: int
    checksum: int
    def __init__(self, key: _Optional[str] = ..., version: _Optional[int] = ..., checksum: _Optional[int] = ...) -> None: ...
