"""The content of a filesystem store's file: one JSON object, by key.

It owns the two forms of an entry. It must never touch the file.

An entry that is a string is a value that the Go LimeDB wrote: version 0, older than any write of ours. Ours
is the protobuf-JSON object of limedb.v1.Record, without the key: {"version": "...", "value": "..."}, or
"blob" in base64, or "tombstone": true, and "expiresAtMs"; and "check", the checksum of the record's bytes in
hex, which entries from before there were checksums lack. Entries stay as they are until their key is written,
so nothing that the Go LimeDB wrote is lost.

Tested in tests/storage/filesystem/test_store.py.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError

from limedb.core.record import Record
from limedb.encoding.record import Header, encode, from_message, to_message
from limedb.errors import RecordDamagedError, StoreCorruptError, StoreDamagedError
from limedb.storage.merge import is_live
from limedb.storage.seal import seal_of
from limedbpb.v1.record_pb2 import Record as Message

Entry: TypeAlias = str | dict[str, object]
_CHECK = "check"


@dataclass(slots=True)
class Content:
    """The content of the file."""

    path: Path
    """For error texts."""
    entries: dict[str, Entry]
    """By key."""
    count: int = 0
    """How many keys have a value."""
    high_water: int = 0
    """The greatest version."""

    def header(self, key: str) -> Header | None:
        """The fields that decide a merge, without parsing the whole entry."""
        entry = self.entries.get(key)
        return None if entry is None else _header(entry)

    def get(self, key: str) -> Record | None:
        """The record of a key. RecordDamagedError: its entry isn't a record, or doesn't match its
        checksum.
        """
        return self.at(key) if key in self.entries else None

    def at(self, key: str) -> Record:
        """The record of a key that exists. RecordDamagedError: as for `get`."""
        entry = self.entries[key]
        if isinstance(entry, str):
            return Record(key, entry, 0)
        fields = {name: value for name, value in entry.items() if name != _CHECK}
        try:
            message = ParseDict(fields, Message())
            message.key = key
            record = from_message(message)
        except (ParseError, StoreCorruptError) as error:
            raise RecordDamagedError((key,), f"its entry isn't a record: {error}") from error
        if _CHECK in entry and entry[_CHECK] != _check_of(record):
            raise RecordDamagedError((key,), "its checksum doesn't match")
        return record

    def is_live(self, key: str, now_ms: int) -> bool:
        """Whether a key that exists has a value at that time."""
        return is_live(_header(self.entries[key]), now_ms)

    def put(self, record: Record, live_change: int) -> None:
        """Store a record in place of its key's old one. live_change: the change of the count."""
        message = to_message(record)
        message.ClearField("key")
        self.entries[record.key] = {**MessageToDict(message), _CHECK: _check_of(record)}
        self.high_water = max(self.high_water, record.version)
        self.count += live_change

    def remove(self, key: str) -> None:
        """Forget a key that exists."""
        self.count -= not _header(self.entries.pop(key)).is_tombstone


def parse(path: Path, data: bytes) -> Content:
    """The content of a file. StoreCorruptError: LimeDB didn't write it, or it is damaged."""
    try:
        entries = json.loads(data)
        if not isinstance(entries, dict):
            raise TypeError(f"it holds a {type(entries).__name__}")
        "".join(entries).encode()  # JSON can spell half of a surrogate pair, which isn't text
        headers = [_header(entry) for entry in entries.values()]
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise StoreDamagedError(
            f"{path}: it isn't a JSON object of keys and values: {error}; nothing was overwritten: restore"
            " the file, or move it away"
        ) from error
    count = sum(not header.is_tombstone for header in headers)
    return Content(path, entries, count, max((header.version for header in headers), default=0))


def serialize(content: Content) -> bytes:
    """The bytes of the file, in lines, so that people can read and compare it."""
    return json.dumps(content.entries, ensure_ascii=False, indent=0).encode()


def _check_of(record: Record) -> str:
    return seal_of(encode(record)).hex()


def _header(entry: object) -> Header:
    if isinstance(entry, str):
        return Header(0, 0, False)
    if not isinstance(entry, dict):
        raise TypeError(f"an entry is a {type(entry).__name__}, neither text nor a record")
    return Header(
        int(entry.get("version", 0)), int(entry.get("expiresAtMs", 0)), entry.get("tombstone") is True
    )


def _corrupt(path: Path, reason: str) -> StoreCorruptError:
    return StoreCorruptError(f"{path}: {reason}; nothing was overwritten: restore the file, or move it away")
