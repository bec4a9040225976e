"""Finds damage in stored records.

It owns the decision whether the tables can be believed about a key. It must never write.

A record is damaged if its checksum doesn't match, or if it belongs under another key. A key is absent only if
neither table has it: otherwise a lookup that misses because a byte of the tree has changed would pass for an
answer.

Tested in tests/storage/test_damage.py.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from limedb.core.record import Record
from limedb.encoding.record import KEY_TAG, key_in, utf8
from limedb.errors import RecordDamagedError
from limedb.storage.entries import was_tombstone
from limedb.storage.lmdb.env import Tables
from limedb.storage.lmdb.layout import is_long, is_of, stored_key, token_prefix
from limedb.storage.seal import SEAL_SIZE, record_of, seal_of

if TYPE_CHECKING:
    import lmdb

CHECKSUM = "its checksum doesn't match"
MISSING = "the index has it, but the table of records doesn't"
MISPLACED = "another key's record is in its place"
_KEY_TAG = KEY_TAG[0]


class UnsoundError(Exception):
    """The content at a stored key is damaged. why: in words."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def sound_at(tables: Tables, txn: "lmdb.Transaction[bytes]", place: bytes, name: bytes) -> bytes | None:
    """The bytes of the record at a key's stored key, as a transaction sees it; None: there is none. name: the
    UTF-8 of the whole key.

    UnsoundError: the record is damaged.
    """
    stored: bytes | None = txn.get(place, db=tables.main)
    if stored is not None:
        try:
            return checked(place, stored)
        except UnsoundError:
            if not is_stray(tables, txn, place, stored):
                raise
    at = token_prefix(name) + place
    if txn.get(at, db=tables.tokens) is not None:
        raise UnsoundError(MISSING)
    return None


def checked(place: bytes, stored: bytes) -> bytes:
    """The bytes of the sealed record at a stored key. UnsoundError."""
    data = stored[SEAL_SIZE:]
    if is_plainly_sound(place, stored, data):
        return data
    if not data or not stored.startswith(seal_of(data)):
        raise UnsoundError(CHECKSUM)
    if not is_of(place, data):
        raise UnsoundError(MISPLACED)
    return data


def is_plainly_sound(place: bytes, stored: bytes, data: bytes) -> bool:
    """A quick check whether a sealed record verifies and belongs to a stored key; False means only that it
    isn't certain.

    data: the same without its seal. In a record that doesn't expire a short key follows after 11 bytes, the
    last of which is its length.
    """
    return (
        stored.startswith(seal_of(data))
        and data.startswith(place, 11)
        and data[10] == len(place)
        and data[9] == _KEY_TAG
    )


def was_live(tables: Tables, txn: "lmdb.Transaction[bytes]", index_place: bytes) -> bool:
    """Whether a damaged record was counted as a key with a value, by its index entry."""
    packed = txn.get(index_place, db=tables.tokens)
    return packed is not None and not was_tombstone(packed)


class Checking:
    """Opens the records that a walk finds, continues after damaged ones, and reports all of them at the end.
    strays: takes the places that belong to no key, to be cleared.

    A damaged long key (over 480 bytes) whose name can't be read is skipped: a read of that key will find it.
    """

    def __init__(self, tables: Tables, txn: "lmdb.Transaction[bytes]", strays: list[bytes]) -> None:
        self._tables, self._txn, self._strays = tables, txn, strays
        self.keys: list[str] = []
        self.why = ""

    def open(self, items: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
        """Stored keys and the bytes of their records, damaged ones left out."""
        for place, stored in items:
            try:
                yield place, checked(place, stored)
            except UnsoundError as error:
                self.note(place, stored, error.why)

    def note(self, place: bytes, stored: bytes | None, why: str) -> None:
        """Note damage at a place."""
        if stored is not None and is_stray(self._tables, self._txn, place, stored):
            self._strays.append(place)
            self._look_for(record_of(stored))
            return
        self.keys += concerned(place, stored)
        self.why = why

    def _look_for(self, record: Record | None) -> None:
        """Check whether a stray record is missing in its own place."""
        if record is None:
            return
        try:
            name = utf8(record.key)
            sound_at(self._tables, self._txn, stored_key(name), name)
        except UnsoundError as error:
            self.keys.append(record.key)
            self.why = error.why

    def finish(self) -> None:
        """RecordDamagedError: something was damaged."""
        if self.keys:
            raise RecordDamagedError(tuple(dict.fromkeys(self.keys)), self.why)


def concerned(place: bytes, stored: bytes | None) -> list[str]:
    """The keys that damage at a stored key concerns: that key, and the one whose record is there. A long key
    is read from its record, in which the key may be whole even if the value isn't: the digest shows that.
    """
    keys = []
    with suppress(UnicodeDecodeError):  # a long key's, or a damaged one
        keys.append(place.decode())
    stored = stored or b""
    name = key_in(stored[SEAL_SIZE:])
    with suppress(UnicodeDecodeError):
        if name and name != place and (stored_key(name) == place or record_of(stored)):
            keys.append(name.decode())
    return keys


def is_stray(tables: Tables, txn: "lmdb.Transaction[bytes]", at: bytes, stored: bytes) -> bool:
    """Whether the content of a place in the main table belongs to no key of this place, because a byte of a
    stored key has changed: the record verifies but belongs to another key, and the index has no entry for
    this place; or nothing verifies, and the place isn't text. The record is then missing in its own place, as
    the index shows.
    """
    record = record_of(stored)
    if record is not None:
        is_here = stored_key(utf8(record.key)) == at
        return not is_here and (is_long(at) or txn.get(token_prefix(at) + at, db=tables.tokens) is None)
    try:
        at.decode()
    except UnicodeDecodeError:
        return not is_long(at)
    return False
