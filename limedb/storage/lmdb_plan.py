"""What a batch of records changes, given what is stored.

It owns the merge of a batch. It must never write: the plan is carried out by `lmdb_writer.py`.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from limedb.core.record import Record
from limedb.ports import Applied, Entry
from limedb.storage.codec import encode_once, key_bytes, peek
from limedb.storage.entries import checksum_of, pack
from limedb.storage.lmdb_layout import decode_for, index_key, is_long, stored_key
from limedb.storage.merging import Decision, decide

_KEEP: Decision = (False, 0, Applied(0, False))

Lookup = Callable[[bytes], bytes | None]
"""From a stored key to record bytes."""


class Item(NamedTuple):
    """A record in its stored form: key and data go to the main table. Or, without data, an entry to purge."""

    record: Record
    key: bytes
    data: bytes
    purged: Entry | None = None

    def index_key(self) -> bytes:
        """Its key in the tokens table."""
        return index_key(self.record.key, self.key)

    def index_entry(self) -> tuple[bytes, bytes]:
        """Its key and value in the tokens table."""
        return self.index_key(), pack(self.record, self.data)


class Plan(NamedTuple):
    """writes: what is to be put or purged, by stored key. answers: one for each item; of an entry to purge,
    existed says that it is purged. live_change: what to add to
    the count of keys with a value.
    """

    writes: dict[bytes, Item]
    answers: list[Applied]
    live_change: int


def items_of(records: Sequence[Record]) -> list[Item]:
    """Records in their stored form. InvalidKeyError, MalformedRequestError."""
    return [Item(record, stored_key(key_bytes(record.key)), encode_once(record), None) for record in records]


def purges_of(entries: Sequence[Entry]) -> list[Item]:
    """Entries to purge. InvalidKeyError, MalformedRequestError."""
    return [Item(Record(e.key, None, e.version), stored_key(key_bytes(e.key)), b"", e) for e in entries]


def plan(items: Sequence[Item], now_ms: int, lookup: Lookup) -> Plan:
    """Merge a batch with what is stored; of two records of one key the later sees the earlier's outcome.

    StoreCorruptError: what is stored is no record, or that of another key.
    """
    writes: dict[bytes, Item] = {}
    answers = []
    live_change = 0
    for item in items:
        before = writes.get(item.key)
        stored = before.data or None if before else lookup(item.key)
        replaces, change, applied = (
            _decide(item, stored, now_ms) if item.purged is None else _judge(item.purged, stored)
        )
        answers.append(applied)
        live_change += change
        if replaces:
            writes[item.key] = item
    return Plan(writes, answers, live_change)


def _decide(item: Item, stored: bytes | None, now_ms: int) -> Decision:
    key = item.record.key
    if stored is None:
        return decide(item.record, None, partial(decode_for, key, b""), now_ms)
    if is_long(item.key):
        decode_for(key, stored)  # two long keys with one digest must not overwrite each other
    return decide(item.record, peek(stored), partial(decode_for, key, stored), now_ms)


def _judge(entry: Entry, stored: bytes | None) -> Decision:
    """Whether what is stored is still what is to be purged."""
    header = None if stored is None else peek(stored)
    if stored is None or header is None or header.version != entry.version:
        return _KEEP
    if checksum_of(stored) != entry.checksum:
        return _KEEP
    return True, header.is_tombstone - 1, Applied(0, True)
