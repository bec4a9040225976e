"""The arguments that name a condition: what they mean, and what makes no sense."""

from typing import Any

import pytest

from limedb.client.batch_bytes import storing
from limedb.client.conditions import UNGIVEN, condition_of, depending
from limedb.client.outcomes import NoAnswer
from limedb.client.retrying_executor import PendingCall, new_key
from limedb.core.condition import Condition
from limedb.errors import ConditionFailedError, InvalidRequestError, OutcomeUnknownError
from limedb.wire.conditions import CuriousCondition
from limedbpb.v1 import kv_pb2


def of(**given: Any) -> CuriousCondition | None:
    named = {"if_version": UNGIVEN, "if_absent": False, "if_value": UNGIVEN, "if_exists": False, **given}
    return condition_of("k", **named)


@pytest.mark.parametrize(
    ("given", "condition"),
    [
        ({}, None),
        ({"if_version": 0}, Condition(version=0)),
        ({"if_version": (1 << 64) - 1}, Condition(version=(1 << 64) - 1)),
        ({"if_absent": True}, Condition(exists=False)),
        ({"if_exists": True}, Condition(exists=True)),
        ({"if_value": ""}, Condition(value="")),
        ({"if_value": b"\xff"}, Condition(value=b"\xff")),
    ],
)
def test_arguments_name_a_condition(given: dict[str, Any], condition: Condition | None) -> None:
    assert of(**given) == condition


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"if_version": 1, "if_absent": True}, "key 'k' has if_version and if_absent: give one of them"),
        ({"if_value": "", "if_exists": True}, "key 'k' has if_value and if_exists: give one of them"),
        ({"if_version": -1}, "if_version=-1: must be a whole number from 0 to 18446744073709551615"),
        ({"if_version": 1 << 64}, "if_version=18446744073709551616: must be a whole number"),
        ({"if_version": True}, "if_version=True: must be a whole number"),
        ({"if_version": "7"}, "if_version='7': must be a whole number"),
        ({"if_absent": 1}, "if_absent=1: must be True or False"),
        ({"if_value": 5}, "must be a str or bytes"),
        ({"if_value": None}, "key 'k' has if_value=None; if it is to have no value"),
        ({"if_version": None}, "key 'k' has if_version=None; if it is to have no value"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidRequestError, match=text):
        of(**given)


def depending_on(condition: Any, keep_ttl: bool = False, has_life: bool = False) -> kv_pb2.BatchWrite:
    """The write of a value that depends on what its key has."""
    return kv_pb2.BatchWrite.FromString(depending("k", storing("k", "v", 0), condition, keep_ttl, has_life))


def test_a_kept_life_is_the_only_one() -> None:
    with pytest.raises(InvalidRequestError, match="key 'k' has keep_ttl and a ttl or an expires_at"):
        depending_on(None, keep_ttl=True, has_life=True)
    write = depending_on(None, keep_ttl=True)
    assert write.keep_ttl
    assert not write.HasField("condition")


def test_a_write_keeps_its_value_beside_its_condition() -> None:
    write = depending_on(of(if_version=7))
    assert (write.key, write.value, write.condition.version, write.keep_ttl) == ("k", "v", 7, False)


@pytest.mark.parametrize(("version", "is_certain"), [(7, True), (0, False)])
def test_a_failure_after_an_unknown_outcome_is_certain_only_where_it_stays_one(
    version: int, is_certain: bool
) -> None:
    """An earlier attempt that is still on its way may find the key absent again, but never at a version."""
    job = PendingCall("k", storing("k", "v", 0), new_key(), version=version)
    job.take(NoAnswer("n:1", "lost", begun=True))
    job.take(ConditionFailedError("k", 9, 1, "version 5"))
    assert isinstance(job.error(), ConditionFailedError if is_certain else OutcomeUnknownError)
