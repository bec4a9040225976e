"""The changes that a batch of records makes to the stored ones.

It owns the merge of a batch. It must never write: `writer.py` carries out the plan.

Tested in tests/storage/test_checkpoints.py.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, cast

from limedb.core.record import Record
from limedb.encoding.record import encode_all, key_bytes, peek
from limedb.errors import RecordDamagedError
from limedb.ports import Applied, IndexEntry
from limedb.storage.entries import checksum_of, pack
from limedb.storage.lmdb.layout import (
    PREFIX_SIZE,
    decode_for,
    foreign_key,
    index_key,
    is_long,
    stored_key,
    token_prefix,
)
from limedb.storage.lmdb.sound import UnsoundError
from limedb.storage.merge import Decision, decide, first, newer

_KEEP: Decision = (False, 0, Applied(0, False))


class EncodedRecord(NamedTuple):
    """A record in its stored form, whose key and data go to the main table; or, without data, an entry to
    purge.
    """

    record: Record
    key: bytes
    data: bytes
    purged: IndexEntry | None = None

    def index_key(self) -> bytes:
        """Its key in the tokens table."""
        return index_key(self.record.key, self.key)

    def index_entry(self) -> tuple[bytes, bytes]:
        """Its key and value in the tokens table."""
        record, key, data, _ = self
        place = token_prefix(key) + key if len(key) <= PREFIX_SIZE else index_key(record[0], key)
        return place, pack(record, data)


Lookup = Callable[[bytes, str], EncodedRecord | bytes | None]
"""Takes a stored key and its whole key, and returns the stored record: an item that isn't in the tables yet,
or verified record bytes. UnsoundError: the record is damaged.
"""


class WritePlan(NamedTuple):
    """The outcome of a merge."""

    writes: dict[bytes, EncodedRecord]
    """The items to put or purge, by stored key."""
    answers: list[Applied]
    """One for each item; for an entry to purge, `existed` means that it is purged."""
    live_change: int
    """The change of the count of keys with a value."""
    conflicts: tuple[str, ...] = ()
    """Keys that have another stored record with the same version."""


_new_item = tuple.__new__  # the same as EncodedRecord(...), in half of its time


def items_of(records: Sequence[Record]) -> list[EncodedRecord]:
    """Records in their stored form. InvalidKeyError, MalformedRequestError."""
    return [
        _new_item(EncodedRecord, (record, key if len(key) <= PREFIX_SIZE else stored_key(key), data, None))
        for record, (key, data) in zip(records, encode_all(records), strict=True)
    ]


def purges_of(entries: Sequence[IndexEntry]) -> list[EncodedRecord]:
    """Entries to purge. InvalidKeyError, MalformedRequestError."""
    return [
        EncodedRecord(Record(e.key, None, e.version), stored_key(key_bytes(e.key)), b"", e) for e in entries
    ]


def plan(items: Sequence[EncodedRecord], now_ms: int, lookup: Lookup) -> WritePlan:
    """Merge a batch with the stored records; of two records of one key the later sees the outcome of the
    earlier.

    RecordDamagedError: stored records of some keys are damaged; a purge skips these. StoreCorruptError: a
    stored record belongs to another key.
    """
    writes: dict[bytes, EncodedRecord] = {}
    answers: list[Applied] = []
    damage, conflicts = list[tuple[str, str]](), list[str]()
    live_change = 0
    for item in items:
        record, key, _, purged = item
        try:
            found = writes.get(key) or lookup(key, record[0])
        except UnsoundError as error:
            damage += [(record[0], error.why)] if purged is None else []
            answers.append(_KEEP[2])
            continue
        replaces, change, applied = _decided(item, found, now_ms)
        answers.append(applied)
        live_change += change
        if replaces:
            writes[key] = item
        if applied[2] == record[2] and purged is None and _is_conflict(item, found):
            conflicts.append(record[0])
    if damage:
        raise RecordDamagedError(tuple(key for key, _ in damage), damage[0][1])
    return WritePlan(writes, answers, live_change, tuple(conflicts))


def _decided(item: EncodedRecord, found: EncodedRecord | bytes | None, now_ms: int) -> Decision:
    record, key, _, purged = item
    if purged is not None:
        return _judge(purged, found)
    if found is None:
        return first(record)
    if type(found) is bytes:
        return _decide(record, key, found, now_ms)
    return _decide_recent(record, cast("EncodedRecord", found), now_ms)


def plan_mending(item: EncodedRecord, lookup: Lookup, was_live: bool) -> WritePlan:
    """Put an item in the place of a damaged record. If that isn't damaged (any longer), a record is merged
    with it, and a purge does nothing. was_live: whether the damaged record was counted.
    """
    try:
        lookup(item.key, item.record.key)
    except UnsoundError:
        is_live = item.purged is None and not item.record.is_tombstone
        return WritePlan({item.key: item}, [_KEEP[2]], is_live - was_live)
    return plan([item], 0, lookup) if item.purged is None else WritePlan({}, [_KEEP[2]], 0)


def _is_conflict(item: EncodedRecord, found: EncodedRecord | bytes | None) -> bool:
    """Whether another record with the same version is stored."""
    stored = found.data if isinstance(found, EncodedRecord) else found
    return (
        bool(stored)
        and stored != item.data
        and decode_for(item.record[0], cast("bytes", stored)) != item.record
    )


def _decide(record: Record, key: bytes, stored: bytes, now_ms: int) -> Decision:
    if is_long(key):
        decode_for(record.key, stored)  # two long keys with one digest must not overwrite each other
    header = peek(stored)
    if record[2] > header[0]:
        return newer(record, *header, now_ms)
    return decide(record, header, partial(decode_for, record.key, stored), now_ms)


def _decide_recent(record: Record, item: EncodedRecord, now_ms: int) -> Decision:
    """As _decide, if the stored item is in memory."""
    held = item.record
    if not item.data:
        return first(record)
    if held[0] != record[0]:
        raise foreign_key(record.key, held.key)
    if record[2] > held[2]:
        return newer(record, held[2], held[3], held[1] is None, now_ms)
    return decide(record, held, lambda: held, now_ms)


def _judge(entry: IndexEntry, found: EncodedRecord | bytes | None) -> Decision:
    """Whether the stored record is still the one to purge."""
    stored = found.data or None if isinstance(found, EncodedRecord) else found
    header = None if stored is None else peek(stored)
    if stored is None or header is None or header.version != entry.version:
        return _KEEP
    if checksum_of(stored) != entry.checksum:
        return _KEEP
    return True, header.is_tombstone - 1, Applied(0, True)
