from google.protobuf import any_pb2 as _any_pb2
from limedbpb.v1 import record_pb2 as _record_pb2
from limedbpb.v1 import topology_pb2 as _topology_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReadRequest(_message.Message):
    __slots__ = ("keys", "fence", "marks_damaged", "most_bytes")
    KEYS_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    MARKS_DAMAGED_FIELD_NUMBER: _ClassVar[int]
    MOST_BYTES_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedScalarFieldContainer[str]
    fence: _topology_pb2.Fence
    marks_damaged: bool
    most_bytes: int
    def __init__(self, keys: _Optional[_Iterable[str]] = ..., fence: _Optional[_Union[_topology_pb2.Fence, _Mapping]] = ..., marks_damaged: _Optional[bool] = ..., most_bytes: _Optional[int] = ...) -> None: ...

class ReadResponse(_message.Message):
    __slots__ = ("results", "newer")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    NEWER_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[ReadResult]
    newer: _topology_pb2.Topology
    def __init__(self, results: _Optional[_Iterable[_Union[ReadResult, _Mapping]]] = ..., newer: _Optional[_Union[_topology_pb2.Topology, _Mapping]] = ...) -> None: ...

class ReadResult(_message.Message):
    __slots__ = ("record", "is_damaged")
    RECORD_FIELD_NUMBER: _ClassVar[int]
    IS_DAMAGED_FIELD_NUMBER: _ClassVar[int]
    record: _record_pb2.Record
    is_damaged: bool
    def __init__(self, record: _Optional[_Union[_record_pb2.Record, _Mapping]] = ..., is_damaged: _Optional[bool] = ...) -> None: ...

class ApplyRequest(_message.Message):
    __slots__ = ("records", "fence", "copied")
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    COPIED_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedCompositeFieldContainer[_record_pb2.Record]
    fence: _topology_pb2.Fence
    copied: bool
    def __init__(self, records: _Optional[_Iterable[_Union[_record_pb2.Record, _Mapping]]] = ..., fence: _Optional[_Union[_topology_pb2.Fence, _Mapping]] = ..., copied: _Optional[bool] = ...) -> None: ...

class ApplyResponse(_message.Message):
    __slots__ = ("results", "newer")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    NEWER_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[ApplyResult]
    newer: _topology_pb2.Topology
    def __init__(self, results: _Optional[_Iterable[_Union[ApplyResult, _Mapping]]] = ..., newer: _Optional[_Union[_topology_pb2.Topology, _Mapping]] = ...) -> None: ...

class ApplyResult(_message.Message):
    __slots__ = ("superseded_by", "existed", "previous")
    SUPERSEDED_BY_FIELD_NUMBER: _ClassVar[int]
    EXISTED_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    superseded_by: int
    existed: bool
    previous: int
    def __init__(self, superseded_by: _Optional[int] = ..., existed: _Optional[bool] = ..., previous: _Optional[int] = ...) -> None: ...

class Span(_message.Message):
    __slots__ = ("first", "last")
    FIRST_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    first: int
    last: int
    def __init__(self, first: _Optional[int] = ..., last: _Optional[int] = ...) -> None: ...

class ScanTokensRequest(_message.Message):
    __slots__ = ("span", "limit", "fence")
    SPAN_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    span: Span
    limit: int
    fence: _topology_pb2.Fence
    def __init__(self, span: _Optional[_Union[Span, _Mapping]] = ..., limit: _Optional[int] = ..., fence: _Optional[_Union[_topology_pb2.Fence, _Mapping]] = ...) -> None: ...

class ScanTokensResponse(_message.Message):
    __slots__ = ("records", "newer")
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    NEWER_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedScalarFieldContainer[bytes]
    newer: _topology_pb2.Topology
    def __init__(self, records: _Optional[_Iterable[bytes]] = ..., newer: _Optional[_Union[_topology_pb2.Topology, _Mapping]] = ...) -> None: ...

class ScanKeysRequest(_message.Message):
    __slots__ = ("start", "end", "limit", "fence", "keys_only")
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    KEYS_ONLY_FIELD_NUMBER: _ClassVar[int]
    start: str
    end: str
    limit: int
    fence: _topology_pb2.Fence
    keys_only: bool
    def __init__(self, start: _Optional[str] = ..., end: _Optional[str] = ..., limit: _Optional[int] = ..., fence: _Optional[_Union[_topology_pb2.Fence, _Mapping]] = ..., keys_only: _Optional[bool] = ...) -> None: ...

class ScanKeysResponse(_message.Message):
    __slots__ = ("records", "is_end", "newer", "sizes")
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    IS_END_FIELD_NUMBER: _ClassVar[int]
    NEWER_FIELD_NUMBER: _ClassVar[int]
    SIZES_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedCompositeFieldContainer[_record_pb2.Record]
    is_end: bool
    newer: _topology_pb2.Topology
    sizes: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, records: _Optional[_Iterable[_Union[_record_pb2.Record, _Mapping]]] = ..., is_end: _Optional[bool] = ..., newer: _Optional[_Union[_topology_pb2.Topology, _Mapping]] = ..., sizes: _Optional[_Iterable[int]] = ...) -> None: ...

class WatchChangesRequest(_message.Message):
    __slots__ = ("key", "prefix", "since_ms", "fence")
    KEY_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    key: str
    prefix: str
    since_ms: int
    fence: _topology_pb2.Fence
    def __init__(self, key: _Optional[str] = ..., prefix: _Optional[str] = ..., since_ms: _Optional[int] = ..., fence: _Optional[_Union[_topology_pb2.Fence, _Mapping]] = ...) -> None: ...

class WatchChangesResponse(_message.Message):
    __slots__ = ("records", "until_ms", "floor_ms", "has_gap", "newer", "late", "started_ms")
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    UNTIL_MS_FIELD_NUMBER: _ClassVar[int]
    FLOOR_MS_FIELD_NUMBER: _ClassVar[int]
    HAS_GAP_FIELD_NUMBER: _ClassVar[int]
    NEWER_FIELD_NUMBER: _ClassVar[int]
    LATE_FIELD_NUMBER: _ClassVar[int]
    STARTED_MS_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedCompositeFieldContainer[_record_pb2.Record]
    until_ms: int
    floor_ms: int
    has_gap: bool
    newer: _topology_pb2.Topology
    late: _containers.RepeatedScalarFieldContainer[int]
    started_ms: int
    def __init__(self, records: _Optional[_Iterable[_Union[_record_pb2.Record, _Mapping]]] = ..., until_ms: _Optional[int] = ..., floor_ms: _Optional[int] = ..., has_gap: _Optional[bool] = ..., newer: _Optional[_Union[_topology_pb2.Topology, _Mapping]] = ..., late: _Optional[_Iterable[int]] = ..., started_ms: _Optional[int] = ...) -> None: ...

class DigestRequest(_message.Message):
    __slots__ = ("spans", "cutoff_ms", "fence")
    SPANS_FIELD_NUMBER: _ClassVar[int]
    CUTOFF_MS_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    spans: _containers.RepeatedCompositeFieldContainer[Span]
    cutoff_ms: int
    fence: _topology_pb2.Fence
    def __init__(self, spans: _Optional[_Iterable[_Union[Span, _Mapping]]] = ..., cutoff_ms: _Optional[int] = ..., fence: _Optional[_Union[_topology_pb2.Fence, _Mapping]] = ...) -> None: ...

class DigestResponse(_message.Message):
    __slots__ = ("digests", "newer")
    DIGESTS_FIELD_NUMBER: _ClassVar[int]
    NEWER_FIELD_NUMBER: _ClassVar[int]
    digests: _containers.RepeatedScalarFieldContainer[int]
    newer: _topology_pb2.Topology
    def __init__(self, digests: _Optional[_Iterable[int]] = ..., newer: _Optional[_Union[_topology_pb2.Topology, _Mapping]] = ...) -> None: ...

class ListEntriesRequest(_message.Message):
    __slots__ = ("spans", "fence")
    SPANS_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    spans: _containers.RepeatedCompositeFieldContainer[Span]
    fence: _topology_pb2.Fence
    def __init__(self, spans: _Optional[_Iterable[_Union[Span, _Mapping]]] = ..., fence: _Optional[_Union[_topology_pb2.Fence, _Mapping]] = ...) -> None: ...

class ListEntriesResponse(_message.Message):
    __slots__ = ("entries", "newer")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEWER_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[Entry]
    newer: _topology_pb2.Topology
    def __init__(self, entries: _Optional[_Iterable[_Union[Entry, _Mapping]]] = ..., newer: _Optional[_Union[_topology_pb2.Topology, _Mapping]] = ...) -> None: ...

class Entry(_message.Message):
    __slots__ = ("key", "version", "checksum", "ends_at_ms")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CHECKSUM_FIELD_NUMBER: _ClassVar[int]
    ENDS_AT_MS_FIELD_NUMBER: _ClassVar[int]
    key: str
    version: int
    checksum: int
    ends_at_ms: int
    def __init__(self, key: _Optional[str] = ..., version: _Optional[int] = ..., checksum: _Optional[int] = ..., ends_at_ms: _Optional[int] = ...) -> None: ...

class CarryRequest(_message.Message):
    __slots__ = ("questions",)
    QUESTIONS_FIELD_NUMBER: _ClassVar[int]
    questions: _containers.RepeatedCompositeFieldContainer[Question]
    def __init__(self, questions: _Optional[_Iterable[_Union[Question, _Mapping]]] = ...) -> None: ...

class Question(_message.Message):
    __slots__ = ("number", "timeout_ms", "fence", "keys", "records", "copied", "most_bytes", "sums", "in_columns", "promise", "release")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    COPIED_FIELD_NUMBER: _ClassVar[int]
    MOST_BYTES_FIELD_NUMBER: _ClassVar[int]
    SUMS_FIELD_NUMBER: _ClassVar[int]
    IN_COLUMNS_FIELD_NUMBER: _ClassVar[int]
    PROMISE_FIELD_NUMBER: _ClassVar[int]
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    number: int
    timeout_ms: int
    fence: _topology_pb2.Fence
    keys: _containers.RepeatedScalarFieldContainer[str]
    records: _containers.RepeatedScalarFieldContainer[bytes]
    copied: bool
    most_bytes: int
    sums: bytes
    in_columns: bool
    promise: PromiseRequest
    release: ReleaseRequest
    def __init__(self, number: _Optional[int] = ..., timeout_ms: _Optional[int] = ..., fence: _Optional[_Union[_topology_pb2.Fence, _Mapping]] = ..., keys: _Optional[_Iterable[str]] = ..., records: _Optional[_Iterable[bytes]] = ..., copied: _Optional[bool] = ..., most_bytes: _Optional[int] = ..., sums: _Optional[bytes] = ..., in_columns: _Optional[bool] = ..., promise: _Optional[_Union[PromiseRequest, _Mapping]] = ..., release: _Optional[_Union[ReleaseRequest, _Mapping]] = ...) -> None: ...

class CarryResponse(_message.Message):
    __slots__ = ("answers",)
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    answers: _containers.RepeatedCompositeFieldContainer[Answer]
    def __init__(self, answers: _Optional[_Iterable[_Union[Answer, _Mapping]]] = ...) -> None: ...

class Answer(_message.Message):
    __slots__ = ("number", "records", "results", "newer", "refusal", "is_compared", "differing", "applied", "promised", "is_released")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    NEWER_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    IS_COMPARED_FIELD_NUMBER: _ClassVar[int]
    DIFFERING_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    PROMISED_FIELD_NUMBER: _ClassVar[int]
    IS_RELEASED_FIELD_NUMBER: _ClassVar[int]
    number: int
    records: _containers.RepeatedScalarFieldContainer[bytes]
    results: _containers.RepeatedCompositeFieldContainer[ApplyResult]
    newer: _topology_pb2.Topology
    refusal: Refusal
    is_compared: bool
    differing: _containers.RepeatedScalarFieldContainer[int]
    applied: AppliedColumns
    promised: PromiseResponse
    is_released: bool
    def __init__(self, number: _Optional[int] = ..., records: _Optional[_Iterable[bytes]] = ..., results: _Optional[_Iterable[_Union[ApplyResult, _Mapping]]] = ..., newer: _Optional[_Union[_topology_pb2.Topology, _Mapping]] = ..., refusal: _Optional[_Union[Refusal, _Mapping]] = ..., is_compared: _Optional[bool] = ..., differing: _Optional[_Iterable[int]] = ..., applied: _Optional[_Union[AppliedColumns, _Mapping]] = ..., promised: _Optional[_Union[PromiseResponse, _Mapping]] = ..., is_released: _Optional[bool] = ...) -> None: ...

class AppliedColumns(_message.Message):
    __slots__ = ("existed", "previous", "superseded", "superseded_by")
    EXISTED_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    SUPERSEDED_FIELD_NUMBER: _ClassVar[int]
    SUPERSEDED_BY_FIELD_NUMBER: _ClassVar[int]
    existed: bytes
    previous: _containers.RepeatedScalarFieldContainer[int]
    superseded: _containers.RepeatedScalarFieldContainer[int]
    superseded_by: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, existed: _Optional[bytes] = ..., previous: _Optional[_Iterable[int]] = ..., superseded: _Optional[_Iterable[int]] = ..., superseded_by: _Optional[_Iterable[int]] = ...) -> None: ...

class Refusal(_message.Message):
    __slots__ = ("code", "kind", "message", "facts", "details")
    CODE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    code: int
    kind: str
    message: str
    facts: str
    details: _containers.RepeatedCompositeFieldContainer[_any_pb2.Any]
    def __init__(self, code: _Optional[int] = ..., kind: _Optional[str] = ..., message: _Optional[str] = ..., facts: _Optional[str] = ..., details: _Optional[_Iterable[_Union[_any_pb2.Any, _Mapping]]] = ...) -> None: ...

class AgreeRequest(_message.Message):
    __slots__ = ("proposals", "fence")
    PROPOSALS_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    proposals: _containers.RepeatedCompositeFieldContainer[Proposal]
    fence: _topology_pb2.Fence
    def __init__(self, proposals: _Optional[_Iterable[_Union[Proposal, _Mapping]]] = ..., fence: _Optional[_Union[_topology_pb2.Fence, _Mapping]] = ...) -> None: ...

class AgreeResponse(_message.Message):
    __slots__ = ("results", "newer")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    NEWER_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[AgreeResult]
    newer: _topology_pb2.Topology
    def __init__(self, results: _Optional[_Iterable[_Union[AgreeResult, _Mapping]]] = ..., newer: _Optional[_Union[_topology_pb2.Topology, _Mapping]] = ...) -> None: ...

class Proposal(_message.Message):
    __slots__ = ("operation", "token", "began_at_ms", "ballot", "terms")
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    BEGAN_AT_MS_FIELD_NUMBER: _ClassVar[int]
    BALLOT_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    operation: bytes
    token: int
    began_at_ms: int
    ballot: OperationBallot
    terms: Terms
    def __init__(self, operation: _Optional[bytes] = ..., token: _Optional[int] = ..., began_at_ms: _Optional[int] = ..., ballot: _Optional[_Union[OperationBallot, _Mapping]] = ..., terms: _Optional[_Union[Terms, _Mapping]] = ...) -> None: ...

class OperationBallot(_message.Message):
    __slots__ = ("round", "proposer")
    ROUND_FIELD_NUMBER: _ClassVar[int]
    PROPOSER_FIELD_NUMBER: _ClassVar[int]
    round: int
    proposer: str
    def __init__(self, round: _Optional[int] = ..., proposer: _Optional[str] = ...) -> None: ...

class Terms(_message.Message):
    __slots__ = ("version", "expires_at_ms", "existed")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    EXISTED_FIELD_NUMBER: _ClassVar[int]
    version: int
    expires_at_ms: int
    existed: bool
    def __init__(self, version: _Optional[int] = ..., expires_at_ms: _Optional[int] = ..., existed: _Optional[bool] = ...) -> None: ...

class AgreeResult(_message.Message):
    __slots__ = ("can_tell", "promised", "accepted", "terms")
    CAN_TELL_FIELD_NUMBER: _ClassVar[int]
    PROMISED_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    can_tell: bool
    promised: OperationBallot
    accepted: OperationBallot
    terms: Terms
    def __init__(self, can_tell: _Optional[bool] = ..., promised: _Optional[_Union[OperationBallot, _Mapping]] = ..., accepted: _Optional[_Union[OperationBallot, _Mapping]] = ..., terms: _Optional[_Union[Terms, _Mapping]] = ...) -> None: ...

class PromiseRequest(_message.Message):
    __slots__ = ("key", "ballot", "fence")
    KEY_FIELD_NUMBER: _ClassVar[int]
    BALLOT_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    key: str
    ballot: int
    fence: _topology_pb2.Fence
    def __init__(self, key: _Optional[str] = ..., ballot: _Optional[int] = ..., fence: _Optional[_Union[_topology_pb2.Fence, _Mapping]] = ...) -> None: ...

class PromiseResponse(_message.Message):
    __slots__ = ("is_promised", "highest", "record", "newer")
    IS_PROMISED_FIELD_NUMBER: _ClassVar[int]
    HIGHEST_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    NEWER_FIELD_NUMBER: _ClassVar[int]
    is_promised: bool
    highest: int
    record: bytes
    newer: _topology_pb2.Topology
    def __init__(self, is_promised: _Optional[bool] = ..., highest: _Optional[int] = ..., record: _Optional[bytes] = ..., newer: _Optional[_Union[_topology_pb2.Topology, _Mapping]] = ...) -> None: ...

class ReleaseRequest(_message.Message):
    __slots__ = ("key", "ballot", "fence")
    KEY_FIELD_NUMBER: _ClassVar[int]
    BALLOT_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    key: str
    ballot: int
    fence: _topology_pb2.Fence
    def __init__(self, key: _Optional[str] = ..., ballot: _Optional[int] = ..., fence: _Optional[_Union[_topology_pb2.Fence, _Mapping]] = ...) -> None: ...

class ReleaseResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListPromisesRequest(_message.Message):
    __slots__ = ("spans", "fence")
    SPANS_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    spans: _containers.RepeatedCompositeFieldContainer[Span]
    fence: _topology_pb2.Fence
    def __init__(self, spans: _Optional[_Iterable[_Union[Span, _Mapping]]] = ..., fence: _Optional[_Union[_topology_pb2.Fence, _Mapping]] = ...) -> None: ...

class ListPromisesResponse(_message.Message):
    __slots__ = ("promises", "newer")
    PROMISES_FIELD_NUMBER: _ClassVar[int]
    NEWER_FIELD_NUMBER: _ClassVar[int]
    promises: _containers.RepeatedCompositeFieldContainer[KeyPromises]
    newer: _topology_pb2.Topology
    def __init__(self, promises: _Optional[_Iterable[_Union[KeyPromises, _Mapping]]] = ..., newer: _Optional[_Union[_topology_pb2.Topology, _Mapping]] = ...) -> None: ...

class KeyPromises(_message.Message):
    __slots__ = ("key", "ballots")
    KEY_FIELD_NUMBER: _ClassVar[int]
    BALLOTS_FIELD_NUMBER: _ClassVar[int]
    key: str
    ballots: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, key: _Optional[str] = ..., ballots: _Optional[_Iterable[int]] = ...) -> None: ...
