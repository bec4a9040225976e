"""The changes that a batch of records makes to the stored ones.

It owns the merge of a batch. It must never write: `writer.py` carries out the plan.

Tested in tests/storage/lmdb/test_plan.py and tests/storage/test_checkpoints.py.
"""

from collections.abc import Iterator, Sequence
from itertools import repeat
from operator import lt
from typing import NamedTuple, Protocol, overload

from typing_extensions import override

from limedb.core.record import Record, RecordBatch
from limedb.encoding.record import decode, encode_all, key_bytes, peek, versions_of_lasting
from limedb.errors import RecordDamagedError
from limedb.ports import Applied, IndexEntry
from limedb.ports.applied_columns import AppliedColumns
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


class EncodedBatch(Sequence[EncodedRecord]):
    """Items in columns, none of which is an object unless somebody looks at it. deletes: whether each is a
    tombstone; empty: none is. purged: the entries to purge, where they are such; empty: they are records.
    """

    __slots__ = ("data", "deletes", "keys", "purged", "versions")

    def __init__(
        self,
        keys: Sequence[bytes],
        data: Sequence[bytes],
        versions: Sequence[int],
        deletes: Sequence[bool] = (),
        purged: Sequence[IndexEntry] = (),
    ) -> None:
        self.keys, self.data, self.versions = keys, data, versions
        self.deletes, self.purged = deletes, purged

    @override
    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, place: int) -> EncodedRecord: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[EncodedRecord]: ...
    @override
    def __getitem__(self, place: int | slice) -> EncodedRecord | Sequence[EncodedRecord]:
        return [*self][place]

    @override
    def __iter__(self) -> Iterator[EncodedRecord]:
        rows = zip(
            self.keys,
            self.data,
            self.versions,
            self.deletes or repeat(False),
            self.purged or repeat(None),
            strict=False,
        )
        return (_new_item(EncodedRecord, row) for row in rows)

    @property
    def size(self) -> int:
        """Bytes of the data."""
        return sum(map(len, self.data))


class Lookup(Protocol):
    """What is stored: verified bytes; what `gone` gives for what is purged; None: nothing. UnsoundError: a
    record is damaged.
    """

    def of(self, item: EncodedRecord) -> bytes | None:
        """What is stored under an item's key."""

    def of_short(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """What is stored under each of some keys, none of which is long."""


class WritePlan(NamedTuple):
    """The outcome of a merge."""

    writes: dict[bytes, bytes]
    """The bytes to put, by stored key; `gone`: to purge."""
    answers: Sequence[Applied]
    """One for each item; for an entry to purge, `existed` means that it is purged."""
    live_change: int
    """The change of the count of keys with a value."""
    high_water: int = 0
    """The greatest version to put."""
    conflicts: tuple[str, ...] = ()
    """Keys that have another stored record with the same version."""


_new_item = tuple.__new__  # the same as EncodedRecord(...), in half of its time


def gone(name: bytes) -> bytes:
    """Stands for the record of a purged key. name: the UTF-8 of the whole key."""
    return _GONE + name


def gone_name(data: bytes) -> bytes:
    """The key in the bytes of `gone`; empty: they are a record."""
    return data[1:] if data[:1] == _GONE else b""


def items_of(records: Sequence[Record]) -> EncodedBatch:
    """Records in their stored form. InvalidKeyError, MalformedRequestError."""
    if isinstance(records, RecordBatch):  # keys that are short
        return EncodedBatch(records.names, records.data, records.versions)
    pairs = encode_all(records)
    return EncodedBatch(
        [stored_key(key) for key, _ in pairs],
        [data for _, data in pairs],
        [record[2] for record in records],
        [record[1] is None for record in records],
    )


def purges_of(entries: Sequence[IndexEntry]) -> EncodedBatch:
    """Entries to purge. InvalidKeyError, MalformedRequestError."""
    keys = [stored_key(key_bytes(entry.key)) for entry in entries]
    return EncodedBatch(keys, [b""] * len(keys), [entry.version for entry in entries], purged=entries)


def plan(items: EncodedBatch, now_ms: int, lookup: Lookup) -> WritePlan:
    """Merge a batch with the stored records; of two records of one key the later sees the outcome of the
    earlier.

    RecordDamagedError: stored records of some keys are damaged; a purge skips these. StoreCorruptError: a
    stored record belongs to another key.
    """
    return _plan_usual(items, lookup) or plan_each(items, now_ms, lookup)


def _plan_usual(items: EncodedBatch, lookup: Lookup) -> WritePlan | None:
    """As `plan`, in columns, for values of short keys that are newer than what they replace, which doesn't
    expire, or where nothing is; None: something is otherwise.
    """
    keys = items.keys
    writes = dict(zip(keys, items.data, strict=True))
    are_values = not items.purged and not any(items.deletes)
    if not are_values or max(map(len, keys), default=0) > PREFIX_SIZE:
        return None
    try:
        found = lookup.of_short(keys)
    except UnsoundError:
        return None
    if len(writes) < len(keys):
        _put_earlier(items, found)
    before = versions_of_lasting(found)
    if before is None or not all(map(lt, before, items.versions)):
        return None
    added = found.count(None)
    existed = bytes([data is not None for data in found]) if added else b"\1" * len(keys)
    return WritePlan(writes, AppliedColumns(existed, tuple(before)), added, max(items.versions, default=0))


def _put_earlier(items: EncodedBatch, found: list[bytes | None]) -> None:
    """Let items find earlier ones of their keys instead of what is stored."""
    latest: dict[bytes, bytes] = {}
    for place, (key, data) in enumerate(zip(items.keys, items.data, strict=True)):
        found[place] = latest.get(key, found[place])
        latest[key] = data


def plan_each(items: EncodedBatch, now_ms: int, lookup: Lookup) -> WritePlan:
    """As `plan`, item by item."""
    writes: dict[bytes, bytes] = {}
    answers: list[Applied] = []
    damage, conflicts = list[tuple[str, str]](), list[str]()
    live_change = 0
    for item in items:
        key, data, version, _, purged = item
        try:
            found = writes.get(key) or lookup.of(item)
        except UnsoundError as error:
            damage += [(item.name.decode(), error.why)] if purged is None else []
            answers.append(_KEEP[2])
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


def plan_mending(items: EncodedBatch, lookup: Lookup, was_live: bool) -> WritePlan:
    """Put the one item in the place of a damaged record. If that isn't damaged (any longer), a record is
    merged with it, and a purge does nothing. was_live: whether the damaged record was counted.
    """
    (item,) = items
    try:
        lookup.of(item)
    except UnsoundError:
        is_live = item.purged is None and not item.is_tombstone
        writes = {item.key: item.data or gone(item.name)}
        return WritePlan(writes, [_KEEP[2]], is_live - was_live, item.version)
    return plan_each(items, 0, lookup) if item.purged is None else WritePlan({}, [_KEEP[2]], 0)


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
