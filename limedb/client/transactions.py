"""Transactions: keys of one group that change together, if all comparisons hold.

It owns the steps that are gathered until the commit, and their form in a request. It must never send
anything.

Tested in tests/client/test_transactions.py.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple, Self

from limedb.client.arguments import (
    Duration,
    Moment,
    Value,
    check_key,
    check_value,
    flag,
    milliseconds,
    moment_ms,
    whole_number,
)
from limedb.client.conditions import UNGIVEN, Ungiven, condition_of
from limedb.client.outcomes import Entry
from limedb.core.edits import LEAST_NUMBER, MOST_NUMBER
from limedb.core.receipt import Receipt
from limedb.core.record import value_size
from limedb.errors import InvalidRequestError, brief
from limedb.wire.conditions import require
from limedbpb.v1 import kv_pb2

StepResult = Entry | int | bool | None
"""The result of a get: the entry, None where the key has no value; of an increment: the sum; of a set or a
delete: whether the key had a value before.
"""


class TransactionResult(NamedTuple):
    """The result of a transaction; true if it succeeded.

    succeeded: whether all comparisons held, so that the steps of success were taken. results: of the steps
    that were taken, in their order. receipt: of the write, whose version all written keys have; None: nothing
    was written.
    """

    succeeded: bool
    results: tuple[StepResult, ...]
    receipt: Receipt | None

    def __bool__(self) -> bool:
        return self.succeeded


class Steps:
    """Comparisons and steps, in the order in which they are named. Those after `otherwise` are for the case
    that a comparison doesn't hold. All keys have the same tag, which is the text between the first { and the
    next }, as in {cart:7}items. All steps see what was there before the transaction.
    """

    def __init__(self) -> None:
        self._request = kv_pb2.TxnRequest()
        self._is_otherwise = False
        self._keys: list[str] = []

    def when(
        self,
        key: str,
        *,
        version: int | Ungiven = UNGIVEN,
        absent: bool = False,
        value: Value | Ungiven = UNGIVEN,
        exists: bool = False,
    ) -> Self:
        """The steps of success are taken only if a key has this version (0: no value), no value, this value,
        or any value.
        """
        check_key(key)
        condition = condition_of(key, version, absent, value, exists, begin="")
        if condition is None:
            raise InvalidRequestError(
                f"key {brief(key)} is compared with nothing: give version, absent, value or exists"
            )
        require(self._request.compare.add(key=key), condition)
        self._keys.append(key)
        return self

    def set(
        self,
        key: str,
        value: Value,
        ttl: Duration | None = None,
        *,
        expires_at: Moment | None = None,
        keep_ttl: bool = False,
    ) -> Self:
        """Store a value; arguments as those of `Client.set`. Its result is whether the key had a value."""
        check_key(key)
        check_value(key, value)
        step = kv_pb2.TxnSet(key=key, ttl_ms=milliseconds(ttl), keep_ttl=flag("keep_ttl", keep_ttl))
        step.expires_at_ms = 0 if expires_at is None else moment_ms(expires_at)
        if (step.ttl_ms > 0) + (step.expires_at_ms > 0) + step.keep_ttl > 1:
            raise InvalidRequestError(f"key {brief(key)}: give one of ttl, expires_at and keep_ttl")
        if isinstance(value, str):
            step.value = value
        else:
            step.blob = value
        return self._add(key, kv_pb2.TxnStep(set=step))

    def delete(self, key: str) -> Self:
        """Delete a key. Its result is whether the key had a value."""
        check_key(key)
        return self._add(key, kv_pb2.TxnStep(delete=key))

    def get(self, key: str) -> Self:
        """Read a key. Its result is the entry, or None where the key has no value."""
        check_key(key)
        return self._add(key, kv_pb2.TxnStep(get=key))

    def increment(self, key: str, by: int = 1, *, initial: int = 0, ttl: Duration | None = None) -> Self:
        """Add to a counter; arguments as those of `Client.increment`. Its result is the sum."""
        check_key(key)
        step = kv_pb2.TxnIncrement(
            key=key,
            by=whole_number("by", by, LEAST_NUMBER, MOST_NUMBER),
            initial=whole_number("initial", initial, LEAST_NUMBER, MOST_NUMBER),
            ttl_ms=milliseconds(ttl),
        )
        return self._add(key, kv_pb2.TxnStep(increment=step))

    def otherwise(self) -> Self:
        """Add all further steps for the case that a comparison fails. InvalidRequestError: it was already
        called.
        """
        if self._is_otherwise:
            raise InvalidRequestError("a transaction has two otherwise(): give one")
        self._is_otherwise = True
        return self

    def _add(self, key: str, step: kv_pb2.TxnStep) -> Self:
        (self._request.failure if self._is_otherwise else self._request.success).append(step)
        self._keys.append(key)
        return self

    def _result(self, answer: kv_pb2.TxnResponse) -> TransactionResult:
        steps = self._request.success if answer.succeeded else self._request.failure
        found = tuple(map(_step_result, steps, answer.responses))
        given = answer.receipt
        receipt = Receipt(given.version, given.epoch, given.acked, given.replicas)
        return TransactionResult(answer.succeeded, found, receipt if answer.HasField("receipt") else None)

    @property
    def _first_key(self) -> str:
        if not self._keys:
            raise InvalidRequestError("a transaction names no key: give it comparisons or steps")
        return self._keys[0]


Send = Callable[[str, kv_pb2.TxnRequest, Duration | None], Awaitable[kv_pb2.TxnResponse]]
"""Sends a transaction, given its first key, until it has an outcome."""


class Transaction(Steps):
    """A transaction that `Client.txn` has begun."""

    def __init__(self, send: Send) -> None:
        super().__init__()
        self._send = send

    async def commit(self, *, timeout: Duration | None = None) -> TransactionResult:
        """Carry it out, once, however often it is sent. InvalidRequestError: its keys don't have one tag, for
        example; EditRefusedError: a key has no counter; then nothing was written. OutcomeUnknownError: it may
        have taken effect.
        """
        return self._result(await self._send(self._first_key, self._request, timeout))


class SyncTransaction(Steps):
    """A transaction that `SyncClient.txn` has begun."""

    def __init__(self, send: Callable[[str, kv_pb2.TxnRequest, Duration | None], kv_pb2.TxnResponse]) -> None:
        super().__init__()
        self._send = send

    def commit(self, *, timeout: Duration | None = None) -> TransactionResult:
        """See Transaction.commit."""
        return self._result(self._send(self._first_key, self._request, timeout))


def reads_only(request: kv_pb2.TxnRequest) -> bool:
    """Return whether a transaction never writes."""
    return all(step.WhichOneof("step") == "get" for step in (*request.success, *request.failure))


def _step_result(step: kv_pb2.TxnStep, result: kv_pb2.TxnResult) -> StepResult:
    kind = step.WhichOneof("step")
    if kind == "increment":
        return int(result.value)
    if kind != "get":
        return result.existed
    if not result.existed:
        return None
    value = result.blob if result.WhichOneof("content") == "blob" else result.value
    return Entry(step.get, value, value_size(value), result.version, result.expires_at_ms)
