"""Conditions in messages, there and back; and what a key has, in the details of an error."""

import pytest

from limedb.core.condition import Condition
from limedb.core.record import Record
from limedb.errors import ConditionFailedError, KeyNotFoundError
from limedb.wire.conditions import CuriousCondition, condition_from, require
from limedb.wire.status import item_error, status_of
from limedbpb.v1 import kv_pb2

CONDITIONS = [
    Condition(version=0),
    Condition(version=(1 << 64) - 1),
    Condition(value=""),
    Condition(value="v"),
    Condition(value=b""),
    Condition(value=b"\xff"),
    Condition(exists=True),
    Condition(exists=False),
]


@pytest.mark.parametrize("kind", [kv_pb2.SetRequest, kv_pb2.DeleteRequest, kv_pb2.BatchWrite])
@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_condition_arrives_as_it_was_sent(
    kind: type[kv_pb2.SetRequest | kv_pb2.DeleteRequest | kv_pb2.BatchWrite], condition: Condition
) -> None:
    for sent in condition, CuriousCondition(*condition):
        message = kind(key="k")
        require(message, sent)
        arrived = condition_from(kind.FromString(message.SerializeToString()))
        assert arrived == condition
        assert type(arrived) is type(sent)
        assert arrived is not None
        assert type(arrived.value) is type(condition.value)


def test_a_write_without_a_condition_has_none_and_an_empty_one_names_nothing() -> None:
    assert condition_from(kv_pb2.SetRequest(key="k")) is None
    assert condition_from(kv_pb2.SetRequest(key="k", condition=kv_pb2.Condition())) == Condition()


@pytest.mark.parametrize("value", ["", "v", b"", b"\xff"])
def test_an_error_carries_what_the_key_has(value: str | bytes) -> None:
    error = ConditionFailedError("k", 7, 1, "version 5")
    error.record = Record("k", value, 7, 9000)
    arrived = item_error("n:1", status_of(error), kv_pb2.Failure())
    assert isinstance(arrived, ConditionFailedError)
    assert (arrived.key, arrived.version, arrived.exists) == ("k", 7, 1)
    assert arrived.record == error.record
    assert arrived.value == value


def test_an_error_without_a_value_carries_the_version_alone() -> None:
    arrived = item_error("n:1", status_of(ConditionFailedError("k", 7, 1, "version 5")), kv_pb2.Failure())
    assert isinstance(arrived, ConditionFailedError)
    assert (arrived.version, arrived.record, arrived.value) == (7, None, None)


def test_a_value_that_is_too_large_for_an_error_is_left_out() -> None:
    error = ConditionFailedError("k", 7, 1, "version 5")
    error.record = Record("k", "x" * 2000, 7)
    assert len(status_of(error, room=1024).details) == 1
    assert len(status_of(error, room=4096).details) == 2


def test_other_errors_have_no_such_detail() -> None:
    assert len(status_of(KeyNotFoundError("k")).details) == 1
