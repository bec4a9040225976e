"""The checksum that every stored record carries.

It owns how stored bytes are sealed and how damage is told from them. It must never know of a store.

A sealed record is 8 bytes of XXH3 (64 bits, big-endian) and the record's bytes, of which they are the
checksum. The record holds its whole key, so that whoever finds it under another one knows that it is damaged,
too. XXH3 finds every flipped bit here but for 1 in 2**64; it costs 40 ns for a record of 130 bytes.
"""

import xxhash

from limedb.core.record import Record
from limedb.encoding.record import decode
from limedb.errors import StoreCorruptError

SEAL_SIZE = 8

seal_of = xxhash.xxh3_64_digest
"""The checksum of a record's bytes."""


def sealed(data: bytes) -> bytes:
    """A record's bytes with their checksum in front."""
    return seal_of(data) + data


def opened(stored: bytes) -> bytes | None:
    """The record's bytes of sealed ones; None: they are damaged."""
    data = stored[SEAL_SIZE:]
    return data if stored.startswith(seal_of(data)) and data else None


def is_sound(key: str, data: bytes) -> bool:
    """Whether bytes come to a record of a key."""
    try:
        return decode(data).key == key
    except StoreCorruptError:
        return False


def record_of(stored: bytes) -> Record | None:
    """The record of sealed bytes; None: they are damaged."""
    data = opened(stored)
    try:
        return None if data is None else decode(data)
    except StoreCorruptError:
        return None
