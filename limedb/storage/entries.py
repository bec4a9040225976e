"""The packed entry, which a store keeps of each record to compare replicas.

It owns the packed form, which all stores share, so that equal records have equal digests in every store. It
must never know where entries are kept.

A packed entry is the version, the checksum (xxh64 of the record's stored bytes) and, only for a tombstone or
a value with an expiry, the time of deletion or expiry: 8 bytes each, big-endian.

Tested in tests/storage/test_walk.py.
"""

from collections.abc import Sequence
from struct import Struct

import xxhash

from limedb.core.digest import accumulate
from limedb.core.hlc import wall_ms_of
from limedb.core.record import Record
from limedb.encoding.record import peek
from limedb.ports import IndexEntry

_PLAIN, _ENDING = Struct(">QQ"), Struct(">QQQ")


def checksum_of(data: bytes) -> int:
    """The checksum of a record's stored bytes, 0 to 2**64 - 1."""
    return xxhash.xxh64_intdigest(data)


def ends_at(record: Record) -> int:
    """When a record was deleted, or expires: milliseconds since 1970; 0: never."""
    return max(1, wall_ms_of(record.version)) if record.is_tombstone else record.expires_at


def pack(record: Record, data: bytes) -> bytes:
    """The packed entry of a record. data: its stored bytes."""
    packed = record[2].to_bytes(8, "big") + xxhash.xxh64_digest(data)  # big-endian too
    if record[1] is not None and not record[3]:  # the usual case: it never expires
        return packed
    return packed + ends_at(record).to_bytes(8, "big")


def pack_stored(data: bytes) -> bytes:
    """The packed entry of a record, from its stored bytes. StoreCorruptError: they aren't a record."""
    version, expires_at, is_tombstone = peek(data)
    packed = version.to_bytes(8, "big") + xxhash.xxh64_digest(data)
    ends = max(1, wall_ms_of(version)) if is_tombstone else expires_at
    return packed + ends.to_bytes(8, "big") if ends else packed


def unpack(key: str, packed: bytes) -> IndexEntry:
    """The entry of a key."""
    version, checksum = _PLAIN.unpack_from(packed)
    return IndexEntry(key, version, checksum, int.from_bytes(packed[_PLAIN.size :], "big"))


def is_of(packed: bytes, version: int, checksum: int) -> bool:
    """Whether a packed entry has that version and checksum."""
    return packed.startswith(_PLAIN.pack(version, checksum))


def has_ended(packed: bytes, cutoff_ms: int) -> bool:
    """Whether a packed entry expired or was deleted before a time."""
    return len(packed) == _ENDING.size and int.from_bytes(packed[_PLAIN.size :], "big") < cutoff_ms


def was_tombstone(packed: bytes) -> bool:
    """Whether a packed entry belongs to a tombstone, judged by its time."""
    ends = int.from_bytes(packed[_PLAIN.size :], "big")
    return ends == max(1, wall_ms_of(int.from_bytes(packed[:8], "big")))


def digest(before: int, packed: Sequence[bytes], cutoff_ms: int) -> int:
    """A digest with further packed entries added, except those that expired or were deleted before the
    cutoff.
    """
    joined = b"".join(packed)
    if len(joined) == len(packed) * _PLAIN.size:  # none of them expires: the rule in most stores
        return accumulate(before, joined)
    kept = (each[: _PLAIN.size] for each in packed if not has_ended(each, cutoff_ms))
    return accumulate(before, b"".join(kept))
