"""What callers learn where a condition doesn't hold."""

from limedb.core.condition import Condition
from limedb.core.record import Record
from limedb.errors import ConditionFailedError, KeyNotFoundError
from limedb.replication.requests import Write, Written
from limedb.rpc.server.outcomes import BATCH_BYTES, as_shown, batch_as_shown, trailers_of
from limedb.wire.conditions import CuriousCondition


def failed(value: str = "now") -> ConditionFailedError:
    error = ConditionFailedError("k", 7, 1, "version 5")
    error.record = Record("k", value, 7)
    return error


def test_only_who_asks_gets_the_value() -> None:
    assert as_shown(failed(), Condition(version=1)).value is None
    assert as_shown(failed(), None).value is None
    assert as_shown(failed(), CuriousCondition(version=1)).value == "now"


def test_each_item_of_a_batch_is_answered_as_it_asks() -> None:
    plain, curious = Condition(version=1), CuriousCondition(version=1)
    writes = [Write("a", "x", condition=plain), Write("b", "x", condition=curious), Write("c", "x")]
    outcomes = batch_as_shown(writes, [failed(), failed(), Written(1, False, 1, 1)])
    assert [getattr(outcome, "value", None) for outcome in outcomes] == [None, "now", None]


def test_a_batch_has_values_up_to_its_limit() -> None:
    writes = [Write(str(n), "x", condition=CuriousCondition(version=1)) for n in range(3)]
    outcomes = batch_as_shown(writes, [failed("v" * (BATCH_BYTES // 2)) for _ in range(3)])
    assert [bool(getattr(outcome, "value", None)) for outcome in outcomes] == [True, True, False]


def test_envoy_learns_of_a_failed_condition_and_of_the_version() -> None:
    assert trailers_of(failed()) == (("limedb-condition", "failed"), ("etag", '"7"'))
    assert trailers_of(ConditionFailedError("k", 0, 0, "version 5")) == (("limedb-condition", "failed"),)
    assert trailers_of(KeyNotFoundError("k")) == ()
