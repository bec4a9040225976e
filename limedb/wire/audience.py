"""The audience of each RPC, by which Envoy publishes it.

It owns one decision for each RPC of each service. Nothing is published by default: an RPC without a decision
fails the tests, and Envoy passes no call that isn't in the table. It must never know the gateway, nor the
identity of a caller.

Tested in tests/wire/test_audience.py and tests/envoy/test_published.py.
"""

from collections.abc import Collection
from enum import StrEnum


class Audience(StrEnum):
    """The callers that need an RPC."""

    CLIENTS = "clients"
    """Applications, people and the dashboard: on every listener."""
    OPERATORS = "operators"
    """On the listener of operators' services, if there is one."""
    ON_REQUEST = "on request"
    """There, too, if it is asked for by its name. Nodes and old clients need it, and reach nodes directly."""
    NODES = "nodes"
    """Never: nodes call each other directly."""


_CLIENTS, _OPERATORS, _NODES = Audience.CLIENTS, Audience.OPERATORS, Audience.NODES

AUDIENCES: dict[str, dict[str, Audience]] = {
    "limedb.v1.KVService": {
        "Set": _CLIENTS, "Get": _CLIENTS, "Delete": _CLIENTS, "Increment": _CLIENTS, "Append": _CLIENTS,
        "GetAndSet": _CLIENTS, "GetAndDelete": _CLIENTS, "Txn": _CLIENTS, "SetDirect": Audience.ON_REQUEST,
        "ListKeys": _CLIENTS, "BatchGet": _CLIENTS, "BatchSet": _CLIENTS, "Scan": _CLIENTS, "Watch": _CLIENTS,
        "Session": _CLIENTS,
    },
    "limedb.v1.LeaseService": {
        "GrantLease": _CLIENTS, "RenewLease": _CLIENTS, "KeepAlive": _CLIENTS, "RevokeLease": _CLIENTS,
        "LeaseTimeToLive": _CLIENTS,
    },
    "limedb.v1.ClusterService": {
        "GetState": _CLIENTS, "GetRing": _CLIENTS, "GetGossip": _CLIENTS, "LocateKey": _CLIENTS,
        "WatchCluster": _CLIENTS, "GetHistory": _CLIENTS, "GetHealth": _CLIENTS,
    },
    "limedb.v1.AccessService": {
        "WhoAmI": _CLIENTS, "AddUser": _CLIENTS, "ListUsers": _CLIENTS, "DeleteUser": _CLIENTS,
        "RotateToken": _CLIENTS, "AddJoinToken": _CLIENTS, "Join": _NODES,
    },
    "limedb.v1.DashboardService": {"GetAsset": _CLIENTS},
    "limedb.v1.AdminService": {
        "GetStatus": _OPERATORS, "PlanJoin": _OPERATORS, "Decommission": _OPERATORS, "Remove": _OPERATORS,
        "Cancel": _OPERATORS, "Repair": _OPERATORS, "Scrub": _OPERATORS,
    },
    "limedb.v1.GossipService": {"Exchange": Audience.ON_REQUEST},
    "limedb.v1.ReplicaService": {
        "Read": _NODES, "Apply": _NODES, "ScanTokens": _NODES, "ScanKeys": _NODES, "WatchChanges": _NODES,
        "Digest": _NODES, "ListEntries": _NODES, "Agree": _NODES, "Promise": _NODES,
        "Release": _NODES, "ListPromises": _NODES, "Carry": _NODES,
    },
    "limedb.v1.TopologyService": {
        "Prepare": _NODES, "Accept": _NODES, "Pledge": _NODES, "Learn": _NODES, "Fetch": _NODES,
        "GetProgress": _NODES, "Ping": _NODES,
    },
    "grpc.health.v1.Health": {"Check": _CLIENTS, "List": _CLIENTS, "Watch": _CLIENTS},
    "grpc.reflection.v1.ServerReflection": {"ServerReflectionInfo": _CLIENTS},
    "grpc.reflection.v1alpha.ServerReflection": {"ServerReflectionInfo": _CLIENTS},
}  # fmt: skip
"""The decisions, by service and method."""

ON_REQUEST = {"direct": "limedb.v1.KVService/SetDirect", "gossip": "limedb.v1.GossipService/Exchange"}
"""The RPCs that are published on request, by the names in that request."""


def audience_of(service: str, method: str) -> Audience:
    """The decision on an RPC. LookupError: there is none yet."""
    try:
        return AUDIENCES[service][method]
    except KeyError:
        raise LookupError(
            f"{service}/{method} has no audience: decide in limedb/wire/audience.py for whom it is"
        ) from None


def published(audiences: Collection[Audience], requested: Collection[str] = ()) -> frozenset[str]:
    """The RPCs of these audiences, as SERVICE/METHOD, and those with these names in ON_REQUEST."""
    found = {
        f"{service}/{method}"
        for service, methods in AUDIENCES.items()
        for method, audience in methods.items()
        if audience in audiences
    }
    return frozenset(found | {ON_REQUEST[name] for name in requested})


def services(audiences: Collection[Audience]) -> frozenset[str]:
    """The full names of the services with an RPC of these audiences."""
    return frozenset(rpc.partition("/")[0] for rpc in published(audiences))
