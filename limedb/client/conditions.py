"""The conditions of writes, as callers name them.

It owns the arguments if_version, if_absent, if_value and if_exists. It must never send anything.

Tested in tests/client/test_conditions.py.
"""

from enum import Enum, auto
from typing import Final

from limedb.client.arguments import Value, check_value, flag, whole_number
from limedb.core.hlc import MAX_VERSION
from limedb.errors import InvalidRequestError, brief
from limedb.wire.conditions import CuriousCondition, require
from limedbpb.v1 import kv_pb2


class Ungiven(Enum):
    """Stands for a condition that isn't given: None could be the value of a key that has none."""

    UNGIVEN = auto()


UNGIVEN: Final = Ungiven.UNGIVEN


def condition_of(
    key: str,
    if_version: int | Ungiven | None,
    if_absent: bool,
    if_value: Value | Ungiven | None,
    if_exists: bool,
    begin: str = "if_",
) -> CuriousCondition | None:
    """Return the condition of a write; None: it has none. begin: of the arguments' names in the caller's
    function. InvalidRequestError: there are two, or one makes no sense.
    """
    is_absent, is_there = flag(f"{begin}absent", if_absent), flag(f"{begin}exists", if_exists)
    given = {
        f"{begin}version": not isinstance(if_version, Ungiven),
        f"{begin}absent": is_absent,
        f"{begin}value": not isinstance(if_value, Ungiven),
        f"{begin}exists": is_there,
    }
    names = [name for name, is_given in given.items() if is_given]
    if len(names) > 1:
        raise InvalidRequestError(f"key {brief(key)} has {' and '.join(names)}: give one of them")
    if if_version is None or if_value is None:  # what a read returns of a key that has no value
        name = "version" if if_version is None else "value"
        raise InvalidRequestError(
            f"key {brief(key)} has {begin}{name}=None; if it is to have no value, give {begin}absent=True"
        )
    if not isinstance(if_version, Ungiven):
        return CuriousCondition(version=whole_number(f"{begin}version", if_version, 0, MAX_VERSION))
    if not isinstance(if_value, Ungiven):
        check_value(key, if_value)
        return CuriousCondition(value=if_value)
    return CuriousCondition(exists=is_there) if names else None


def depending(
    key: str,
    write: bytes,
    condition: CuriousCondition | None,
    keep_ttl: bool = False,
    has_life: bool = False,
    lease: int = 0,
) -> bytes:
    """Make a write, in the bytes of a BatchWrite, depend on the state of its key. keep_ttl: its value expires
    when the previous one would have. lease: the id of the lease to which it is attached; 0: to none.
    InvalidRequestError: it has a life of its own.
    """
    if lease and (keep_ttl or has_life):
        raise InvalidRequestError(
            f"key {brief(key)} has a lease and a ttl, an expires_at or keep_ttl: give one"
        )
    if keep_ttl and has_life:
        raise InvalidRequestError(
            f"key {brief(key)} has keep_ttl and a ttl or an expires_at: give one of them"
        )
    more = kv_pb2.BatchWrite(keep_ttl=keep_ttl, lease=lease)
    if condition is not None:
        require(more, condition)
    return write + more.SerializeToString()  # the fields of both, since a message's parts may be joined
