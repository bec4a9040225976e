"""CSV: a header that names columns, then a row a key: key, value or blob (base64), expires_at_ms or ttl_ms.

It owns the form of a row, in both directions. A value may hold line breaks, in quotes (RFC 4180).

Tested in tests/bulk/test_formats.py.
"""

import base64
import csv
import io
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from limedb.bulk.items import Content, Item, Line, Place, checked, whole_number
from limedb.bulk.jsonl import MAX_LINE, blob_of
from limedb.errors import BadItemError, BulkError

COLUMNS = ("key", "value", "blob", "expires_at_ms")
_EMPTY_BLOB = "="  # no bytes at all; an empty field means the text ""
_KNOWN = {*COLUMNS, "ttl_ms"}


def read(file: BinaryIO, start: Place) -> Iterator[Line]:
    """Yield the rows from a place on. BulkError: the header, or the file, can't be used."""
    csv.field_size_limit(MAX_LINE)
    lines = _Lines(file)
    try:
        columns = _header(next(csv.reader(lines), None))
    except (csv.Error, UnicodeDecodeError) as error:
        raise BulkError(f"not CSV in UTF-8: {error}") from None
    if start.offset:
        lines.seek(start)
    rows = csv.reader(lines, strict=True)
    while True:
        number = lines.count + 1
        try:
            row = next(rows, None)
        except (csv.Error, UnicodeDecodeError) as error:
            yield Line(number, lines.place, BadItemError(f"not CSV in UTF-8: {error}"))
            rows = csv.reader(lines, strict=True)
            continue
        if row is None:
            return
        yield Line(number, lines.place, _content(columns, row))


def header() -> bytes:
    """Return the first line of a file."""
    return _row(COLUMNS)


def write(item: Item) -> bytes:
    """Return the row of an item."""
    expires = str(item.expires_at_ms) if item.expires_at_ms else ""
    if isinstance(item.value, str):
        return _row((item.key, item.value, "", expires))
    return _row((item.key, "", base64.b64encode(item.value).decode() or _EMPTY_BLOB, expires))


class _Lines:
    """The lines of a file as text, for a CSV reader; `place` says how far it has read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.count = self._offset = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        raw = self._file.readline(MAX_LINE)
        if not raw:
            raise StopIteration
        self.count, self._offset = self.count + 1, self._offset + len(raw)
        return raw.decode("utf-8-sig" if self.count == 1 else "utf-8")

    def seek(self, place: Place) -> None:
        """Continue at a place."""
        self._file.seek(place.offset)
        self.count, self._offset = place.line, place.offset

    @property
    def place(self) -> Place:
        """The place after the last line that was read."""
        return Place(self._offset, self.count)


def _header(row: Sequence[str] | None) -> tuple[str, ...]:
    columns = tuple(row or ())
    if "key" not in columns or not {"value", "blob"} & set(columns) or not set(columns) <= _KNOWN:
        raise BulkError(
            f"the first line must name the columns key, and value or blob, and may name expires_at_ms or"
            f" ttl_ms; it is {','.join(columns)!r}"
        )
    return columns


def _content(columns: Sequence[str], row: Sequence[str]) -> Content:
    if not row:
        return None
    if len(row) != len(columns):
        return BadItemError(f"{len(row)} fields, but the header names {len(columns)}")
    fields = dict(zip(columns, row, strict=True))
    try:
        blob = fields.get("blob", "")
        value = blob_of(blob.removeprefix(_EMPTY_BLOB)) if blob else fields.get("value", "")
        expires = whole_number("expires_at_ms", fields.get("expires_at_ms"))
        return checked(Item(fields["key"], value, expires, whole_number("ttl_ms", fields.get("ttl_ms"))))
    except BadItemError as error:
        return error


def _row(fields: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(fields)
    return text.getvalue().encode()
