"""The conditions of writes, as callers name them.

It owns the arguments if_version, if_absent, if_value and if_exists. It must never send anything.

Tested in tests/client/test_conditions.py.
"""

from limedb.client.arguments import Value, check_value, flag, whole_number
from limedb.core.hlc import MAX_VERSION
from limedb.errors import InvalidRequestError, brief
from limedb.wire.conditions import CuriousCondition, require
from limedbpb.v1 import kv_pb2


def condition_of(
    key: str, if_version: int | None, if_absent: bool, if_value: Value | None, if_exists: bool
) -> CuriousCondition | None:
    """Return the condition of a write; None: it has none. InvalidRequestError: there are two, or one makes no
    sense.
    """
    is_absent, is_there = flag("if_absent", if_absent), flag("if_exists", if_exists)
    given = {
        "if_version": if_version is not None,
        "if_absent": is_absent,
        "if_value": if_value is not None,
        "if_exists": is_there,
    }
    names = [name for name, is_given in given.items() if is_given]
    if len(names) > 1:
        raise InvalidRequestError(f"key {brief(key)} has {' and '.join(names)}: give one of them")
    if if_version is not None:
        return CuriousCondition(version=whole_number("if_version", if_version, 0, MAX_VERSION))
    if if_value is not None:
        check_value(key, if_value)
        return CuriousCondition(value=if_value)
    return CuriousCondition(exists=is_there) if names else None


def depending(
    key: str, write: bytes, condition: CuriousCondition | None, keep_ttl: bool = False, has_life: bool = False
) -> bytes:
    """Let a write, in the bytes of a BatchWrite, depend on what its key has. keep_ttl: its value expires when
    the one before it would have. InvalidRequestError: it has a life of its own.
    """
    if keep_ttl and has_life:
        raise InvalidRequestError(
            f"key {brief(key)} has keep_ttl and a ttl or an expires_at: give one of them"
        )
    more = kv_pb2.BatchWrite(keep_ttl=keep_ttl)
    if condition is not None:
        require(more, condition)
    return write + more.SerializeToString()  # the fields of both, for a message's parts may be joined
