from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Gossip(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GOSSIP_UNSPECIFIED: _ClassVar[Gossip]
    GOSSIP_SYN: _ClassVar[Gossip]
    GOSSIP_ACK2: _ClassVar[Gossip]
GOSSIP_UNSPECIFIED: Gossip
GOSSIP_SYN: Gossip
GOSSIP_ACK2: Gossip

class ExchangeRequest(_message.Message):
    __slots__ = ("type", "payload")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    type: Gossip
    payload: GossipPayload
    def __init__(self, type: _Optional[_Union[Gossip, str]] = ..., payload: _Optional[_Union[GossipPayload, _Mapping]] = ...) -> None: ...

class GossipPayload(_message.Message):
    __slots__ = ("digests", "digests_update")
    DIGESTS_FIELD_NUMBER: _ClassVar[int]
    DIGESTS_UPDATE_FIELD_NUMBER: _ClassVar[int]
    digests: _containers.RepeatedCompositeFieldContainer[Digest]
    digests_update: _containers.RepeatedCompositeFieldContainer[NodeState]
    def __init__(self, digests: _Optional[_Iterable[_Union[Digest, _Mapping]]] = ..., digests_update: _Optional[_Iterable[_Union[NodeState, _Mapping]]] = ...) -> None: ...

class ExchangeResponse(_message.Message):
    __slots__ = ("digests_update", "digests_request", "now_ms", "time_ms", "node_url")
    DIGESTS_UPDATE_FIELD_NUMBER: _ClassVar[int]
    DIGESTS_REQUEST_FIELD_NUMBER: _ClassVar[int]
    NOW_MS_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    NODE_URL_FIELD_NUMBER: _ClassVar[int]
    digests_update: _containers.RepeatedCompositeFieldContainer[NodeState]
    digests_request: _containers.RepeatedCompositeFieldContainer[Digest]
    now_ms: int
    time_ms: int
    node_url: str
    def __init__(self, digests_update: _Optional[_Iterable[_Union[NodeState, _Mapping]]] = ..., digests_request: _Optional[_Iterable[_Union[Digest, _Mapping]]] = ..., now_ms: _Optional[int] = ..., time_ms: _Optional[int] = ..., node_url: _Optional[str] = ...) -> None: ...

class Digest(_message.Message):
    __slots__ = ("node_url", "generation", "heartbeat")
    NODE_URL_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    node_url: str
    generation: int
    heartbeat: int
    def __init__(self, node_url: _Optional[str] = ..., generation: _Optional[int] = ..., heartbeat: _Optional[int] = ...) -> None: ...

class NodeState(_message.Message):
    __slots__ = ("node_url", "generation", "heartbeat", "address", "zone", "version", "keys", "node_id", "cluster_id", "epoch", "virtual_nodes", "has_data", "has_left", "replication_factor", "load", "rejoins")
    NODE_URL_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    VIRTUAL_NODES_FIELD_NUMBER: _ClassVar[int]
    HAS_DATA_FIELD_NUMBER: _ClassVar[int]
    HAS_LEFT_FIELD_NUMBER: _ClassVar[int]
    REPLICATION_FACTOR_FIELD_NUMBER: _ClassVar[int]
    LOAD_FIELD_NUMBER: _ClassVar[int]
    REJOINS_FIELD_NUMBER: _ClassVar[int]
    node_url: str
    generation: int
    heartbeat: int
    address: str
    zone: str
    version: str
    keys: int
    node_id: str
    cluster_id: int
    epoch: int
    virtual_nodes: int
    has_data: bool
    has_left: bool
    replication_factor: int
    load: NodeLoad
    rejoins: int
    def __init__(self, node_url: _Optional[str] = ..., generation: _Optional[int] = ..., heartbeat: _Optional[int] = ..., address: _Optional[str] = ..., zone: _Optional[str] = ..., version: _Optional[str] = ..., keys: _Optional[int] = ..., node_id: _Optional[str] = ..., cluster_id: _Optional[int] = ..., epoch: _Optional[int] = ..., virtual_nodes: _Optional[int] = ..., has_data: _Optional[bool] = ..., has_left: _Optional[bool] = ..., replication_factor: _Optional[int] = ..., load: _Optional[_Union[NodeLoad, _Mapping]] = ..., rejoins: _Optional[int] = ...) -> None: ...

class NodeLoad(_message.Message):
    __slots__ = ("disk_bytes", "memory_bytes", "cpu_percent", "requests_per_second", "gets_per_second", "sets_per_second", "dels_per_second", "average_latency_ms", "error_rate")
    DISK_BYTES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    CPU_PERCENT_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    GETS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    SETS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    DELS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    AVERAGE_LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    ERROR_RATE_FIELD_NUMBER: _ClassVar[int]
    disk_bytes: int
    memory_bytes: int
    cpu_percent: float
    requests_per_second: float
    gets_per_second: float
    sets_per_second: float
    dels_per_second: float
    average_latency_ms: float
    error_rate: float
    def __init__(self, disk_bytes: _Optional[int] = ..., memory_bytes: _Optional[int] = ..., cpu_percent: _Optional[float] = ..., requests_per_second: _Optional[float] = ..., gets_per_second: _Optional[float] = ..., sets_per_second: _Optional[float] = ..., dels_per_second: _Optional[float] = ..., average_latency_ms: _Optional[float] = ..., error_rate: _Optional[float] = ...) -> None: ...
