"""The changes that a batch of records makes to the stored ones.

It owns the merge of a batch. It must never write: `writer.py` carries out the plan.

Tested in tests/storage/test_checkpoints.py.
"""

from collections.abc import Callable, Sequence
from itertools import repeat
from typing import NamedTuple

from limedb.core.record import Record, RecordBatch
from limedb.encoding.record import decode, encode_all, key_bytes, peek, version_of_lasting
from limedb.errors import RecordDamagedError
from limedb.ports import Applied, IndexEntry
from limedb.storage.entries import checksum_of
from limedb.storage.lmdb.layout import PREFIX_SIZE, decode_for, is_long, stored_key
from limedb.storage.lmdb.sound import UnsoundError
from limedb.storage.merge import Decision, decide, first, newer

_KEEP: Decision = (False, 0, Applied(0, False))
_GONE = b"\0"  # no record begins with it: protobuf has no field 0


class EncodedRecord(NamedTuple):
    """A record in its stored form, whose key and data go to the main table; or, without data, an entry to
    purge.
    """

    key: bytes
    data: bytes
    version: int
    is_tombstone: bool
    purged: IndexEntry | None = None

    @property
    def name(self) -> bytes:
        """The UTF-8 of the whole key."""
        if not is_long(self.key):
            return self.key
        return key_bytes(self.purged.key if self.purged is not None else decode(self.data).key)


Lookup = Callable[[EncodedRecord], bytes | None]
"""Returns the verified bytes that are stored under an item's key, or what `gone` gives if that is purged.
UnsoundError: the record is damaged.
"""


class WritePlan(NamedTuple):
    """The outcome of a merge."""

    writes: dict[bytes, bytes]
    """The bytes to put, by stored key; `gone`: to purge."""
    answers: list[Applied]
    """One for each item; for an entry to purge, `existed` means that it is purged."""
    live_change: int
    """The change of the count of keys with a value."""
    high_water: int = 0
    """The greatest version to put."""
    conflicts: tuple[str, ...] = ()
    """Keys that have another stored record with the same version."""


_new_item = _new_applied = tuple.__new__  # the same as EncodedRecord(...), Applied(...), in half of its time


def gone(name: bytes) -> bytes:
    """Stands for the record of a purged key. name: the UTF-8 of the whole key."""
    return _GONE + name


def gone_name(data: bytes) -> bytes:
    """The key in the bytes of `gone`; empty: they are a record."""
    return data[1:] if data[:1] == _GONE else b""


def items_of(records: Sequence[Record]) -> list[EncodedRecord]:
    """Records in their stored form. InvalidKeyError, MalformedRequestError."""
    if isinstance(records, RecordBatch):  # keys that are short
        columns = zip(records.names, records.data, records.versions, repeat(False), repeat(None))
        return [_new_item(EncodedRecord, item) for item in columns]
    return [
        _new_item(EncodedRecord, (stored_key(key), data, record[2], record[1] is None, None))
        for record, (key, data) in zip(records, encode_all(records), strict=True)
    ]


def purges_of(entries: Sequence[IndexEntry]) -> list[EncodedRecord]:
    """Entries to purge. InvalidKeyError, MalformedRequestError."""
    return [EncodedRecord(stored_key(key_bytes(e.key)), b"", e.version, False, e) for e in entries]


def plan(items: Sequence[EncodedRecord], now_ms: int, lookup: Lookup) -> WritePlan:
    """Merge a batch with the stored records; of two records of one key the later sees the outcome of the
    earlier.

    RecordDamagedError: stored records of some keys are damaged; a purge skips these. StoreCorruptError: a
    stored record belongs to another key.
    """
    writes: dict[bytes, bytes] = {}
    answers: list[Applied] = []
    damage, conflicts = list[tuple[str, str]](), list[str]()
    live_change = 0
    for item in items:
        key, data, version, deletes, purged = item
        try:
            found = writes.get(key) or lookup(item)
        except UnsoundError as error:
            damage += [(item.name.decode(), error.why)] if purged is None else []
            answers.append(_KEEP[2])
            continue
        is_usual = purged is None and len(key) <= PREFIX_SIZE
        if found and is_usual and 0 <= (before := version_of_lasting(found)) < version:  # as `newer` has it
            answers.append(_new_applied(Applied, (0, True, before)))
            live_change -= deletes
            writes[key] = data
            continue
        replaces, change, applied = _decided(item, found, now_ms)
        answers.append(applied)
        live_change += change
        if replaces:
            writes[key] = data or gone(item.name)
        if applied[2] == version and purged is None and found and _is_conflict(item, found):
            conflicts.append(item.name.decode())
    _refuse_damaged(damage)
    high_water = max([item[2] for item in items if item[0] in writes], default=0)
    return WritePlan(writes, answers, live_change, high_water, tuple(conflicts))


def _refuse_damaged(damage: Sequence[tuple[str, str]]) -> None:
    if damage:
        raise RecordDamagedError(tuple(key for key, _ in damage), damage[0][1])


def _decided(item: EncodedRecord, found: bytes | None, now_ms: int) -> Decision:
    key, data, version, deletes, purged = item
    if purged is not None:
        return _judge(purged, found)
    if found is None or found[0] == 0:  # `gone`
        return first(deletes)
    if len(key) > PREFIX_SIZE:  # two long keys with one digest must not overwrite each other
        decode_for(item.name.decode(), found)
    before, expires_at, was_deleted = peek(found)
    if version > before:
        return newer(deletes, before, expires_at, was_deleted, now_ms)
    given = decode(data)
    return decide(given, peek(found), lambda: decode_for(given.key, found), now_ms)


def plan_mending(item: EncodedRecord, lookup: Lookup, was_live: bool) -> WritePlan:
    """Put an item in the place of a damaged record. If that isn't damaged (any longer), a record is merged
    with it, and a purge does nothing. was_live: whether the damaged record was counted.
    """
    try:
        lookup(item)
    except UnsoundError:
        is_live = item.purged is None and not item.is_tombstone
        writes = {item.key: item.data or gone(item.name)}
        return WritePlan(writes, [_KEEP[2]], is_live - was_live, item.version)
    return plan([item], 0, lookup) if item.purged is None else WritePlan({}, [_KEEP[2]], 0)


def _is_conflict(item: EncodedRecord, stored: bytes) -> bool:
    """Whether another record with the same version is stored."""
    if stored == item.data or gone_name(stored):
        return False
    given = decode(item.data)
    return decode_for(given.key, stored) != given


def _judge(entry: IndexEntry, stored: bytes | None) -> Decision:
    """Whether the stored record is still the one to purge."""
    if stored is None or gone_name(stored):
        return _KEEP
    header = peek(stored)
    if header.version != entry.version or checksum_of(stored) != entry.checksum:
        return _KEEP
    return True, header.is_tombstone - 1, Applied(0, True)
