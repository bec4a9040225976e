from limedbpb.v1 import record_pb2 as _record_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GroupChange(_message.Message):
    __slots__ = ("records",)
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedCompositeFieldContainer[_record_pb2.Record]
    def __init__(self, records: _Optional[_Iterable[_Union[_record_pb2.Record, _Mapping]]] = ...) -> None: ...

class GroupOutcome(_message.Message):
    __slots__ = ("succeeded", "steps")
    SUCCEEDED_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    succeeded: bool
    steps: _containers.RepeatedCompositeFieldContainer[GroupStep]
    def __init__(self, succeeded: _Optional[bool] = ..., steps: _Optional[_Iterable[_Union[GroupStep, _Mapping]]] = ...) -> None: ...

class GroupStep(_message.Message):
    __slots__ = ("existed", "answer", "found")
    EXISTED_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    FOUND_FIELD_NUMBER: _ClassVar[int]
    existed: bool
    answer: bytes
    found: _record_pb2.Record
    def __init__(self, existed: _Optional[bool] = ..., answer: _Optional[bytes] = ..., found: _Optional[_Union[_record_pb2.Record, _Mapping]] = ...) -> None: ...
