import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from limedbpb.v1 import gossip_pb2 as _gossip_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetStateRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStateResponse(_message.Message):
    __slots__ = ("node_url", "peers", "total_nodes", "status", "active_nodes", "zone", "version", "cluster_id", "epoch", "phase", "replication_factor", "node_id", "problem", "members", "warnings", "watch_wait_ms", "takes_conditions")
    NODE_URL_FIELD_NUMBER: _ClassVar[int]
    PEERS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_NODES_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_NODES_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    REPLICATION_FACTOR_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    WATCH_WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    TAKES_CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    node_url: str
    peers: _containers.RepeatedScalarFieldContainer[str]
    total_nodes: int
    status: str
    active_nodes: int
    zone: str
    version: str
    cluster_id: str
    epoch: int
    phase: str
    replication_factor: int
    node_id: str
    problem: str
    members: _containers.RepeatedCompositeFieldContainer[ClusterNode]
    warnings: _containers.RepeatedScalarFieldContainer[str]
    watch_wait_ms: int
    takes_conditions: bool
    def __init__(self, node_url: _Optional[str] = ..., peers: _Optional[_Iterable[str]] = ..., total_nodes: _Optional[int] = ..., status: _Optional[str] = ..., active_nodes: _Optional[int] = ..., zone: _Optional[str] = ..., version: _Optional[str] = ..., cluster_id: _Optional[str] = ..., epoch: _Optional[int] = ..., phase: _Optional[str] = ..., replication_factor: _Optional[int] = ..., node_id: _Optional[str] = ..., problem: _Optional[str] = ..., members: _Optional[_Iterable[_Union[ClusterNode, _Mapping]]] = ..., warnings: _Optional[_Iterable[str]] = ..., watch_wait_ms: _Optional[int] = ..., takes_conditions: _Optional[bool] = ...) -> None: ...

class ClusterNode(_message.Message):
    __slots__ = ("url", "node_id", "zone", "version", "standing", "status", "lag", "keys", "clock_offset_ms", "share", "virtual_nodes", "generation", "heartbeat", "epoch", "hint_bytes", "load", "reachable", "address")
    URL_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STANDING_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    LAG_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    CLOCK_OFFSET_MS_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    VIRTUAL_NODES_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    HINT_BYTES_FIELD_NUMBER: _ClassVar[int]
    LOAD_FIELD_NUMBER: _ClassVar[int]
    REACHABLE_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    url: str
    node_id: str
    zone: str
    version: str
    standing: str
    status: str
    lag: float
    keys: int
    clock_offset_ms: int
    share: float
    virtual_nodes: int
    generation: int
    heartbeat: int
    epoch: int
    hint_bytes: int
    load: _gossip_pb2.NodeLoad
    reachable: bool
    address: str
    def __init__(self, url: _Optional[str] = ..., node_id: _Optional[str] = ..., zone: _Optional[str] = ..., version: _Optional[str] = ..., standing: _Optional[str] = ..., status: _Optional[str] = ..., lag: _Optional[float] = ..., keys: _Optional[int] = ..., clock_offset_ms: _Optional[int] = ..., share: _Optional[float] = ..., virtual_nodes: _Optional[int] = ..., generation: _Optional[int] = ..., heartbeat: _Optional[int] = ..., epoch: _Optional[int] = ..., hint_bytes: _Optional[int] = ..., load: _Optional[_Union[_gossip_pb2.NodeLoad, _Mapping]] = ..., reachable: _Optional[bool] = ..., address: _Optional[str] = ...) -> None: ...

class LocateKeyRequest(_message.Message):
    __slots__ = ("key",)
    KEY_FIELD_NUMBER: _ClassVar[int]
    key: str
    def __init__(self, key: _Optional[str] = ...) -> None: ...

class LocateKeyResponse(_message.Message):
    __slots__ = ("key", "token", "epoch", "owners")
    KEY_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    OWNERS_FIELD_NUMBER: _ClassVar[int]
    key: str
    token: int
    epoch: int
    owners: _containers.RepeatedCompositeFieldContainer[KeyOwner]
    def __init__(self, key: _Optional[str] = ..., token: _Optional[int] = ..., epoch: _Optional[int] = ..., owners: _Optional[_Iterable[_Union[KeyOwner, _Mapping]]] = ...) -> None: ...

class KeyOwner(_message.Message):
    __slots__ = ("url", "zone", "role", "status", "reachable", "has_record", "version", "size", "tombstone", "expires_at_ms", "error")
    URL_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REACHABLE_FIELD_NUMBER: _ClassVar[int]
    HAS_RECORD_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    TOMBSTONE_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    url: str
    zone: str
    role: str
    status: str
    reachable: bool
    has_record: bool
    version: int
    size: int
    tombstone: bool
    expires_at_ms: int
    error: str
    def __init__(self, url: _Optional[str] = ..., zone: _Optional[str] = ..., role: _Optional[str] = ..., status: _Optional[str] = ..., reachable: _Optional[bool] = ..., has_record: _Optional[bool] = ..., version: _Optional[int] = ..., size: _Optional[int] = ..., tombstone: _Optional[bool] = ..., expires_at_ms: _Optional[int] = ..., error: _Optional[str] = ...) -> None: ...

class WatchClusterRequest(_message.Message):
    __slots__ = ("interval_ms",)
    INTERVAL_MS_FIELD_NUMBER: _ClassVar[int]
    interval_ms: int
    def __init__(self, interval_ms: _Optional[int] = ...) -> None: ...

class WatchClusterResponse(_message.Message):
    __slots__ = ("node_url", "timestamp", "status", "problem", "cluster_id", "epoch", "phase", "replication_factor", "nodes", "change", "rates", "repair", "warnings", "error")
    NODE_URL_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    REPLICATION_FACTOR_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    RATES_FIELD_NUMBER: _ClassVar[int]
    REPAIR_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    node_url: str
    timestamp: _timestamp_pb2.Timestamp
    status: str
    problem: str
    cluster_id: str
    epoch: int
    phase: str
    replication_factor: int
    nodes: _containers.RepeatedCompositeFieldContainer[ClusterNode]
    change: Change
    rates: RequestRates
    repair: RepairFigures
    warnings: _containers.RepeatedScalarFieldContainer[str]
    error: _status_pb2.Status
    def __init__(self, node_url: _Optional[str] = ..., timestamp: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., status: _Optional[str] = ..., problem: _Optional[str] = ..., cluster_id: _Optional[str] = ..., epoch: _Optional[int] = ..., phase: _Optional[str] = ..., replication_factor: _Optional[int] = ..., nodes: _Optional[_Iterable[_Union[ClusterNode, _Mapping]]] = ..., change: _Optional[_Union[Change, _Mapping]] = ..., rates: _Optional[_Union[RequestRates, _Mapping]] = ..., repair: _Optional[_Union[RepairFigures, _Mapping]] = ..., warnings: _Optional[_Iterable[str]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class Change(_message.Message):
    __slots__ = ("what", "epoch", "phase", "progress")
    WHAT_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    what: str
    epoch: int
    phase: str
    progress: _containers.RepeatedCompositeFieldContainer[ChangeProgress]
    def __init__(self, what: _Optional[str] = ..., epoch: _Optional[int] = ..., phase: _Optional[str] = ..., progress: _Optional[_Iterable[_Union[ChangeProgress, _Mapping]]] = ...) -> None: ...

class ChangeProgress(_message.Message):
    __slots__ = ("url", "spans", "spans_done", "keys", "keys_per_second", "waiting_for", "is_done")
    URL_FIELD_NUMBER: _ClassVar[int]
    SPANS_FIELD_NUMBER: _ClassVar[int]
    SPANS_DONE_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    KEYS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    WAITING_FOR_FIELD_NUMBER: _ClassVar[int]
    IS_DONE_FIELD_NUMBER: _ClassVar[int]
    url: str
    spans: int
    spans_done: int
    keys: int
    keys_per_second: float
    waiting_for: str
    is_done: bool
    def __init__(self, url: _Optional[str] = ..., spans: _Optional[int] = ..., spans_done: _Optional[int] = ..., keys: _Optional[int] = ..., keys_per_second: _Optional[float] = ..., waiting_for: _Optional[str] = ..., is_done: _Optional[bool] = ...) -> None: ...

class RequestRates(_message.Message):
    __slots__ = ("total_requests", "requests_per_second", "gets_per_second", "sets_per_second", "dels_per_second", "average_latency_ms", "error_rate")
    TOTAL_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    GETS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    SETS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    DELS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    AVERAGE_LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    ERROR_RATE_FIELD_NUMBER: _ClassVar[int]
    total_requests: int
    requests_per_second: float
    gets_per_second: float
    sets_per_second: float
    dels_per_second: float
    average_latency_ms: float
    error_rate: float
    def __init__(self, total_requests: _Optional[int] = ..., requests_per_second: _Optional[float] = ..., gets_per_second: _Optional[float] = ..., sets_per_second: _Optional[float] = ..., dels_per_second: _Optional[float] = ..., average_latency_ms: _Optional[float] = ..., error_rate: _Optional[float] = ...) -> None: ...

class RepairFigures(_message.Message):
    __slots__ = ("passes", "compared", "differing", "pulled", "pushed", "purged", "dropped", "skipped", "damaged", "mended", "lost", "index_mended", "scrubbed", "scrubbed_at_ms", "conflicts")
    PASSES_FIELD_NUMBER: _ClassVar[int]
    COMPARED_FIELD_NUMBER: _ClassVar[int]
    DIFFERING_FIELD_NUMBER: _ClassVar[int]
    PULLED_FIELD_NUMBER: _ClassVar[int]
    PUSHED_FIELD_NUMBER: _ClassVar[int]
    PURGED_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    DAMAGED_FIELD_NUMBER: _ClassVar[int]
    MENDED_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    INDEX_MENDED_FIELD_NUMBER: _ClassVar[int]
    SCRUBBED_FIELD_NUMBER: _ClassVar[int]
    SCRUBBED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    CONFLICTS_FIELD_NUMBER: _ClassVar[int]
    passes: int
    compared: int
    differing: int
    pulled: int
    pushed: int
    purged: int
    dropped: int
    skipped: int
    damaged: int
    mended: int
    lost: int
    index_mended: int
    scrubbed: int
    scrubbed_at_ms: int
    conflicts: int
    def __init__(self, passes: _Optional[int] = ..., compared: _Optional[int] = ..., differing: _Optional[int] = ..., pulled: _Optional[int] = ..., pushed: _Optional[int] = ..., purged: _Optional[int] = ..., dropped: _Optional[int] = ..., skipped: _Optional[int] = ..., damaged: _Optional[int] = ..., mended: _Optional[int] = ..., lost: _Optional[int] = ..., index_mended: _Optional[int] = ..., scrubbed: _Optional[int] = ..., scrubbed_at_ms: _Optional[int] = ..., conflicts: _Optional[int] = ...) -> None: ...

class GetRingRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetRingResponse(_message.Message):
    __slots__ = ("total_nodes", "virtual_nodes", "virtual_nodes_per_node", "virtual_node_distribution", "current_node", "all_nodes", "ranges", "ranges_degrees")
    class VirtualNodeDistributionEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class RangesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _struct_pb2.ListValue
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_struct_pb2.ListValue, _Mapping]] = ...) -> None: ...
    class RangesDegreesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _struct_pb2.ListValue
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_struct_pb2.ListValue, _Mapping]] = ...) -> None: ...
    TOTAL_NODES_FIELD_NUMBER: _ClassVar[int]
    VIRTUAL_NODES_FIELD_NUMBER: _ClassVar[int]
    VIRTUAL_NODES_PER_NODE_FIELD_NUMBER: _ClassVar[int]
    VIRTUAL_NODE_DISTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    CURRENT_NODE_FIELD_NUMBER: _ClassVar[int]
    ALL_NODES_FIELD_NUMBER: _ClassVar[int]
    RANGES_FIELD_NUMBER: _ClassVar[int]
    RANGES_DEGREES_FIELD_NUMBER: _ClassVar[int]
    total_nodes: int
    virtual_nodes: int
    virtual_nodes_per_node: int
    virtual_node_distribution: _containers.ScalarMap[str, int]
    current_node: str
    all_nodes: _containers.RepeatedScalarFieldContainer[str]
    ranges: _containers.MessageMap[str, _struct_pb2.ListValue]
    ranges_degrees: _containers.MessageMap[str, _struct_pb2.ListValue]
    def __init__(self, total_nodes: _Optional[int] = ..., virtual_nodes: _Optional[int] = ..., virtual_nodes_per_node: _Optional[int] = ..., virtual_node_distribution: _Optional[_Mapping[str, int]] = ..., current_node: _Optional[str] = ..., all_nodes: _Optional[_Iterable[str]] = ..., ranges: _Optional[_Mapping[str, _struct_pb2.ListValue]] = ..., ranges_degrees: _Optional[_Mapping[str, _struct_pb2.ListValue]] = ...) -> None: ...

class GetGossipRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetGossipResponse(_message.Message):
    __slots__ = ("node_url", "generation", "node_heartbeat", "cluster_health", "total_peers", "active_peers", "stale_peers", "dead_peers", "convergence_rate", "average_lag", "max_lag", "peer_details", "timestamp")
    NODE_URL_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    NODE_HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_HEALTH_FIELD_NUMBER: _ClassVar[int]
    TOTAL_PEERS_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_PEERS_FIELD_NUMBER: _ClassVar[int]
    STALE_PEERS_FIELD_NUMBER: _ClassVar[int]
    DEAD_PEERS_FIELD_NUMBER: _ClassVar[int]
    CONVERGENCE_RATE_FIELD_NUMBER: _ClassVar[int]
    AVERAGE_LAG_FIELD_NUMBER: _ClassVar[int]
    MAX_LAG_FIELD_NUMBER: _ClassVar[int]
    PEER_DETAILS_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    node_url: str
    generation: int
    node_heartbeat: int
    cluster_health: str
    total_peers: int
    active_peers: int
    stale_peers: int
    dead_peers: int
    convergence_rate: float
    average_lag: float
    max_lag: float
    peer_details: _containers.RepeatedCompositeFieldContainer[PeerDetail]
    timestamp: _timestamp_pb2.Timestamp
    def __init__(self, node_url: _Optional[str] = ..., generation: _Optional[int] = ..., node_heartbeat: _Optional[int] = ..., cluster_health: _Optional[str] = ..., total_peers: _Optional[int] = ..., active_peers: _Optional[int] = ..., stale_peers: _Optional[int] = ..., dead_peers: _Optional[int] = ..., convergence_rate: _Optional[float] = ..., average_lag: _Optional[float] = ..., max_lag: _Optional[float] = ..., peer_details: _Optional[_Iterable[_Union[PeerDetail, _Mapping]]] = ..., timestamp: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class PeerDetail(_message.Message):
    __slots__ = ("url", "generation", "heartbeat", "lag", "status")
    URL_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    LAG_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    url: str
    generation: int
    heartbeat: int
    lag: float
    status: str
    def __init__(self, url: _Optional[str] = ..., generation: _Optional[int] = ..., heartbeat: _Optional[int] = ..., lag: _Optional[float] = ..., status: _Optional[str] = ...) -> None: ...

class GetHistoryRequest(_message.Message):
    __slots__ = ("range_seconds", "step_seconds", "nodes")
    RANGE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    STEP_SECONDS_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    range_seconds: int
    step_seconds: int
    nodes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, range_seconds: _Optional[int] = ..., step_seconds: _Optional[int] = ..., nodes: _Optional[_Iterable[str]] = ...) -> None: ...

class GetHistoryResponse(_message.Message):
    __slots__ = ("node_url", "step_seconds", "nodes", "events")
    NODE_URL_FIELD_NUMBER: _ClassVar[int]
    STEP_SECONDS_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    node_url: str
    step_seconds: int
    nodes: _containers.RepeatedCompositeFieldContainer[NodeHistory]
    events: _containers.RepeatedCompositeFieldContainer[ClusterEvent]
    def __init__(self, node_url: _Optional[str] = ..., step_seconds: _Optional[int] = ..., nodes: _Optional[_Iterable[_Union[NodeHistory, _Mapping]]] = ..., events: _Optional[_Iterable[_Union[ClusterEvent, _Mapping]]] = ...) -> None: ...

class NodeHistory(_message.Message):
    __slots__ = ("url", "error", "since_ms", "points")
    URL_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    url: str
    error: str
    since_ms: int
    points: _containers.RepeatedCompositeFieldContainer[HistoryPoint]
    def __init__(self, url: _Optional[str] = ..., error: _Optional[str] = ..., since_ms: _Optional[int] = ..., points: _Optional[_Iterable[_Union[HistoryPoint, _Mapping]]] = ...) -> None: ...

class HistoryPoint(_message.Message):
    __slots__ = ("at_ms", "requests_per_second", "gets_per_second", "sets_per_second", "dels_per_second", "error_rate", "cpu_percent", "memory_bytes", "disk_bytes", "keys", "loop_lag_ms", "operations")
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    GETS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    SETS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    DELS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    ERROR_RATE_FIELD_NUMBER: _ClassVar[int]
    CPU_PERCENT_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    DISK_BYTES_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    LOOP_LAG_MS_FIELD_NUMBER: _ClassVar[int]
    OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    at_ms: int
    requests_per_second: float
    gets_per_second: float
    sets_per_second: float
    dels_per_second: float
    error_rate: float
    cpu_percent: float
    memory_bytes: int
    disk_bytes: int
    keys: int
    loop_lag_ms: float
    operations: _containers.RepeatedCompositeFieldContainer[OperationLatency]
    def __init__(self, at_ms: _Optional[int] = ..., requests_per_second: _Optional[float] = ..., gets_per_second: _Optional[float] = ..., sets_per_second: _Optional[float] = ..., dels_per_second: _Optional[float] = ..., error_rate: _Optional[float] = ..., cpu_percent: _Optional[float] = ..., memory_bytes: _Optional[int] = ..., disk_bytes: _Optional[int] = ..., keys: _Optional[int] = ..., loop_lag_ms: _Optional[float] = ..., operations: _Optional[_Iterable[_Union[OperationLatency, _Mapping]]] = ...) -> None: ...

class OperationLatency(_message.Message):
    __slots__ = ("operation", "requests_per_second", "p50_ms", "p95_ms", "p99_ms")
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    P50_MS_FIELD_NUMBER: _ClassVar[int]
    P95_MS_FIELD_NUMBER: _ClassVar[int]
    P99_MS_FIELD_NUMBER: _ClassVar[int]
    operation: str
    requests_per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    def __init__(self, operation: _Optional[str] = ..., requests_per_second: _Optional[float] = ..., p50_ms: _Optional[float] = ..., p95_ms: _Optional[float] = ..., p99_ms: _Optional[float] = ...) -> None: ...

class ClusterEvent(_message.Message):
    __slots__ = ("at_ms", "kind", "node_url", "text", "seen_by")
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    NODE_URL_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SEEN_BY_FIELD_NUMBER: _ClassVar[int]
    at_ms: int
    kind: str
    node_url: str
    text: str
    seen_by: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, at_ms: _Optional[int] = ..., kind: _Optional[str] = ..., node_url: _Optional[str] = ..., text: _Optional[str] = ..., seen_by: _Optional[_Iterable[str]] = ...) -> None: ...

class GetHealthRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetHealthResponse(_message.Message):
    __slots__ = ("status", "service", "version", "node_url", "timestamp", "uptime_seconds", "memory_allocated_mb", "cpu_percent", "total_requests", "requests_per_second", "gets_per_second", "sets_per_second", "dels_per_second", "average_latency_ms", "error_rate", "storage", "problem", "warnings")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    NODE_URL_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    UPTIME_SECONDS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_ALLOCATED_MB_FIELD_NUMBER: _ClassVar[int]
    CPU_PERCENT_FIELD_NUMBER: _ClassVar[int]
    TOTAL_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    GETS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    SETS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    DELS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    AVERAGE_LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    ERROR_RATE_FIELD_NUMBER: _ClassVar[int]
    STORAGE_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    status: str
    service: str
    version: str
    node_url: str
    timestamp: _timestamp_pb2.Timestamp
    uptime_seconds: float
    memory_allocated_mb: float
    cpu_percent: float
    total_requests: int
    requests_per_second: float
    gets_per_second: float
    sets_per_second: float
    dels_per_second: float
    average_latency_ms: float
    error_rate: float
    storage: Storage
    problem: str
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, status: _Optional[str] = ..., service: _Optional[str] = ..., version: _Optional[str] = ..., node_url: _Optional[str] = ..., timestamp: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., uptime_seconds: _Optional[float] = ..., memory_allocated_mb: _Optional[float] = ..., cpu_percent: _Optional[float] = ..., total_requests: _Optional[int] = ..., requests_per_second: _Optional[float] = ..., gets_per_second: _Optional[float] = ..., sets_per_second: _Optional[float] = ..., dels_per_second: _Optional[float] = ..., average_latency_ms: _Optional[float] = ..., error_rate: _Optional[float] = ..., storage: _Optional[_Union[Storage, _Mapping]] = ..., problem: _Optional[str] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class Storage(_message.Message):
    __slots__ = ("type", "keys", "bytes", "path", "durability")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    type: str
    keys: int
    bytes: int
    path: str
    durability: str
    def __init__(self, type: _Optional[str] = ..., keys: _Optional[int] = ..., bytes: _Optional[int] = ..., path: _Optional[str] = ..., durability: _Optional[str] = ...) -> None: ...
