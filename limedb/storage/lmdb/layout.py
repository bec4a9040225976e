"""The tables and keys of an LMDB folder.

It owns the stored keys and their order. It must never open an environment.

Tables: main, stored key to limedb.v1.Record after its checksum (`seal.py`; in format 2 without one); tokens,
8 bytes of token (big-endian) and stored key to the packed entry (`entries.py`; in format 1 only the version:
`upgrade.py`), so that replicas are compared without reading records; meta, "count" and "high_water" (followed
by a checksum: `packed_count`) and "format". Damage is reported, and never taken for stored data: the checksum
and the key verify a record, the index verifies its absence, and the record verifies an index entry.

LMDB keys have at most 511 bytes, ours 4 KiB. Up to 480 bytes the stored key is the key; a longer key is
stored as its first 480 bytes, 0xFF (which occurs in no UTF-8, so no user's key has it) and 16 bytes of
BLAKE2b of the whole key. Keys that share 480 bytes are neighbours, right after the key that ends there, in
the order of their digests: they are sorted when they are read.

Tested in tests/storage/lmdb/test_store.py.
"""

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from itertools import dropwhile, groupby

import xxhash

from limedb.core.record import Record
from limedb.encoding.record import decode, is_plain_of, utf8
from limedb.errors import StoreCorruptError, brief

MAIN, TOKENS, META = b"main", b"tokens", b"meta"
COUNT, HIGH_WATER, FORMAT = b"count", b"high_water", b"format"
LOGGED, STAMP = b"logged", b"stamp"
"""The segment up to which the tables have the log; see `folder_state`."""
FORMAT_VERSION = b"3:sealed"
"""Chosen so that many bits would have to flip to give another format."""

PREFIX_SIZE = 480
_DIGEST_SIZE = 16
_MARK = b"\xff"


def stored_key(key: bytes) -> bytes:
    """The stored form of a key's UTF-8: at most 497 bytes."""
    if len(key) <= PREFIX_SIZE:
        return key
    return key[:PREFIX_SIZE] + _MARK + blake2b(key, digest_size=_DIGEST_SIZE).digest()


def is_long(stored: bytes) -> bool:
    """Whether a stored key is the prefix and digest of a longer one."""
    return len(stored) > PREFIX_SIZE


def number(value: int) -> bytes:
    """A token, version or count, 0 to 2**64 - 1, as 8 bytes that sort like the numbers."""
    return value.to_bytes(8, "big")


def number_of(data: bytes) -> int:
    """The number of such 8 bytes."""
    return int.from_bytes(data, "big")


def packed_count(value: int) -> bytes:
    """A counter with its checksum."""
    return number(value) + xxhash.xxh32_digest(number(value))


def count_of(data: bytes) -> int | None:
    """The counter of `packed_count`; None: it is damaged, or missing."""
    value = number_of(data[:8])
    return value if len(data) == 12 and data == packed_count(value) else None


token_prefix = xxhash.xxh64_digest
"""`number` of the token of a key's UTF-8: the digest is big-endian, too."""


def index_key(key: str, stored: bytes) -> bytes:
    """The key in the tokens table for a stored key: `number` of the token, then the stored key."""
    return token_prefix(utf8(key)) + stored


def decode_for(key: str, data: bytes) -> Record:
    """The record of a key. StoreCorruptError: the bytes aren't a record, or belong to another key."""
    record = decode(data)
    if record.key != key:
        raise foreign_key(key, record.key)
    return record


def foreign_key(key: str, found: str) -> StoreCorruptError:
    """The error for another key's record under the stored key of a key."""
    return StoreCorruptError(f"the record of key {brief(key)} is stored for key {brief(found)}")


def decode_at(stored: bytes, data: bytes) -> Record:
    """The record at a stored key. StoreCorruptError: the bytes aren't a record, or belong to another key."""
    record = decode(data)
    if stored_key(utf8(record.key)) != stored:
        raise StoreCorruptError(f"the record of key {brief(record.key)} is stored at {stored[:64]!r}")
    return record


def is_of(stored: bytes, data: bytes) -> bool:
    """Whether verified bytes are a record that belongs at a stored key."""
    if not is_long(stored) and is_plain_of(stored, data):
        return True
    try:
        return stored_key(utf8(decode(data).key)) == stored
    except StoreCorruptError:
        return False


def start_at(start: str) -> bytes:
    """The place in the main table to start at, to read from a key on (empty: everything)."""
    key = utf8(start)
    return key[:PREFIX_SIZE] + _MARK if is_long(key) else key or b"\x00"


def in_key_order(items: Iterable[tuple[bytes, bytes]], start: str) -> Iterator[tuple[bytes, bytes]]:
    """Stored keys and records from `start_at(start)` on, in the order of whole keys, without those below
    `start`.

    It holds the keys of one shared prefix in memory at a time.
    """
    ordered = _sorted_groups(items)
    if not is_long(utf8(start)):
        return ordered
    group = utf8(start)[:PREFIX_SIZE]
    return dropwhile(lambda item: _group_of(item) == group and decode(item[1]).key < start, ordered)


def _sorted_groups(items: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    for group, members in groupby(items, _group_of):
        if group is not None:
            # Python compares text by code points, which is the order of its UTF-8.
            yield from sorted(members, key=lambda item: decode(item[1]).key)
        else:
            yield from members


def _group_of(item: tuple[bytes, bytes]) -> bytes | None:
    """The prefix that a long key shares with its neighbours, None for others."""
    return item[0][:PREFIX_SIZE] if is_long(item[0]) else None
