"""What a batch of records changes, given what is stored.

It owns the merge of a batch. It must never write: the plan is carried out by `lmdb_writer.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from limedb.core.record import Record
from limedb.core.ring import token_of
from limedb.ports import Applied
from limedb.storage.codec import encode, key_bytes, peek
from limedb.storage.lmdb_layout import decode_for, is_long, number, stored_key
from limedb.storage.merging import Decision, decide

Lookup = Callable[[bytes], bytes | None]
"""From a stored key to record bytes."""


class Item(NamedTuple):
    """A record in its stored form: key and data go to the main table."""

    record: Record
    key: bytes
    data: bytes

    def index_entry(self) -> tuple[bytes, bytes]:
        """Its key and value in the tokens table."""
        return number(token_of(self.record.key)) + self.key, number(self.record.version)


@dataclass(frozen=True, slots=True)
class Plan:
    """writes: what is to be put, by stored key. answers: one for each record. live_change: what to add to
    the count of keys with a value.
    """

    writes: dict[bytes, Item]
    answers: list[Applied]
    live_change: int


def items_of(records: Sequence[Record]) -> list[Item]:
    """Records in their stored form. InvalidKeyError, MalformedRequestError."""
    return [Item(record, stored_key(key_bytes(record.key)), encode(record)) for record in records]


def plan(items: Sequence[Item], now_ms: int, lookup: Lookup) -> Plan:
    """Merge a batch with what is stored; of two records of one key the later sees the earlier's outcome.

    StoreCorruptError: what is stored is no record, or that of another key.
    """
    writes: dict[bytes, Item] = {}
    answers = []
    live_change = 0
    for item in items:
        before = writes.get(item.key)
        decision = _decide(item, before.data if before else lookup(item.key), now_ms)
        answers.append(decision.applied)
        live_change += decision.live_change
        if decision.replaces:
            writes[item.key] = item
    return Plan(writes, answers, live_change)


def _decide(item: Item, stored: bytes | None, now_ms: int) -> Decision:
    key = item.record.key
    if stored is None:
        return decide(item.record, None, partial(decode_for, key, b""), now_ms)
    if is_long(item.key):
        decode_for(key, stored)  # two long keys with one digest must not overwrite each other
    return decide(item.record, peek(stored), partial(decode_for, key, stored), now_ms)
