from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Phase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PHASE_UNSPECIFIED: _ClassVar[Phase]
    PHASE_STEADY: _ClassVar[Phase]
    PHASE_STREAMING: _ClassVar[Phase]
    PHASE_HANDOVER: _ClassVar[Phase]

class Standing(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STANDING_UNSPECIFIED: _ClassVar[Standing]
    STANDING_JOINING: _ClassVar[Standing]
    STANDING_NORMAL: _ClassVar[Standing]
    STANDING_LEAVING: _ClassVar[Standing]
    STANDING_REMOVING: _ClassVar[Standing]
PHASE_UNSPECIFIED: Phase
PHASE_STEADY: Phase
PHASE_STREAMING: Phase
PHASE_HANDOVER: Phase
STANDING_UNSPECIFIED: Standing
STANDING_JOINING: Standing
STANDING_NORMAL: Standing
STANDING_LEAVING: Standing
STANDING_REMOVING: Standing

class Topology(_message.Message):
    __slots__ = ("cluster_id", "epoch", "replication_factor", "members", "phase", "gives_way")
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    REPLICATION_FACTOR_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    GIVES_WAY_FIELD_NUMBER: _ClassVar[int]
    cluster_id: int
    epoch: int
    replication_factor: int
    members: _containers.RepeatedCompositeFieldContainer[Member]
    phase: Phase
    gives_way: bool
    def __init__(self, cluster_id: _Optional[int] = ..., epoch: _Optional[int] = ..., replication_factor: _Optional[int] = ..., members: _Optional[_Iterable[_Union[Member, _Mapping]]] = ..., phase: _Optional[_Union[Phase, str]] = ..., gives_way: _Optional[bool] = ...) -> None: ...

class Member(_message.Message):
    __slots__ = ("node_id", "url", "zone", "virtual_nodes", "standing")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    VIRTUAL_NODES_FIELD_NUMBER: _ClassVar[int]
    STANDING_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    url: str
    zone: str
    virtual_nodes: int
    standing: Standing
    def __init__(self, node_id: _Optional[str] = ..., url: _Optional[str] = ..., zone: _Optional[str] = ..., virtual_nodes: _Optional[int] = ..., standing: _Optional[_Union[Standing, str]] = ...) -> None: ...

class Fence(_message.Message):
    __slots__ = ("cluster_id", "epoch")
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    cluster_id: int
    epoch: int
    def __init__(self, cluster_id: _Optional[int] = ..., epoch: _Optional[int] = ...) -> None: ...

class Ballot(_message.Message):
    __slots__ = ("round", "proposer")
    ROUND_FIELD_NUMBER: _ClassVar[int]
    PROPOSER_FIELD_NUMBER: _ClassVar[int]
    round: int
    proposer: str
    def __init__(self, round: _Optional[int] = ..., proposer: _Optional[str] = ...) -> None: ...

class Acceptor(_message.Message):
    __slots__ = ("promised", "accepted", "value")
    PROMISED_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    promised: Ballot
    accepted: Ballot
    value: Topology
    def __init__(self, promised: _Optional[_Union[Ballot, _Mapping]] = ..., accepted: _Optional[_Union[Ballot, _Mapping]] = ..., value: _Optional[_Union[Topology, _Mapping]] = ...) -> None: ...

class PrepareRequest(_message.Message):
    __slots__ = ("before", "ballot")
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    BALLOT_FIELD_NUMBER: _ClassVar[int]
    before: Topology
    ballot: Ballot
    def __init__(self, before: _Optional[_Union[Topology, _Mapping]] = ..., ballot: _Optional[_Union[Ballot, _Mapping]] = ...) -> None: ...

class PrepareResponse(_message.Message):
    __slots__ = ("acceptor", "newer")
    ACCEPTOR_FIELD_NUMBER: _ClassVar[int]
    NEWER_FIELD_NUMBER: _ClassVar[int]
    acceptor: Acceptor
    newer: Topology
    def __init__(self, acceptor: _Optional[_Union[Acceptor, _Mapping]] = ..., newer: _Optional[_Union[Topology, _Mapping]] = ...) -> None: ...

class AcceptRequest(_message.Message):
    __slots__ = ("before", "ballot", "after")
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    BALLOT_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    before: Topology
    ballot: Ballot
    after: Topology
    def __init__(self, before: _Optional[_Union[Topology, _Mapping]] = ..., ballot: _Optional[_Union[Ballot, _Mapping]] = ..., after: _Optional[_Union[Topology, _Mapping]] = ...) -> None: ...

class AcceptResponse(_message.Message):
    __slots__ = ("acceptor", "newer")
    ACCEPTOR_FIELD_NUMBER: _ClassVar[int]
    NEWER_FIELD_NUMBER: _ClassVar[int]
    acceptor: Acceptor
    newer: Topology
    def __init__(self, acceptor: _Optional[_Union[Acceptor, _Mapping]] = ..., newer: _Optional[_Union[Topology, _Mapping]] = ...) -> None: ...

class PledgeRequest(_message.Message):
    __slots__ = ("founder",)
    FOUNDER_FIELD_NUMBER: _ClassVar[int]
    founder: str
    def __init__(self, founder: _Optional[str] = ...) -> None: ...

class PledgeResponse(_message.Message):
    __slots__ = ("founder",)
    FOUNDER_FIELD_NUMBER: _ClassVar[int]
    founder: str
    def __init__(self, founder: _Optional[str] = ...) -> None: ...

class LearnRequest(_message.Message):
    __slots__ = ("topology",)
    TOPOLOGY_FIELD_NUMBER: _ClassVar[int]
    topology: Topology
    def __init__(self, topology: _Optional[_Union[Topology, _Mapping]] = ...) -> None: ...

class LearnResponse(_message.Message):
    __slots__ = ("topology",)
    TOPOLOGY_FIELD_NUMBER: _ClassVar[int]
    topology: Topology
    def __init__(self, topology: _Optional[_Union[Topology, _Mapping]] = ...) -> None: ...

class FetchRequest(_message.Message):
    __slots__ = ("after_epoch",)
    AFTER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    after_epoch: int
    def __init__(self, after_epoch: _Optional[int] = ...) -> None: ...

class FetchResponse(_message.Message):
    __slots__ = ("topology", "since", "acceptor")
    TOPOLOGY_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    ACCEPTOR_FIELD_NUMBER: _ClassVar[int]
    topology: Topology
    since: _containers.RepeatedCompositeFieldContainer[Topology]
    acceptor: Acceptor
    def __init__(self, topology: _Optional[_Union[Topology, _Mapping]] = ..., since: _Optional[_Iterable[_Union[Topology, _Mapping]]] = ..., acceptor: _Optional[_Union[Acceptor, _Mapping]] = ...) -> None: ...

class GetProgressRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetProgressResponse(_message.Message):
    __slots__ = ("epoch", "spans", "spans_done", "keys", "keys_per_second", "waiting_for", "is_done", "dead", "cluster_id")
    class DeadEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SPANS_FIELD_NUMBER: _ClassVar[int]
    SPANS_DONE_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    KEYS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    WAITING_FOR_FIELD_NUMBER: _ClassVar[int]
    IS_DONE_FIELD_NUMBER: _ClassVar[int]
    DEAD_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    spans: int
    spans_done: int
    keys: int
    keys_per_second: float
    waiting_for: str
    is_done: bool
    dead: _containers.ScalarMap[str, float]
    cluster_id: int
    def __init__(self, epoch: _Optional[int] = ..., spans: _Optional[int] = ..., spans_done: _Optional[int] = ..., keys: _Optional[int] = ..., keys_per_second: _Optional[float] = ..., waiting_for: _Optional[str] = ..., is_done: _Optional[bool] = ..., dead: _Optional[_Mapping[str, float]] = ..., cluster_id: _Optional[int] = ...) -> None: ...

class PingRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PingResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
