"""Looks at what is stored and tells what is damaged of it.

It owns the question whether the tables can be believed about a key. It must never write.

A record is damaged when its checksum doesn't fit, or it belongs under another key. A key is absent only where
neither table has it: a lookup that misses because a byte of the tree has changed would else pass for an
answer.
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

CHECKSUM = "its checksum doesn't fit"
MISSING = "the index has it and the table of records has not"
MISPLACED = "another key's record is in its place"
_KEY_TAG = KEY_TAG[0]


class UnsoundError(Exception):
    """What a table holds at a stored key is damaged. why: in words."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def sound_at(tables: Tables, txn: "lmdb.Transaction[bytes]", place: bytes, key: str) -> bytes | None:
    """The bytes of the record at a key's stored key, as a transaction sees it; None: there is none.

    UnsoundError: it can't tell.
    """
    stored: bytes | None = txn.get(place, db=tables.main)
    if stored is not None:
        try:
            return checked(place, stored)
        except UnsoundError:
            if not is_stray(tables, txn, place, stored):
                raise
    at = token_prefix(utf8(key) if is_long(place) else place) + place
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
    """Whether a sealed record verifies and is that of a stored key, for most records; False is a doubt.

    data: the same without its seal. A short key stands in a record that doesn't expire behind 11 bytes, of
    which the last is its length.
    """
    return (
        stored.startswith(seal_of(data))
        and data.startswith(place, 11)
        and data[10] == len(place)
        and data[9] == _KEY_TAG
    )


def was_live(tables: Tables, txn: "lmdb.Transaction[bytes]", index_place: bytes) -> bool:
    """Whether a record that is damaged was counted as a key with a value, by its entry in the index."""
    packed = txn.get(index_place, db=tables.tokens)
    return packed is not None and not was_tombstone(packed)


class Checking:
    """Opens what a walk finds and goes on behind what is damaged; at the end it tells of all of that. strays:
    takes the places at which nothing belongs, to be cleared.

    A damaged long key (over 480 bytes) whose name can't be read is passed over: it is found when it is asked
    for.
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
        """Take in that something is damaged."""
        if stored is not None and is_stray(self._tables, self._txn, place, stored):
            self._strays.append(place)
            self._look_for(record_of(stored))
            return
        self.keys += concerned(place, stored)
        self.why = why

    def _look_for(self, record: Record | None) -> None:
        """Look whether a record that has strayed is missing where it belongs."""
        if record is None:
            return
        try:
            sound_at(self._tables, self._txn, stored_key(utf8(record.key)), record.key)
        except UnsoundError as error:
            self.keys.append(record.key)
            self.why = error.why

    def finish(self) -> None:
        """RecordDamagedError: something was damaged."""
        if self.keys:
            raise RecordDamagedError(tuple(dict.fromkeys(self.keys)), self.why)


def concerned(place: bytes, stored: bytes | None) -> list[str]:
    """The keys that damage at a stored key concerns: that one, and the one whose record stands there. That of
    a long one is read from its record, whose key may be whole though its value isn't: its digest says so.
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
    """Whether what stands at a place of the main table belongs to no key that has this place, for a byte of a
    stored key has changed: the record verifies and is another key's, while the index knows of none here; or
    nothing verifies, and the place isn't text. What stood there is missing in its own place, as the index
    tells.
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
