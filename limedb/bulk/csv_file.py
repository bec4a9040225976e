"""CSV: a header that names columns, then a row for each key: key, value or blob (base64), expires_at_ms or
ttl_ms.

It owns the form of a row, in both directions. A value may hold line breaks, in quotes (RFC 4180). It must
never take the inside of a value for a row. If a quote is wrong, no row after it is certain, and reading
stops. A quote beside a line break may look right, but leaves the file with an odd number of quotes: then the
import of a file doesn't begin. For a pipe that can't be known.

Tested in tests/bulk/test_formats.py.
"""

import base64
import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from limedb.bulk.items import Content, Item, Line, Place, checked, whole_number
from limedb.bulk.jsonl import MAX_LINE, blob_of
from limedb.errors import BadItemError, BulkError

COLUMNS = ("key", "value", "blob", "expires_at_ms")
_EMPTY_BLOB = "="  # no bytes at all; an empty field means the text ""
_KNOWN = {*COLUMNS, "ttl_ms"}
_FIELD = r'(?:"(?:[^"]++|"")*+"|[^",\r\n]*+)'
_ROW = re.compile(rf"{_FIELD}(?:,{_FIELD})*+(?:\r?\n)?")
"""A row in which each quote is where RFC 4180 has it; the parser takes others for text."""


def read(file: BinaryIO, start: Place) -> Iterator[Line]:
    """Yield the rows from a place on. BulkError: the header can't be used, or a row has no certain end."""
    csv.field_size_limit(MAX_LINE)
    lines = _Lines(file)
    columns = _header(_next_row(csv.reader(lines, strict=True), lines))
    if file.seekable():
        begin = lines.place
        if _has_odd_quotes(file):
            lines.seek(begin)
            _find_wrong(lines, len(columns))
        lines.seek(start if start.offset else begin)
    for number, row in _rows(lines, len(columns)):
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
    """The lines of a file as text, for a CSV reader; `place` says how far it has read. A byte that is not
    UTF-8 becomes a lone surrogate. row: the lines since the caller emptied it. is_long, has_ended: why there
    was no other line.
    """

    is_long = has_ended = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.count = self._offset = 0
        self.row: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        raw = self._file.readline(MAX_LINE)
        self.is_long = len(raw) == MAX_LINE and not raw.endswith(b"\n")
        if self.is_long:
            raise csv.Error
        if not raw:
            self.has_ended = True
            raise StopIteration
        self.count, self._offset = self.count + 1, self._offset + len(raw)
        text = raw.decode("utf-8-sig" if self.count == 1 else "utf-8", "surrogateescape")
        self.row.append(text)
        return text

    def seek(self, place: Place) -> None:
        """Continue at a place."""
        self._file.seek(place.offset)
        self.count, self._offset = place.line, place.offset

    @property
    def place(self) -> Place:
        """The place after the last line that was read."""
        return Place(self._offset, self.count)


def _has_odd_quotes(file: BinaryIO) -> bool:
    file.seek(0)
    return sum(chunk.count(b'"') for chunk in iter(lambda: file.read(1 << 20), b"")) % 2 == 1


def _find_wrong(lines: _Lines, width: int) -> None:
    """BulkError: the first row at which a wrong quote is noticed."""
    try:
        for _ in _rows(lines, width):
            pass
    except BulkError as error:
        raise BulkError(
            f"{error}; a quote there or in a line before is wrong, so nothing was stored"
        ) from None


def _rows(lines: _Lines, width: int) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows from here on, each with its first line's number. BulkError: one's end is uncertain."""
    rows = csv.reader(lines, strict=True)
    while True:
        number = lines.count + 1
        row = _next_row(rows, lines, width)
        if row is None:
            return
        yield number, row


def _next_row(rows: Iterator[list[str]], lines: _Lines, width: int = 0) -> list[str] | None:
    """Return the next row; None: there is none. BulkError: its end is not certain. width: of a sound row."""
    first = lines.count + 1
    lines.row.clear()
    try:
        row = next(rows, None)
    except csv.Error:
        raise _uncertain(first, lines) from None
    if any('"' in line for line in lines.row):
        is_whole = row is None or len(row) in (width or len(row), 0)
        if not (is_whole and _ROW.fullmatch("".join(lines.row))):
            raise _uncertain(first, lines)
    return row


def _uncertain(first: int, lines: _Lines) -> BulkError:
    more = f" and the {lines.count - first} after it" if lines.count > first else ""
    if lines.is_long:
        reason = f"a line is longer than {MAX_LINE} bytes"
    elif sum(map(len, lines.row)) >= MAX_LINE:
        reason = f"a value is longer than {MAX_LINE} bytes, or its quote is never closed"
    elif lines.has_ended:
        reason = f"a quote is never closed, so it takes all lines to the end, this one{more}"
    elif any('"' in line for line in lines.row):
        reason = "it has other fields than the header, or a quote that is not doubled inside a quoted field"
    else:
        reason = "lines must end with LF or CRLF"
    return BulkError(f"line {first} is not CSV: {reason}")


def _header(row: Sequence[str] | None) -> tuple[str, ...]:
    columns = tuple(row or ())
    if "key" not in columns or not {"value", "blob"} & set(columns) or not set(columns) <= _KNOWN:
        raise BulkError(
            f"the first line must name the columns key, and value or blob, and may name expires_at_ms or"
            f" ttl_ms; it is {','.join(columns)!r}"
        )
    if twice := next((name for name in columns if columns.count(name) > 1), ""):
        raise BulkError(f"the first line names the column {twice} twice: which one counts?")
    return columns


def _content(columns: Sequence[str], row: Sequence[str]) -> Content:
    if not row:
        return None
    if len(row) != len(columns):
        return BadItemError(f"{len(row)} fields, but the header names {len(columns)}")
    if wrong := next((field for field in row if not _is_utf8(field)), ""):
        shown = wrong.encode(errors="surrogateescape")[:60]
        return BadItemError(f"not UTF-8: {shown!r}; give bytes as blob, in base64")
    fields = dict(zip(columns, row, strict=True))
    try:
        blob, text = fields.get("blob", ""), fields.get("value", "")
        if blob and text:
            raise BadItemError("value and blob: give one of them")
        value = blob_of(blob.removeprefix(_EMPTY_BLOB)) if blob else text
        expires = whole_number("expires_at_ms", fields.get("expires_at_ms"))
        return checked(Item(fields["key"], value, expires, whole_number("ttl_ms", fields.get("ttl_ms"))))
    except BadItemError as error:
        return error


def _is_utf8(text: str) -> bool:
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def _row(fields: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(fields)
    return text.getvalue().encode()
