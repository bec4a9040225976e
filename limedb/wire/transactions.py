"""Transactions in messages, and their answers.

It owns both, for nodes. It must never decide which transactions are allowed: `rpc/server/checks.py` does.

Tested in tests/wire/test_transactions.py.
"""

from collections.abc import Iterable

from limedb.core.condition import Condition
from limedb.core.edits import Increment
from limedb.core.transactions import Judged, StepOutcome
from limedb.errors import InvalidRequestError
from limedb.replication.groups.transaction import Comparison, Lookup, Step, Transaction
from limedb.replication.requests import Write, Written
from limedb.wire.conditions import condition_from
from limedb.wire.kv import receipt
from limedbpb.v1 import kv_pb2


def transaction_from(request: kv_pb2.TxnRequest) -> Transaction:
    """The transaction that a Txn requests. InvalidRequestError: a step names nothing."""
    return Transaction(
        tuple(Comparison(one.key, condition_from(one) or Condition()) for one in request.compare),
        _steps("success", request.success),
        _steps("failure", request.failure),
        request.idempotency_key,
        request.attempt,
    )


def txn_response(judged: Judged, written: Written | None) -> kv_pb2.TxnResponse:
    """The answer to a transaction."""
    return kv_pb2.TxnResponse(
        succeeded=judged.succeeded,
        responses=[_result(step) for step in judged.steps],
        receipt=None if written is None else receipt(written),
    )


def _steps(name: str, steps: Iterable[kv_pb2.TxnStep]) -> tuple[Step, ...]:
    return tuple(_step(f"{name}[{place}]", step) for place, step in enumerate(steps))


def _step(place: str, step: kv_pb2.TxnStep) -> Step:
    match step.WhichOneof("step"):
        case "set":
            return _set(place, step.set)
        case "delete":
            return Write(step.delete, None)
        case "get":
            return Lookup(step.get)
        case "increment":
            given = step.increment
            by = given.by if given.HasField("by") else 1
            return Write(given.key, str(given.initial + by), given.ttl_ms, edit=Increment(by))
        case _:
            raise InvalidRequestError(f"{place} names no step: give set, delete, get or increment")


def _set(place: str, given: kv_pb2.TxnSet) -> Write:
    kind = given.WhichOneof("content")
    if kind is None:
        raise InvalidRequestError(
            f"{place}: no content for key {given.key!r}: set value (text) or blob (bytes)"
        )
    value = given.blob if kind == "blob" else given.value
    return Write(given.key, value, given.ttl_ms, expires_at_ms=given.expires_at_ms, keep_ttl=given.keep_ttl)


def _result(step: StepOutcome) -> kv_pb2.TxnResult:
    answer = kv_pb2.TxnResult(existed=step.existed)
    value = step.answer
    if step.found is not None:
        value, answer.version, answer.expires_at_ms = (
            step.found.value,
            step.found.version,
            step.found.expires_at,
        )
    if isinstance(value, bytes):
        answer.blob = value
    elif value is not None:
        answer.value = value
    return answer
