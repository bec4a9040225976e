"""The values of a group's register, and the answers that it remembers, as bytes.

It owns both directions. It must never judge a change: `replication/groups` does.
"""

from collections.abc import Sequence

from google.protobuf.message import DecodeError

from limedb.core.edits import recalled, remembered
from limedb.core.record import Record
from limedb.core.transactions import Judged, StepOutcome
from limedb.encoding.record import from_message, received, to_message
from limedb.errors import StoreCorruptError
from limedbpb.v1 import group_pb2


class GroupMessages:
    """Changes and answers as messages of proto/limedbpb/v1/group.proto (`ports.GroupForm`)."""

    def change_bytes(self, records: Sequence[Record]) -> bytes:
        """The value of a register: the records that a change stores."""
        return group_pb2.GroupChange(records=map(to_message, records)).SerializeToString()

    def change_in(self, value: str | bytes | None) -> list[Record]:
        """The records in the value of a register; none for an empty one. StoreCorruptError: it has none."""
        if not value:
            return []
        try:
            message = group_pb2.GroupChange.FromString(value if isinstance(value, bytes) else value.encode())
        except DecodeError:
            raise StoreCorruptError("the register of a group holds no change") from None
        return [received(record.SerializeToString()) for record in message.records]

    def outcome_bytes(self, judged: Judged) -> bytes:
        """The answer of a change as bytes; never empty."""
        message = group_pb2.GroupOutcome(succeeded=judged.succeeded)
        for step in judged.steps:
            found = to_message(step.found) if step.found is not None else None
            answer = b"" if step.answer is None else remembered(step.answer)
            message.steps.add(existed=step.existed, answer=answer, found=found)
        return b"g" + message.SerializeToString()

    def outcome_in(self, outcome: bytes) -> Judged:
        """The answer in bytes of `outcome_bytes`. StoreCorruptError: they aren't such bytes."""
        try:
            message = group_pb2.GroupOutcome.FromString(outcome[1:])
        except DecodeError:
            raise StoreCorruptError("the register of a group remembers no answer") from None
        steps = [
            StepOutcome(
                step.existed,
                recalled(step.answer) if step.answer else None,
                from_message(step.found) if step.HasField("found") else None,
            )
            for step in message.steps
        ]
        return Judged(message.succeeded, tuple(steps))
