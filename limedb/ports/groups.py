"""The form of the values in a group's register.

It owns the interface. It must never contain code that does anything.
"""

from collections.abc import Sequence
from typing import Protocol

from limedb.core.record import Record
from limedb.core.transactions import Judged


class GroupForm(Protocol):
    """Changes and answers as bytes, for the disk and for other nodes."""

    def change_bytes(self, records: Sequence[Record]) -> bytes:
        """The value of a register: the records that a change stores."""

    def change_in(self, value: str | bytes | None) -> list[Record]:
        """The records in the value of a register; none for an empty one. StoreCorruptError: it isn't such a
        value.
        """

    def outcome_bytes(self, judged: Judged) -> bytes:
        """The answer of a transaction as bytes; never empty."""

    def outcome_in(self, outcome: bytes) -> Judged:
        """The answer in bytes of `outcome_bytes`. StoreCorruptError: they aren't such bytes."""
