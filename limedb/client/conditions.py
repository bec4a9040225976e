"""The conditions of writes, as callers name them.

It owns the arguments if_version, if_absent, if_value and if_exists. It must never send anything.

Tested in tests/client/test_conditions.py.
"""

from limedb.client.arguments import Value, check_value, flag, whole_number
from limedb.client.retrying_executor import PendingCall, new_key
from limedb.core.hlc import MAX_VERSION
from limedb.errors import InvalidRequestError, brief
from limedb.wire.conditions import CuriousCondition, require


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


def depend(job: PendingCall, condition: CuriousCondition | None, keep_ttl: bool = False) -> None:
    """Let a write depend on what its key has. It gets an idempotency key in any case, which costs such a
    write nothing, so that it may be sent again. keep_ttl: its value expires when the one before it would
    have. InvalidRequestError: it has a life of its own.
    """
    write = job.write
    assert write is not None  # noqa: S101 (reads depend on nothing)
    if keep_ttl and (write.ttl_ms or write.expires_at_ms):
        raise InvalidRequestError(
            f"key {brief(job.key)} has keep_ttl and a ttl or an expires_at: give one of them"
        )
    write.keep_ttl = keep_ttl
    if condition is not None:
        require(write, condition)
    if not job.repeatable:
        write.idempotency_key, job.repeatable = new_key(), True
