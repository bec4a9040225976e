"""Transactions in messages, and their answers."""

import pytest

from limedb.core.condition import Condition
from limedb.core.edits import Increment
from limedb.core.record import Record
from limedb.core.transactions import Judged, StepOutcome
from limedb.errors import InvalidRequestError
from limedb.replication.groups.transaction import Comparison, Lookup
from limedb.replication.requests import Write, Written
from limedb.wire.transactions import transaction_from, txn_response
from limedbpb.v1 import kv_pb2

KEY = b"\x01" * 16


def test_each_part_of_a_request_has_its_meaning() -> None:
    request = kv_pb2.TxnRequest(
        compare=[
            kv_pb2.TxnCompare(key="{a}1", condition=kv_pb2.Condition(version=7)),
            kv_pb2.TxnCompare(key="{a}2"),
        ],
        success=[
            kv_pb2.TxnStep(set=kv_pb2.TxnSet(key="{a}1", value="x", ttl_ms=5)),
            kv_pb2.TxnStep(set=kv_pb2.TxnSet(key="{a}2", blob=b"", keep_ttl=True)),
            kv_pb2.TxnStep(set=kv_pb2.TxnSet(key="{a}3", value="", expires_at_ms=9)),
            kv_pb2.TxnStep(delete="{a}4"),
            kv_pb2.TxnStep(get="{a}1"),
        ],
        failure=[
            kv_pb2.TxnStep(increment=kv_pb2.TxnIncrement(key="{a}5")),
            kv_pb2.TxnStep(increment=kv_pb2.TxnIncrement(key="{a}6", by=0, initial=-4, ttl_ms=3)),
        ],
        idempotency_key=KEY,
        attempt=2,
    )
    wanted = transaction_from(request)
    assert wanted.comparisons == (Comparison("{a}1", Condition(version=7)), Comparison("{a}2", Condition()))
    assert wanted.success == (
        Write("{a}1", "x", 5),
        Write("{a}2", b"", keep_ttl=True),
        Write("{a}3", "", expires_at_ms=9),
        Write("{a}4", None),
        Lookup("{a}1"),
    )
    assert wanted.failure == (
        Write("{a}5", "1", edit=Increment(1)),
        Write("{a}6", "-4", 3, edit=Increment(0)),
    )
    assert (wanted.idempotency_key, wanted.attempt) == (KEY, 2)
    assert wanted.keys == [f"{{a}}{n}" for n in range(1, 7)]


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (kv_pb2.TxnStep(), r"success\[1\] names no step"),
        (kv_pb2.TxnStep(set=kv_pb2.TxnSet(key="{a}1")), r"success\[1\]: no content for key '\{a\}1'"),
    ],
    ids=["no step", "no content"],
)
def test_a_step_that_names_nothing_is_refused_with_its_place(step: kv_pb2.TxnStep, text: str) -> None:
    with pytest.raises(InvalidRequestError, match=text):
        transaction_from(kv_pb2.TxnRequest(success=[kv_pb2.TxnStep(get="{a}1"), step]))


def test_each_outcome_of_a_step_is_shown() -> None:
    steps = (
        StepOutcome(True),
        StepOutcome(False, "5"),
        StepOutcome(True, None, Record("{a}1", "ä", 7, 9)),
        StepOutcome(True, None, Record("{a}2", b"\xff", 8)),
        StepOutcome(False),
    )
    answer = txn_response(Judged(True, steps), Written(11, False, 2, 3, 4))
    assert answer.succeeded
    assert answer.responses == [
        kv_pb2.TxnResult(existed=True),
        kv_pb2.TxnResult(value="5"),
        kv_pb2.TxnResult(existed=True, value="ä", version=7, expires_at_ms=9),
        kv_pb2.TxnResult(existed=True, blob=b"\xff", version=8),
        kv_pb2.TxnResult(),
    ]
    assert (answer.receipt.version, answer.receipt.acked, answer.receipt.replicas) == (11, 2, 3)
    assert not txn_response(Judged(False, ()), None).HasField("receipt")
