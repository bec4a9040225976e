"""The one tree of errors.

It owns the kinds of failures and their texts. It must never know of gRPC or HTTP: `wire/status.py` maps each
class to a status, and the most specific class decides. Facts are attributes, so that no code parses texts,
and the meaning of a class for retries is an attribute, so that no code compares names.

LimeDBError
    ├── ConfigError                  a setting that can't be used; ends the start
    ├── ExposedError                 it would listen beyond loopback without TLS and authentication
    ├── LaunchError                  a local cluster that can't be started, found or stopped
    │   └── NotReadyError            some of its nodes don't take requests
    ├── BulkError                    a file that can't be imported or exported any further
    ├── BadItemError                 one line or entry of a file that isn't a key with a value
    ├── InvalidRequestError          the request makes no sense
    │   ├── InvalidKeyError
    │   ├── ReservedKeyError         a key of LimeDB's own
    │   ├── ValueTooLargeError
    │   └── MalformedRequestError    bytes that are not the message they should be
    ├── UnauthenticatedError         nobody knows who the caller is
    │   └── TokenFunctionError       the function that should return the token failed
    ├── PermissionDeniedError        the caller may not do this
    ├── KeyNotFoundError
    ├── ConditionFailedError         the key doesn't meet the condition of a write
    ├── EditRefusedError             the value of the key can't be changed as requested
    ├── LockTakenError               somebody else has the lock
    ├── LockLostError                the lock is no longer held
    │   └── LeaseLostError           the client could not keep its lease alive
    ├── LeaseNotFoundError           the lease has expired or was revoked
    ├── LeaseFullError               the lease has as many keys as it may have
    ├── UnknownPathError             Envoy publishes nothing there
    ├── UnknownNodeError             Envoy knows no node of the name that a request asks for
    ├── RequestTooLargeError         Envoy takes no request of this size
    ├── AssetNotFoundError           a file that the dashboard doesn't have
    ├── UnavailableError             nothing was done; it may work later or elsewhere
    │   ├── ReplicaUnreachableError
    │   ├── LevelUnreachableError    too few replicas are alive for the requested level
    │   ├── RangeUnreachableError    the same for a range of keys
    │   ├── OutcomeUnknownError      a write was sent and too few answers came back
    │   │   └── AnswerForgottenError an edit took effect, and its answer is forgotten
    │   ├── ContendedError           others kept writing newer versions of the key
    │   ├── WrongNodeError           a call was meant for another node
    │   ├── NotMemberError           the node belongs to no cluster, or to another one
    │   ├── WrongClusterError        a client's call was meant for another cluster
    │   ├── ClientStateError         the client isn't open here
    │   ├── StaleEpochError          the caller's topology is older than the replica's
    │   └── ClockSkewError           a version or a clock is too far from the others'
    ├── TopologyChangeError          the topology can't be changed in this way now
    ├── RequestTimeoutError          the deadline passed
    ├── WatchGapError                changes that a watch should report are no longer known
    ├── TooManyWatchesError          a node serves no more watches
    ├── ResponseTooLargeError        ask for less at once
    ├── OverloadedError              the node has no room left for it; nothing was done
    ├── LimitExceededError           this client has as much as it may have; nothing was done
    ├── RemoteError                  a peer's own error, passed on
    ├── PartialFailureError          some of many keys failed; each has its own error
    ├── PeersOnlyError                nodes accept such calls only from each other
    ├── UnsupportedError             the server, or this version, can't do this
    ├── UnknownHostError             Envoy was asked under a name that it doesn't have
    ├── ForeignOriginError           a page of another origin, from which Envoy accepts no calls
    └── StoreError                   the disk or its format
        ├── StoreFullError           no room; stored data stays, reads and deletes continue
        ├── StoreClosedError
        └── StoreCorruptError        bytes that can't be stored data
            └── RecordDamagedError   the record of some keys is damaged here; other replicas may have it
"""

from limedb.errors.base import (
    LimeDBError,
    brief,
    is_too_large,
    reason_from,
)
from limedb.errors.callers import (
    PeersOnlyError,
    PermissionDeniedError,
    TokenFunctionError,
    UnauthenticatedError,
)
from limedb.errors.leases import LeaseFullError, LeaseNotFoundError
from limedb.errors.limits import (
    LimitExceededError,
    OverloadedError,
    TooManyWatchesError,
)
from limedb.errors.locks import LeaseLostError, LockLostError, LockTakenError
from limedb.errors.remote import CLASSES, RemoteError
from limedb.errors.requests import (
    AssetNotFoundError,
    ConditionFailedError,
    EditRefusedError,
    ForeignOriginError,
    InvalidKeyError,
    InvalidRequestError,
    KeyNotFoundError,
    MalformedRequestError,
    PartialFailureError,
    RequestTooLargeError,
    ReservedKeyError,
    ResponseTooLargeError,
    UnknownHostError,
    UnknownNodeError,
    UnknownPathError,
    UnsupportedError,
    ValueTooLargeError,
)
from limedb.errors.starting import (
    BadItemError,
    BulkError,
    ConfigError,
    ExposedError,
    LaunchError,
    NameTakenError,
    NotReadyError,
)
from limedb.errors.stores import (
    LOST,
    RecordDamagedError,
    StoreClosedError,
    StoreCorruptError,
    StoreDamagedError,
    StoreError,
    StoreFullError,
)
from limedb.errors.unavailable import (
    AnswerForgottenError,
    ClientStateError,
    ClockSkewError,
    ContendedError,
    LevelUnreachableError,
    NotMemberError,
    OutcomeUnknownError,
    RangeUnreachableError,
    ReplicaUnreachableError,
    RequestTimeoutError,
    StaleEpochError,
    TopologyChangeError,
    UnavailableError,
    WatchGapError,
    WrongClusterError,
    WrongNodeError,
)

__all__ = [
    "CLASSES",
    "LOST",
    "AnswerForgottenError",
    "AssetNotFoundError",
    "BadItemError",
    "BulkError",
    "ClientStateError",
    "ClockSkewError",
    "ConditionFailedError",
    "ConfigError",
    "ContendedError",
    "EditRefusedError",
    "ExposedError",
    "ForeignOriginError",
    "InvalidKeyError",
    "InvalidRequestError",
    "KeyNotFoundError",
    "LaunchError",
    "LeaseFullError",
    "LeaseLostError",
    "LeaseNotFoundError",
    "LevelUnreachableError",
    "LimeDBError",
    "LimitExceededError",
    "LockLostError",
    "LockTakenError",
    "MalformedRequestError",
    "NameTakenError",
    "NotMemberError",
    "NotReadyError",
    "OutcomeUnknownError",
    "OverloadedError",
    "PartialFailureError",
    "PeersOnlyError",
    "PermissionDeniedError",
    "RangeUnreachableError",
    "RecordDamagedError",
    "RemoteError",
    "ReplicaUnreachableError",
    "RequestTimeoutError",
    "RequestTooLargeError",
    "ReservedKeyError",
    "ResponseTooLargeError",
    "StaleEpochError",
    "StoreClosedError",
    "StoreCorruptError",
    "StoreDamagedError",
    "StoreError",
    "StoreFullError",
    "TokenFunctionError",
    "TooManyWatchesError",
    "TopologyChangeError",
    "UnauthenticatedError",
    "UnavailableError",
    "UnknownHostError",
    "UnknownNodeError",
    "UnknownPathError",
    "UnsupportedError",
    "ValueTooLargeError",
    "WatchGapError",
    "WrongClusterError",
    "WrongNodeError",
    "brief",
    "is_too_large",
    "reason_from",
]

for _error in (*CLASSES.values(), RemoteError):
    _error.__module__ = __name__  # callers see, import and unpickle them under this name
