"""Batches, judged item by item.

It owns how an answer is put together from the items that the caller may request, and refusals for the rest.
It must never let a refused item reach the behaviour. A caller that lacks the role altogether is refused as a
whole.

Tested in tests/scenarios/test_access_keys.py.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import compress
from typing import Any

from limedb.core.rights import Identity, Role
from limedb.errors import PermissionDeniedError
from limedb.rpc.server.answers import serialized
from limedb.rpc.server.rules import need
from limedb.wire.batch_set import BatchSet, batch_write_of, name_of_plain
from limedb.wire.kv import batch_get_result, batch_set_result
from limedbpb.v1 import kv_pb2

Serve = Callable[[Any], Awaitable[Any]]
"""Answers a request."""
Refused = Callable[[PermissionDeniedError, str], None]
"""Called with a refusal and the first key that it concerns."""


async def batch_get(
    identity: Identity, request: kv_pb2.BatchGetRequest, serve: Serve, refused: Refused
) -> object:
    """Answer a BatchGet for the keys that the caller may read."""
    keys = request.keys
    need(identity, Role.READ, identity.has(Role.READ))
    allowed = [identity.may(Role.READ, key) for key in keys]
    if all(allowed):
        return await serve(request)
    error = _refusal(identity, Role.READ, refused, keys[allowed.index(False)])
    results: Iterator[kv_pb2.BatchGetResult] = iter(())
    if any(allowed):
        part = kv_pb2.BatchGetRequest(keys=compress(keys, allowed), consistency=request.consistency)
        results = iter(kv_pb2.BatchGetResponse.FromString(serialized(await serve(part))).results)
    return kv_pb2.BatchGetResponse(
        results=[next(results) if is_allowed else batch_get_result(error) for is_allowed in allowed]
    )


async def batch_set(identity: Identity, request: BatchSet, serve: Serve, refused: Refused) -> object:
    """Carry out the writes of a BatchSet that the caller may make."""
    items: Sequence[bytes] = request.writes
    need(identity, Role.WRITE, identity.has(Role.WRITE))
    lacking = [_lacking(identity, item) for item in items]
    if not any(lacking):
        return await serve(request)
    errors = {role: PermissionDeniedError(identity.name, role.value) for role in {*lacking} if role}
    for role, error in errors.items():
        refused(error, name_of(items[lacking.index(role)]).decode(errors="replace"))
    results: Iterator[kv_pb2.BatchSetResult] = iter(())
    if None in lacking:
        make: Callable[..., BatchSet] = type(request)
        allowed = [role is None for role in lacking]
        part = make(writes=compress(items, allowed), consistency=request.consistency)
        results = iter(kv_pb2.BatchSetResponse.FromString(serialized(await serve(part))).results)
    return kv_pb2.BatchSetResponse(
        results=[batch_set_result(errors[role]) if role else next(results) for role in lacking]
    )


BATCHES: dict[str, Callable[[Identity, Any, Serve, Refused], Awaitable[object]]] = {
    "BatchGet": batch_get,
    "BatchSet": batch_set,
}
"""By the names of their RPCs."""


def name_of(item: bytes) -> bytes:
    """The UTF-8 of the key under which an item of a BatchSet is stored. MalformedRequestError."""
    return name_of_plain(item) or batch_write_of(item).key.encode(errors="replace")


def _lacking(identity: Identity, item: bytes) -> Role | None:
    """The role that a caller lacks for an item of a BatchSet; None: none. A condition needs two, as in
    `rules.py`.
    """
    if name := name_of_plain(item):
        return None if identity.may_name(Role.WRITE, name) else Role.WRITE
    write = batch_write_of(item)
    name = write.key.encode(errors="replace")
    if not identity.may_name(Role.WRITE, name):
        return Role.WRITE
    if write.HasField("condition") and not identity.may_name(Role.READ, name):
        return Role.READ
    return None


def _refusal(identity: Identity, role: Role, refused: Refused, key: str) -> PermissionDeniedError:
    error = PermissionDeniedError(identity.name, role.value)
    refused(error, key)
    return error
