"""Many records as bytes, from the wire to the log: none becomes an object unless somebody looks at it.

It owns the plain form: a version, a key of 1 to 127 bytes, and one text or blob of at most 16 KiB, each as
`encode` writes it. It must never take bytes for plain that `received` would refuse, or store otherwise: what
isn't plain is decoded.

Tested in tests/encoding/test_batch.py.
"""

from collections.abc import Iterator, Sequence
from struct import Struct
from typing import overload

from typing_extensions import override

from limedb.core.record import Record, RecordBatch
from limedb.encoding.record import begin_of, is_utf8, received

VERSION, KEY, TEXT, BLOB = 0x09, 0x22, 0x2A, 0x32
"""Tags of a plain record, in their order."""
_VERSION_TAG, _AFTER_VERSION = b"\x09", 9
_MAX_NAME = 127
_FIXED64 = Struct("<Q")
_new_record = tuple.__new__  # the same as Record(...), in half of its time


class PlainRecords(RecordBatch):
    """Records in plain form."""

    __slots__ = ("_made",)

    def __init__(self, names: Sequence[bytes], data: Sequence[bytes], versions: Sequence[int]) -> None:
        super().__init__(names, data, versions)
        self._made: list[Record] | None = None

    @overload
    def __getitem__(self, place: int) -> Record: ...
    @overload
    def __getitem__(self, place: slice) -> "PlainRecords": ...
    @override
    def __getitem__(self, place: int | slice) -> "Record | PlainRecords":
        if isinstance(place, slice):
            return PlainRecords(self.names[place], self.data[place], self.versions[place])
        return self._records[place]

    @override
    def pick(self, places: Sequence[int]) -> "PlainRecords":
        names, data, versions = self.names, self.data, self.versions
        return PlainRecords(
            [names[place] for place in places],
            [data[place] for place in places],
            [versions[place] for place in places],
        )

    @override
    def joined(self, others: Sequence[RecordBatch]) -> "PlainRecords":
        batches = (self, *others)
        whole = PlainRecords(
            [name for batch in batches for name in batch.names],
            [data for batch in batches for data in batch.data],
            [version for batch in batches for version in batch.versions],
        )
        whole.parts = batches
        return whole

    @override
    def __iter__(self) -> Iterator[Record]:
        yield from self._records  # not before the first is asked for

    @property
    def _records(self) -> list[Record]:
        if self._made is None:
            self._made = [*map(_record, self.names, self.data, self.versions)]
        return self._made


def all_received(stored: Sequence[bytes]) -> Sequence[Record]:
    """The records in bytes that a peer sent to be stored, as `received` takes each. StoreCorruptError."""
    stored = [*stored]
    names = [
        plain_name(data[_AFTER_VERSION:], KEY, TEXT, BLOB) if data[:1] == _VERSION_TAG else b""
        for data in stored
    ]
    if not all(names):
        return [received(data) for data in stored]
    return PlainRecords(names, stored, [_FIXED64.unpack_from(data, 1)[0] for data in stored])


def plain_name(fields: bytes, key: int, text: int, blob: int) -> bytes:
    """The UTF-8 of the key in bytes that are a plain key and a plain content with these tags, and nothing
    else; empty: they aren't.
    """
    if len(fields) < 4 or fields[0] != key:
        return b""
    end, size = fields[1] + 2, len(fields)
    if 2 < end < size - 1 and fields[end] == text and fields[end + 1] == size - end - 2 and fields.isascii():
        return fields[2:end]  # the usual case: a short text of ASCII
    name, content = fields[2:end], fields[end:]
    begin = begin_of(content)
    if not begin or not name or len(name) > _MAX_NAME or not is_utf8(name):
        return b""
    is_fit = content[0] == blob or (content[0] == text and is_utf8(content[begin:]))
    return name if is_fit else b""


def _record(name: bytes, data: bytes, version: int) -> Record:
    """The record in plain bytes, which it carries."""
    at = _AFTER_VERSION + 2 + len(name)
    value = data[at + (2 if data[at + 1] < 128 else 3) :]
    record: Record = _new_record(
        Record, (name.decode(), value.decode() if data[at] == TEXT else value, version, 0)
    )
    record.encoded = data
    return record
