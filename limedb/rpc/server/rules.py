"""The rights that each RPC requires: one rule for every RPC of every service.

It owns the rules, which judge a decoded message and never a path. It must never let a node serve an RPC
without a rule: the node fails at its start.

A rule requires a role over all keys that the request names. Items of a batch are judged one by one, as Kafka
does with partitions: each has its own outcome, and the client library joins unrelated calls. A scan or a
watch is refused as a whole unless all of its range is allowed: otherwise keys would be missing without a
sign.

Tested in tests/scenarios/test_access_rules.py, for every RPC.
"""

from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

from limedb.core.key_range import KeyRange, key_range
from limedb.core.rights import Identity, Role, span_of
from limedb.errors import PermissionDeniedError

Judge = Callable[[Identity, Any], None]
"""Raises PermissionDeniedError, given the caller and the decoded request."""


class Audience(Enum):
    """The callers that may call at all."""

    PUBLIC = "public"
    KNOWN = "known"
    """All identified callers: users and nodes."""
    NODES = "nodes"


class Rule(NamedTuple):
    """The requirements of an RPC. judge: of the request; None: its audience is all. batch: judges the items
    one by one instead (`batch_rules.py`). is_change: its outcome goes to the audit log, too.
    """

    audience: Audience
    judge: Judge | None = None
    batch: bool = False
    is_change: bool = False


def need(identity: Identity, role: Role, is_allowed: bool) -> None:
    """PermissionDeniedError: it isn't allowed, for lack of a role."""
    if not is_allowed:
        raise PermissionDeniedError(identity.name, role.value)


def _over_key(role: Role) -> Rule:
    def judge(identity: Identity, request: Any) -> None:  # noqa: ANN401 (each RPC has its own)
        if not identity.may(role, request.key):
            raise PermissionDeniedError(identity.name, role.value)

    return Rule(Audience.KNOWN, judge)


def _write(identity: Identity, request: Any) -> None:  # noqa: ANN401 (as above)
    """A condition requires the right to read as well: its outcome, and the error, reveal the key's value. So
    nobody who may only write a value can guess it.
    """
    need(identity, Role.WRITE, identity.may(Role.WRITE, request.key))
    if request.HasField("condition"):
        need(identity, Role.READ, identity.may(Role.READ, request.key))


def _edit(identity: Identity, request: Any) -> None:  # noqa: ANN401 (as above)
    """The answer to a change of a value reveals the previous one, or lets the caller compute it."""
    for role in (Role.WRITE, Role.READ):
        need(identity, role, identity.may(role, request.key))


def _transact(identity: Identity, request: Any) -> None:  # noqa: ANN401 (as above)
    """The answer of a transaction, and its success, reveal the values of its keys."""
    steps = (*request.success, *request.failure)
    written = {key for step in steps if (key := _written_by(step)) is not None}
    for key in {*written, *(one.key for one in request.compare), *(step.get for step in steps)} - {""}:
        need(identity, Role.READ, identity.may(Role.READ, key))
    for key in written:
        need(identity, Role.WRITE, identity.may(Role.WRITE, key))


def _written_by(step: Any) -> str | None:  # noqa: ANN401 (as above)
    """The key that a step writes; None: it writes none."""
    kind = step.WhichOneof("step")
    if kind in ("set", "increment"):
        return str(getattr(step, kind).key)
    return str(step.delete) if kind == "delete" else None


def _anywhere(role: Role, is_change: bool = False) -> Rule:
    def judge(identity: Identity, _request: object) -> None:
        need(identity, role, identity.has(role))

    return Rule(Audience.KNOWN, judge, is_change=is_change)


def _over_all(role: Role) -> Rule:
    def judge(identity: Identity, _request: object) -> None:
        need(identity, role, identity.may_all(role, KeyRange()))

    return Rule(Audience.KNOWN, judge)


def _scan(identity: Identity, request: Any) -> None:  # noqa: ANN401 (as above)
    """The cursor `after` isn't considered: it only leaves out what was returned before."""
    keys = key_range(request.prefix, request.start, request.end)
    need(identity, Role.READ, identity.may_all(Role.READ, keys))


def _watch(identity: Identity, request: Any) -> None:  # noqa: ANN401 (as above)
    if request.WhichOneof("what") == "key":
        need(identity, Role.WATCH, identity.may(Role.WATCH, request.key))
    else:
        need(identity, Role.WATCH, identity.may_all(Role.WATCH, span_of(request.prefix)))


def _joins(identity: Identity, _request: object) -> None:
    """A node is trusted with all keys, so making one requires all roles."""
    need(identity, Role.OPERATOR, identity.has(Role.OPERATOR))
    need(identity, Role.ADMIN, identity.may_all(Role.ADMIN, KeyRange()))


_PUBLIC, _KNOWN, _NODES = Rule(Audience.PUBLIC), Rule(Audience.KNOWN), Rule(Audience.NODES)
_BATCH = Rule(Audience.KNOWN, batch=True)
_OPERATOR, _MEMBERSHIP = _anywhere(Role.OPERATOR), _anywhere(Role.OPERATOR, is_change=True)
_WRITER = _anywhere(Role.WRITE)
_USERS = _anywhere(Role.ADMIN, is_change=True)

ACCESS = "limedb.v1.AccessService"

RULES: dict[str, dict[str, Rule]] = {
    "limedb.v1.KVService": {
        "Get": _over_key(Role.READ),
        "BatchGet": _BATCH,
        "Set": Rule(Audience.KNOWN, _write),
        "Delete": Rule(Audience.KNOWN, _write),
        "Increment": Rule(Audience.KNOWN, _edit),
        "Append": Rule(Audience.KNOWN, _edit),
        "GetAndSet": Rule(Audience.KNOWN, _edit),
        "GetAndDelete": Rule(Audience.KNOWN, _edit),
        "Txn": Rule(Audience.KNOWN, _transact),
        "BatchSet": _BATCH,
        "SetDirect": _over_key(Role.ADMIN),  # it may leave a copy where the key doesn't belong
        "ListKeys": _over_all(Role.READ),  # it names no range
        "Scan": Rule(Audience.KNOWN, _scan),
        "Watch": Rule(Audience.KNOWN, _watch),
        "Session": _KNOWN,  # each request within it is judged as its own RPC
    },
    "limedb.v1.LeaseService": {
        # Knowing the id of a lease is enough to do everything with it.
        "GrantLease": _WRITER,
        "RenewLease": _WRITER,
        "KeepAlive": _WRITER,
        "RevokeLease": _WRITER,
        "LeaseTimeToLive": _WRITER,
    },
    "limedb.v1.ClusterService": {
        # Clients find their way with these two.
        "GetState": _KNOWN,
        "WatchCluster": _KNOWN,
        "GetHistory": _KNOWN,
        "GetHealth": _PUBLIC,
        "GetRing": _OPERATOR,
        "GetGossip": _OPERATOR,
        "LocateKey": _over_key(Role.READ),
    },
    "limedb.v1.AdminService": {
        "GetStatus": _OPERATOR,
        "PlanJoin": _OPERATOR,
        "Decommission": _MEMBERSHIP,
        "Remove": _MEMBERSHIP,
        "Cancel": _MEMBERSHIP,
        "Repair": _OPERATOR,
        "Scrub": _OPERATOR,
    },
    ACCESS: {
        "WhoAmI": _KNOWN,
        # `access/users.py` also judges the rights of the user in question.
        "AddUser": _USERS,
        "ListUsers": _anywhere(Role.ADMIN),
        "DeleteUser": _USERS,
        "RotateToken": _USERS,
        "AddJoinToken": Rule(Audience.KNOWN, _joins, is_change=True),
        "Join": Rule(Audience.PUBLIC, is_change=True),  # its message has a token of its own
    },
    "limedb.v1.DashboardService": {"GetAsset": _PUBLIC},
    "limedb.v1.GossipService": {"Exchange": _NODES},
    "limedb.v1.TopologyService": dict.fromkeys(
        ("Prepare", "Accept", "Pledge", "Learn", "Fetch", "GetProgress", "Ping"), _NODES
    ),
    "limedb.v1.ReplicaService": dict.fromkeys(
        (
            "Read",
            "Apply",
            "ScanTokens",
            "ScanKeys",
            "WatchChanges",
            "Digest",
            "ListEntries",
            "Agree",
            "Promise",
            "Release",
            "ListPromises",
            "Carry",
        ),
        _NODES,
    ),
    "grpc.health.v1.Health": dict.fromkeys(("Check", "Watch"), _PUBLIC),
    "grpc.reflection.v1.ServerReflection": {"ServerReflectionInfo": _KNOWN},
    "grpc.reflection.v1alpha.ServerReflection": {"ServerReflectionInfo": _KNOWN},
}


def rule_of(service: str, method: str) -> Rule:
    """The rule for an RPC, by its full name. LookupError: there is none yet."""
    try:
        return RULES[service][method]
    except KeyError:
        raise LookupError(
            f"{service}/{method} has no rule in limedb/rpc/server/rules.py: who may call it?"
        ) from None
