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
from limedb.storage.lmdb_layout import PREFIX_SIZE, decode_for, index_key, is_long, stored_key
from limedb.storage.merging import Decision, decide, first, newer

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


_new_item = tuple.__new__  # the same as Item(...), in half of its time


def items_of(records: Sequence[Record]) -> list[Item]:
    """Records in their stored form. InvalidKeyError, MalformedRequestError."""
    items = []
    for record in records:
        data = encode_once(record)  # which sees that the key is UTF-8
        key = record[0].encode() or key_bytes("")
        items.append(
            _new_item(Item, (record, key if len(key) <= PREFIX_SIZE else stored_key(key), data, None))
        )
    return items


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
        record, key, _, purged = item
        before = writes.get(key)
        stored = before.data or None if before else lookup(key)
        if purged is not None:
            replaces, change, applied = _judge(purged, stored)
        elif stored is None:
            replaces, change, applied = first(record)
        else:
            replaces, change, applied = _decide(record, key, stored, now_ms)
        answers.append(applied)
        live_change += change
        if replaces:
            writes[key] = item
    return Plan(writes, answers, live_change)


def _decide(record: Record, key: bytes, stored: bytes, now_ms: int) -> Decision:
    if is_long(key):
        decode_for(record.key, stored)  # two long keys with one digest must not overwrite each other
    header = peek(stored)
    if record[2] > header[0]:
        return newer(record, *header, now_ms)
    return decide(record, header, partial(decode_for, record.key, stored), now_ms)


def _judge(entry: Entry, stored: bytes | None) -> Decision:
    """Whether what is stored is still what is to be purged."""
    header = None if stored is None else peek(stored)
    if stored is None or header is None or header.version != entry.version:
        return _KEEP
    if checksum_of(stored) != entry.checksum:
        return _KEEP
    return True, header.is_tombstone - 1, Applied(0, True)
