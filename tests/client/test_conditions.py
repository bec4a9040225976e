"""The arguments that name a condition: what they mean, and what makes no sense."""

from typing import Any

import pytest

from limedb.client.conditions import condition_of, depend
from limedb.client.outcomes import NoAnswer
from limedb.client.retrying_executor import PendingCall
from limedb.core.condition import Condition
from limedb.errors import ConditionFailedError, InvalidRequestError, OutcomeUnknownError
from limedb.wire.conditions import CuriousCondition
from limedbpb.v1 import kv_pb2


def of(**given: Any) -> CuriousCondition | None:
    named = {"if_version": None, "if_absent": False, "if_value": None, "if_exists": False, **given}
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
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidRequestError, match=text):
        of(**given)


def test_a_kept_life_is_the_only_one() -> None:
    job = PendingCall("k", kv_pb2.BatchWrite(key="k", value="v", ttl_ms=5))
    with pytest.raises(InvalidRequestError, match="key 'k' has keep_ttl and a ttl or an expires_at"):
        depend(job, None, keep_ttl=True)
    job = PendingCall("k", kv_pb2.BatchWrite(key="k", value="v"))
    depend(job, None, keep_ttl=True)
    assert job.write is not None
    assert job.write.keep_ttl
    assert not job.write.HasField("condition")


def test_a_write_that_depends_may_be_sent_again() -> None:
    job = PendingCall("k", kv_pb2.BatchWrite(key="k", value="v"))
    depend(job, of(if_absent=True))
    assert job.write is not None
    assert job.repeatable
    assert len(job.write.idempotency_key) == 16


@pytest.mark.parametrize(("given", "is_certain"), [({"if_version": 7}, True), ({"if_absent": True}, False)])
def test_a_failure_after_an_unknown_outcome_is_certain_only_where_it_stays_one(
    given: dict[str, Any], is_certain: bool
) -> None:
    """An earlier attempt that is still on its way may find the key absent again, but never at a version."""
    job = PendingCall("k", kv_pb2.BatchWrite(key="k", value="v"))
    depend(job, of(**given))
    job.take(NoAnswer("n:1", "lost", begun=True))
    job.take(ConditionFailedError("k", 9, 1))
    assert isinstance(job.error(), ConditionFailedError if is_certain else OutcomeUnknownError)
