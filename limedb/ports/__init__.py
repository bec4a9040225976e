"""The seams: the services that orchestration needs from the outside, as Protocol classes.

It owns the interfaces between the layers, and the values that cross them. It must never contain code that
does anything. Times called `deadline` are seconds of `Clock.monotonic`.
"""

from limedb.ports.access import NO_FACTS, Audit, Authenticator, Credential, Facts
from limedb.ports.calls import Answer, CallTracing, Recorder
from limedb.ports.clock import Clock, SeenTime, TimeMark
from limedb.ports.groups import GroupForm
from limedb.ports.health import NodeHealth, RequestFigures
from limedb.ports.replica import ChangeBatch, KeyPromises, Placement, Promised, Replica, Replicas
from limedb.ports.store import (
    Applied,
    ChangeTail,
    Held,
    HintLog,
    IndexEntry,
    Inheritance,
    OperationLog,
    RangePage,
    Scrubbed,
    Store,
    StoredBytes,
    StoreStats,
)
from limedb.ports.topology import MAX_RECENT, Account, GossipTransport, NodeFile, Saved, TopologyTransport

__all__ = [
    "MAX_RECENT",
    "NO_FACTS",
    "Account",
    "Answer",
    "Applied",
    "Audit",
    "Authenticator",
    "CallTracing",
    "ChangeBatch",
    "ChangeTail",
    "Clock",
    "Credential",
    "Facts",
    "GossipTransport",
    "GroupForm",
    "Held",
    "HintLog",
    "IndexEntry",
    "Inheritance",
    "KeyPromises",
    "NodeFile",
    "NodeHealth",
    "OperationLog",
    "Placement",
    "Promised",
    "RangePage",
    "Recorder",
    "Replica",
    "Replicas",
    "RequestFigures",
    "Saved",
    "Scrubbed",
    "SeenTime",
    "Store",
    "StoreStats",
    "StoredBytes",
    "TimeMark",
    "TopologyTransport",
]
