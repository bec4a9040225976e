"""Every RPC of every service, and what each asks of its caller: written down a second time, for tests.

It owns the expectations. It must never take them from the rules that it tests.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2

from limedb.rpc.server.reflection import servicers
from limedbpb.v1 import (
    access_pb2,
    cluster_pb2,
    kv_pb2,
)
from tests.support.services import services

INSIDE, OUTSIDE = "tenant/a", "other/b"
"""Keys that the users of the tests may reach, and may not."""
PREFIX = "tenant/"

Make = Callable[[str], Message]
"""Makes a request that is about a key."""


class Case(NamedTuple):
    """What an RPC asks for: public, known, node, all (roles), or a role. make: a request about a key; None:
    about none. "read and write": both roles, which no user of the tests has; "any write": that role for any
    keys. is_whole: the role must hold for all keys. is_at_envoy: Envoy passes it on.
    """

    needs: str
    make: Make | None = None
    is_whole: bool = False
    is_at_envoy: bool = True


def _write(kind: str) -> Make:
    return lambda key: getattr(kv_pb2, kind)(key=key, value="x")


def transaction(key: str) -> kv_pb2.TxnRequest:
    """One that writes a key of a group, in the range of another key."""
    return kv_pb2.TxnRequest(success=[kv_pb2.TxnStep(set=kv_pb2.TxnSet(key=key + "{t}", value="x"))])


CASES: dict[str, Case] = {
    "KVService/Get": Case("read", lambda key: kv_pb2.GetRequest(key=key)),
    "KVService/Set": Case("write", _write("SetRequest")),
    "KVService/Delete": Case("write", lambda key: kv_pb2.DeleteRequest(key=key)),
    "KVService/Increment": Case("read and write", lambda key: kv_pb2.IncrementRequest(key=key)),
    "KVService/Append": Case("read and write", _write("AppendRequest")),
    "KVService/GetAndSet": Case("read and write", _write("GetAndSetRequest")),
    "KVService/GetAndDelete": Case("read and write", lambda key: kv_pb2.GetAndDeleteRequest(key=key)),
    "KVService/Txn": Case("read and write", lambda key: transaction(key)),
    "KVService/SetDirect": Case("admin", _write("SetDirectRequest"), is_at_envoy=False),
    "KVService/ListKeys": Case("read", is_whole=True),
    "KVService/BatchGet": Case("read", lambda key: kv_pb2.BatchGetRequest(keys=[key])),
    "KVService/BatchSet": Case(
        "write", lambda key: kv_pb2.BatchSetRequest(writes=[kv_pb2.BatchWrite(key=key, value="x")])
    ),
    "KVService/Scan": Case("read", lambda key: kv_pb2.ScanRequest(prefix=key)),
    "KVService/Watch": Case("watch", lambda key: kv_pb2.WatchRequest(key=key)),
    "KVService/Session": Case("known"),  # its requests: SESSION
    **{
        f"LeaseService/{method}": Case("any write")
        for method in ("GrantLease", "RenewLease", "KeepAlive", "RevokeLease", "LeaseTimeToLive")
    },
    "ClusterService/GetState": Case("known"),
    "ClusterService/WatchCluster": Case("known"),
    "ClusterService/GetHistory": Case("known"),
    "ClusterService/GetHealth": Case("public"),
    "ClusterService/GetRing": Case("operator"),
    "ClusterService/GetGossip": Case("operator"),
    "ClusterService/LocateKey": Case("read", lambda key: cluster_pb2.LocateKeyRequest(key=key)),
    "AdminService/GetStatus": Case("operator"),
    "AdminService/PlanJoin": Case("operator"),
    "AdminService/Decommission": Case("operator"),
    "AdminService/Remove": Case("operator"),
    "AdminService/Cancel": Case("operator"),
    "AdminService/Repair": Case("operator"),
    "AdminService/Scrub": Case("operator"),
    "AccessService/WhoAmI": Case("known"),
    "AccessService/AddUser": Case(
        "admin", lambda key: access_pb2.AddUserRequest(name="never-made", roles=[f"read:{key}", "nonsense"])
    ),
    "AccessService/ListUsers": Case("admin"),
    "AccessService/DeleteUser": Case("admin"),
    "AccessService/RotateToken": Case("admin"),
    "AccessService/AddJoinToken": Case("all"),
    "AccessService/Join": Case("public", is_at_envoy=False),
    "DashboardService/GetAsset": Case("public"),
    "GossipService/Exchange": Case("node", is_at_envoy=False),
    "Health/Check": Case("public"),
    "Health/Watch": Case("public"),
    "ServerReflection/ServerReflectionInfo": Case("known"),
    **{
        f"{service}/{method}": Case("node", is_at_envoy=False)
        for service, methods in {
            "TopologyService": "Prepare Accept Pledge Learn Fetch GetProgress Ping",
            "ReplicaService": "Read Apply ScanTokens ScanKeys WatchChanges Digest ListEntries Agree Carry"
            " Promise Release ListPromises",
        }.items()
        for method in methods.split()
    },
}
"""The expectations. A new RPC fails `test_each_rpc_has_a_case` until it has one."""

SESSION: dict[str, tuple[str, Make]] = {
    "get": ("read", lambda key: kv_pb2.SessionRequest(id=1, get=kv_pb2.GetRequest(key=key))),
    "set": ("write", lambda key: kv_pb2.SessionRequest(id=1, set=kv_pb2.SetRequest(key=key, value="x"))),
    "delete": ("write", lambda key: kv_pb2.SessionRequest(id=1, delete=kv_pb2.DeleteRequest(key=key))),
    "increment": (
        "read and write",
        lambda key: kv_pb2.SessionRequest(id=1, increment=kv_pb2.IncrementRequest(key=key)),
    ),
    "txn": ("read and write", lambda key: kv_pb2.SessionRequest(id=1, txn=transaction(key))),
    "append": (
        "read and write",
        lambda key: kv_pb2.SessionRequest(id=1, append=kv_pb2.AppendRequest(key=key, value="x")),
    ),
    "get_and_set": (
        "read and write",
        lambda key: kv_pb2.SessionRequest(id=1, get_and_set=kv_pb2.GetAndSetRequest(key=key, value="x")),
    ),
    "get_and_delete": (
        "read and write",
        lambda key: kv_pb2.SessionRequest(id=1, get_and_delete=kv_pb2.GetAndDeleteRequest(key=key)),
    ),
    "batch_get": (
        "read", lambda key: kv_pb2.SessionRequest(id=1, batch_get=kv_pb2.BatchGetRequest(keys=[key])),
    ),
    "batch_set": (
        "write",
        lambda key: kv_pb2.SessionRequest(
            id=1, batch_set=kv_pb2.BatchSetRequest(writes=[kv_pb2.BatchWrite(key=key, value="x")])
        ),
    ),
}  # fmt: skip
"""The requests of a session, by operation."""


def methods() -> Iterator[MethodDescriptor]:
    """Every RPC that a node serves."""
    for service in (*services(), *health_pb2.DESCRIPTOR.services_by_name.values()):
        yield from service.methods
    for servicer in servicers(()):
        yield from servicer.service.methods


def name_of(method: MethodDescriptor) -> str:
    """Service/Method."""
    return f"{method.containing_service.name}/{method.name}"


def request_of(method: MethodDescriptor, key: str) -> Message:
    """A request of an RPC that is about a key, if it can be, and that changes no member."""
    case = CASES[name_of(method)]
    if case.make is not None:
        return case.make(key)
    request: Any = GetMessageClass(method.input_type)()
    if "dry_run" in method.input_type.fields_by_name:
        request.dry_run = True
    return request
