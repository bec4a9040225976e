"""The calls that change a key by what it has, in one round trip: the nodes do it.

It owns these calls of the client, and what their arguments may be. It must never know of streams.

Tested in tests/client/test_edits.py.
"""

from time import monotonic
from typing import cast

from limedb.client.arguments import (
    Consistency,
    Duration,
    Value,
    check_key,
    check_value,
    flag,
    level_of,
    milliseconds,
    seconds_of,
    whole_number,
)
from limedb.client.feed_calls import FeedCalls
from limedb.client.outcomes import Answered, Edited, Outcome
from limedb.client.retrying_executor import PendingCall, new_key
from limedb.client.transactions import Transaction, reads_only
from limedb.core.edits import LEAST_NUMBER, MOST_NUMBER
from limedb.errors import InvalidRequestError, brief
from limedbpb.v1 import kv_pb2

Message = (
    kv_pb2.IncrementRequest | kv_pb2.AppendRequest | kv_pb2.GetAndSetRequest | kv_pb2.GetAndDeleteRequest
)


class EditCalls(FeedCalls):
    """The part of a client that changes keys based on their current values. Each call takes effect once,
    however often it is sent, and a majority of the key's replicas decides it. EditRefusedError: the value
    doesn't allow this change; nothing was written. OutcomeUnknownError: it may have taken effect.
    """

    async def increment(
        self,
        key: str,
        by: int = 1,
        *,
        initial: int = 0,
        ttl: Duration | None = None,
        consistency: Consistency = None,
        timeout: Duration | None = None,
    ) -> int:
        """Add to the counter under a key; return the sum. A counter is a whole number of 64 bits, as text in
        decimal digits. initial: the number to add to where the key has no value; ttl: how long the value then
        lives. An existing value keeps its expiry.
        """
        check_key(key)
        request = kv_pb2.IncrementRequest(
            key=key,
            by=whole_number("by", by, LEAST_NUMBER, MOST_NUMBER),
            initial=whole_number("initial", initial, LEAST_NUMBER, MOST_NUMBER),
            ttl_ms=milliseconds(ttl),
        )
        return cast("int", await self._edit("increment", request, consistency, timeout))

    async def append(
        self,
        key: str,
        value: Value,
        *,
        ttl: Duration | None = None,
        consistency: Consistency = None,
        timeout: Duration | None = None,
    ) -> int:
        """Add text to the end of a text, or bytes to the end of bytes; return the size afterwards, in bytes.
        ttl: as in `increment`.
        """
        check_key(key)
        check_value(key, value)
        request = kv_pb2.AppendRequest(key=key, ttl_ms=milliseconds(ttl))
        _fill(request, value)
        return cast("int", await self._edit("append", request, consistency, timeout))

    async def get_and_set(
        self,
        key: str,
        value: Value,
        ttl: Duration | None = None,
        *,
        keep_ttl: bool = False,
        consistency: Consistency = None,
        timeout: Duration | None = None,
    ) -> Value | None:
        """Store a value; return the previous one, None where there was none. ttl, keep_ttl: as in `set`. Both
        values together may be no larger than one value may be, since the previous one is kept for repeated
        answers.
        """
        check_key(key)
        check_value(key, value)
        request = kv_pb2.GetAndSetRequest(
            key=key, ttl_ms=milliseconds(ttl), keep_ttl=flag("keep_ttl", keep_ttl)
        )
        if request.keep_ttl and request.ttl_ms:
            raise InvalidRequestError(f"key {brief(key)} has keep_ttl and a ttl: give one of them")
        _fill(request, value)
        return cast("Value | None", await self._edit("get_and_set", request, consistency, timeout))

    async def get_and_delete(
        self, key: str, *, consistency: Consistency = None, timeout: Duration | None = None
    ) -> Value | None:
        """Delete a key; return the value that it had, None where it had none."""
        check_key(key)
        request = kv_pb2.GetAndDeleteRequest(key=key)
        return cast("Value | None", await self._edit("get_and_delete", request, consistency, timeout))

    def txn(self) -> Transaction:
        """Return a transaction over keys of one group: add comparisons and steps, then commit it.

        await db.txn().when("{cart:7}total", value="3").set("{cart:7}total", "4").commit()
        """
        return Transaction(self.transact)

    async def transact(
        self, key: str, request: kv_pb2.TxnRequest, timeout: Duration | None = None
    ) -> kv_pb2.TxnResponse:
        """Send a transaction until it has an outcome; return the answer. key: one of its keys. Use `txn`."""
        is_read = reads_only(request)
        outcome = await self._carry_out("txn", key, request.SerializeToString(), None, timeout, is_read)
        return cast("kv_pb2.TxnResponse", cast("Answered", outcome).answer)

    async def _edit(
        self, operation: str, request: Message, consistency: Consistency, timeout: Duration | None
    ) -> int | Value | None:
        """Send an edit until it has an outcome; return its answer."""
        data = request.SerializeToString()
        outcome = await self._carry_out(operation, request.key, data, consistency, timeout)
        return cast("Edited", outcome).answer

    async def _carry_out(
        self,
        operation: str,
        key: str,
        data: bytes,
        consistency: Consistency,
        timeout: Duration | None,
        is_read: bool = False,
    ) -> Outcome:
        """Send a change until it has an outcome. data: its message. is_read: it changes nothing."""
        level = self._level if consistency is None else level_of(consistency)
        limit = self._timeout if timeout is None else seconds_of(timeout)
        executor = self._opened()
        once = b"" if is_read else new_key()
        job = PendingCall(key, data, once, monotonic(), version=0, operation=operation, is_read=is_read)
        await executor.carry([job], level, executor.time() + limit)
        if (error := job.error()) is not None:
            raise error
        return job.outcome


def _fill(request: kv_pb2.AppendRequest | kv_pb2.GetAndSetRequest, value: Value) -> None:
    if isinstance(value, str):
        request.value = value
    else:
        request.blob = value
