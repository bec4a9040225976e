from google.api import annotations_pb2 as _annotations_pb2
from google.rpc import status_pb2 as _status_pb2
from limedbpb.v1 import cluster_pb2 as _cluster_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("node_url", "cluster_id", "epoch", "phase", "replication_factor", "members", "others", "change", "problems", "founded_ms")
    NODE_URL_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    REPLICATION_FACTOR_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    OTHERS_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    FOUNDED_MS_FIELD_NUMBER: _ClassVar[int]
    node_url: str
    cluster_id: str
    epoch: int
    phase: str
    replication_factor: int
    members: _containers.RepeatedCompositeFieldContainer[_cluster_pb2.ClusterNode]
    others: _containers.RepeatedCompositeFieldContainer[_cluster_pb2.ClusterNode]
    change: _cluster_pb2.Change
    problems: _containers.RepeatedScalarFieldContainer[str]
    founded_ms: int
    def __init__(self, node_url: _Optional[str] = ..., cluster_id: _Optional[str] = ..., epoch: _Optional[int] = ..., phase: _Optional[str] = ..., replication_factor: _Optional[int] = ..., members: _Optional[_Iterable[_Union[_cluster_pb2.ClusterNode, _Mapping]]] = ..., others: _Optional[_Iterable[_Union[_cluster_pb2.ClusterNode, _Mapping]]] = ..., change: _Optional[_Union[_cluster_pb2.Change, _Mapping]] = ..., problems: _Optional[_Iterable[str]] = ..., founded_ms: _Optional[int] = ...) -> None: ...

class ChangePlan(_message.Message):
    __slots__ = ("what", "epoch", "moves", "streamed")
    WHAT_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    MOVES_FIELD_NUMBER: _ClassVar[int]
    STREAMED_FIELD_NUMBER: _ClassVar[int]
    what: str
    epoch: int
    moves: _containers.RepeatedCompositeFieldContainer[ChangeMove]
    streamed: float
    def __init__(self, what: _Optional[str] = ..., epoch: _Optional[int] = ..., moves: _Optional[_Iterable[_Union[ChangeMove, _Mapping]]] = ..., streamed: _Optional[float] = ...) -> None: ...

class ChangeMove(_message.Message):
    __slots__ = ("url", "share_before", "share_after")
    URL_FIELD_NUMBER: _ClassVar[int]
    SHARE_BEFORE_FIELD_NUMBER: _ClassVar[int]
    SHARE_AFTER_FIELD_NUMBER: _ClassVar[int]
    url: str
    share_before: float
    share_after: float
    def __init__(self, url: _Optional[str] = ..., share_before: _Optional[float] = ..., share_after: _Optional[float] = ...) -> None: ...

class PlanJoinRequest(_message.Message):
    __slots__ = ("url", "zone", "virtual_nodes")
    URL_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    VIRTUAL_NODES_FIELD_NUMBER: _ClassVar[int]
    url: str
    zone: str
    virtual_nodes: int
    def __init__(self, url: _Optional[str] = ..., zone: _Optional[str] = ..., virtual_nodes: _Optional[int] = ...) -> None: ...

class PlanJoinResponse(_message.Message):
    __slots__ = ("plan",)
    PLAN_FIELD_NUMBER: _ClassVar[int]
    plan: ChangePlan
    def __init__(self, plan: _Optional[_Union[ChangePlan, _Mapping]] = ...) -> None: ...

class DecommissionRequest(_message.Message):
    __slots__ = ("url", "dry_run")
    URL_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    url: str
    dry_run: bool
    def __init__(self, url: _Optional[str] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class DecommissionResponse(_message.Message):
    __slots__ = ("plan",)
    PLAN_FIELD_NUMBER: _ClassVar[int]
    plan: ChangePlan
    def __init__(self, plan: _Optional[_Union[ChangePlan, _Mapping]] = ...) -> None: ...

class RemoveRequest(_message.Message):
    __slots__ = ("url", "dry_run")
    URL_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    url: str
    dry_run: bool
    def __init__(self, url: _Optional[str] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class RemoveResponse(_message.Message):
    __slots__ = ("plan",)
    PLAN_FIELD_NUMBER: _ClassVar[int]
    plan: ChangePlan
    def __init__(self, plan: _Optional[_Union[ChangePlan, _Mapping]] = ...) -> None: ...

class CancelRequest(_message.Message):
    __slots__ = ("dry_run",)
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    dry_run: bool
    def __init__(self, dry_run: _Optional[bool] = ...) -> None: ...

class CancelResponse(_message.Message):
    __slots__ = ("plan",)
    PLAN_FIELD_NUMBER: _ClassVar[int]
    plan: ChangePlan
    def __init__(self, plan: _Optional[_Union[ChangePlan, _Mapping]] = ...) -> None: ...

class RepairRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RepairResponse(_message.Message):
    __slots__ = ("spans", "spans_done", "pulled", "pushed", "missing", "finished", "error")
    class MissingEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SPANS_FIELD_NUMBER: _ClassVar[int]
    SPANS_DONE_FIELD_NUMBER: _ClassVar[int]
    PULLED_FIELD_NUMBER: _ClassVar[int]
    PUSHED_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    spans: int
    spans_done: int
    pulled: int
    pushed: int
    missing: _containers.ScalarMap[str, str]
    finished: bool
    error: _status_pb2.Status
    def __init__(self, spans: _Optional[int] = ..., spans_done: _Optional[int] = ..., pulled: _Optional[int] = ..., pushed: _Optional[int] = ..., missing: _Optional[_Mapping[str, str]] = ..., finished: _Optional[bool] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class ScrubRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ScrubResponse(_message.Message):
    __slots__ = ("records", "size", "total", "damaged", "mended", "index_mended", "waiting", "lost", "finished", "error")
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    DAMAGED_FIELD_NUMBER: _ClassVar[int]
    MENDED_FIELD_NUMBER: _ClassVar[int]
    INDEX_MENDED_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    records: int
    size: int
    total: int
    damaged: int
    mended: int
    index_mended: int
    waiting: int
    lost: int
    finished: bool
    error: _status_pb2.Status
    def __init__(self, records: _Optional[int] = ..., size: _Optional[int] = ..., total: _Optional[int] = ..., damaged: _Optional[int] = ..., mended: _Optional[int] = ..., index_mended: _Optional[int] = ..., waiting: _Optional[int] = ..., lost: _Optional[int] = ..., finished: _Optional[bool] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...
