import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
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
    __slots__ = ("node_url", "peers", "total_nodes", "status", "active_nodes", "zone", "version")
    NODE_URL_FIELD_NUMBER: _ClassVar[int]
    PEERS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_NODES_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_NODES_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    node_url: str
    peers: _containers.RepeatedScalarFieldContainer[str]
    total_nodes: int
    status: str
    active_nodes: int
    zone: str
    version: str
    def __init__(self, node_url: _Optional[str] = ..., peers: _Optional[_Iterable[str]] = ..., total_nodes: _Optional[int] = ..., status: _Optional[str] = ..., active_nodes: _Optional[int] = ..., zone: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

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

class GetHealthRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetHealthResponse(_message.Message):
    __slots__ = ("status", "service", "version", "node_url", "timestamp", "uptime_seconds", "memory_allocated_mb", "cpu_percent", "total_requests", "requests_per_second", "gets_per_second", "sets_per_second", "dels_per_second", "average_latency_ms", "error_rate", "storage")
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
    def __init__(self, status: _Optional[str] = ..., service: _Optional[str] = ..., version: _Optional[str] = ..., node_url: _Optional[str] = ..., timestamp: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., uptime_seconds: _Optional[float] = ..., memory_allocated_mb: _Optional[float] = ..., cpu_percent: _Optional[float] = ..., total_requests: _Optional[int] = ..., requests_per_second: _Optional[float] = ..., gets_per_second: _Optional[float] = ..., sets_per_second: _Optional[float] = ..., dels_per_second: _Optional[float] = ..., average_latency_ms: _Optional[float] = ..., error_rate: _Optional[float] = ..., storage: _Optional[_Union[Storage, _Mapping]] = ...) -> None: ...

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
