"""Edits on their way: a request that changes a key based on its current value, and the answer to it.

It owns their form in a session. It must never retry one: the executor does.

Tested in tests/client/test_edits.py.
"""

from collections.abc import Sequence
from typing import Any

from typing_extensions import override

from limedb.client.batches import Writes, refusal
from limedb.client.outcomes import Answered, Edited, Outcome
from limedb.core.receipt import Receipt
from limedb.encoding.varint import head, varint
from limedbpb.v1 import kv_pb2, record_pb2

LEASE_OPERATIONS = ("grant_lease", "renew_lease", "revoke_lease", "lease_time_to_live")
_CONSISTENCY = b"\x28"  # the tag of the level, the same in all of them
_TAGS = {
    name: bytes(varint(kv_pb2.SessionRequest.DESCRIPTOR.fields_by_name[name].number << 3 | 2))
    for name in ("increment", "append", "get_and_set", "get_and_delete", "txn", *LEASE_OPERATIONS)
}


class Edits(Writes):
    """One edit. operation: its name in a SessionRequest. Its item is the bytes of that message, in which the
    idempotency key and the attempt have the same numbers as in a BatchWrite.
    """

    __slots__ = ("operation",)

    def __init__(self, operation: str, *args: Any) -> None:  # noqa: ANN401 (as Writes)
        super().__init__(*args)
        self.operation, self.depends = operation, True

    @override
    def request(self, number: int) -> bytes:
        (item,) = self.items
        begin = kv_pb2.SessionRequest(id=number, timeout_ms=self._milliseconds()).SerializeToString()
        level = _CONSISTENCY + varint(self.level) if self.level else b""
        return b"".join((begin, head(_TAGS[self.operation], len(item) + len(level)), item, level))

    @override
    def outcomes(self, address: str, response: kv_pb2.SessionResponse) -> Sequence[Outcome]:
        if not response.HasField(self.operation):
            raise refusal(address, response)
        answer = getattr(response, self.operation)
        return [edited(answer) if isinstance(answer, EditResponse) else Answered(answer)]


EditResponse = (
    kv_pb2.IncrementResponse | kv_pb2.AppendResponse | kv_pb2.GetAndSetResponse | kv_pb2.GetAndDeleteResponse
)


def edited(answer: EditResponse) -> Edited:
    """The outcome in an answer."""
    given: record_pb2.Receipt = answer.receipt
    receipt = Receipt(given.version, given.epoch, given.acked, given.replicas)
    if isinstance(answer, kv_pb2.IncrementResponse):
        return Edited(receipt, answer.value)
    if isinstance(answer, kv_pb2.AppendResponse):
        return Edited(receipt, answer.size)
    kind = answer.WhichOneof("previous")
    return Edited(receipt, None if kind is None else getattr(answer, kind))
