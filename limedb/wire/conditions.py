"""Conditions of writes in messages, and the state of a key if one doesn't hold.

It owns both, in either direction: nodes and clients use it. It must never judge a condition
(`core/condition.py` does), nor decide who may learn a value (`rpc/server/outcomes.py` does).

Tested in tests/wire/test_conditions.py.
"""

from contextlib import suppress

from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from limedb.core.condition import Condition
from limedb.core.record import Record
from limedb.errors import ConditionFailedError, LimeDBError, UnsupportedError
from limedbpb.v1 import kv_pb2

WriteMessage = kv_pb2.SetRequest | kv_pb2.DeleteRequest | kv_pb2.BatchWrite | kv_pb2.TxnCompare


class CuriousCondition(Condition):
    """A condition whose caller asks for the key's current value if it doesn't hold."""

    __slots__ = ()


def condition_from(message: WriteMessage) -> Condition | None:
    """The condition of a write; None: it has none. One that names nothing has nothing set."""
    if not message.HasField("condition"):
        return None
    given = message.condition
    make = CuriousCondition if given.wants_current else Condition
    match given.WhichOneof("holds"):
        case "version":
            return make(version=given.version)
        case "value":
            return make(value=given.value)
        case "blob":
            return make(value=given.blob)
        case "exists":
            return make(exists=given.exists)
        case _:
            return make()


def require(message: WriteMessage, condition: Condition) -> None:
    """Let a write have a condition."""
    found = message.condition
    found.wants_current = isinstance(condition, CuriousCondition)
    if condition.version is not None:
        found.version = condition.version
    elif condition.exists is not None:
        found.exists = condition.exists
    elif isinstance(condition.value, str):
        found.value = condition.value
    elif condition.value is not None:
        found.blob = condition.value


def no_conditions(node_url: str) -> UnsupportedError:
    """The error of a conditional write that isn't sent: the node would carry it out in any case."""
    return UnsupportedError(
        "conditions",
        f"{node_url} runs a version without conditional writes; nothing was written. Upgrade all nodes first",
    )


def add_current(status: status_pb2.Status, error: BaseException, room: int) -> None:
    """Add a key's current record to the details of an error, if the error has it and it takes no more bytes
    than that.
    """
    if not isinstance(error, ConditionFailedError) or error.record is None:
        return
    record: Record = error.record
    current = kv_pb2.CurrentValue(version=record.version, expires_at_ms=record.expires_at)
    if isinstance(record.value, bytes):
        current.blob = record.value
    else:
        current.value = record.value or ""
    if current.ByteSize() <= room:
        status.details.add().Pack(current)


def take_current(error: LimeDBError, status: status_pb2.Status) -> None:
    """Give an error the record that is in its details, if there is one."""
    if not isinstance(error, ConditionFailedError):
        return
    current = kv_pb2.CurrentValue()
    for detail in status.details:
        with suppress(DecodeError):
            if detail.Unpack(current):
                value = current.blob if current.WhichOneof("content") == "blob" else current.value
                error.record = Record(error.key, value, current.version, current.expires_at_ms)
