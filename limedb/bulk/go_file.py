"""The data file of a Go LimeDB: one JSON object of all keys, {"key": "value", ...}.

It owns reading it as a stream, and writing its entries. It also reads the file of STORE=filesystem, where an
entry may be a record, with a version or a tombstone.

Tested in tests/bulk/test_formats.py.
"""

import json
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

import ijson

from limedb.bulk.items import Content, Item, Line, Place, checked
from limedb.bulk.jsonl import item_of
from limedb.errors import BadItemError, BulkError


def read(file: BinaryIO, start: Place) -> Iterator[Line]:
    """Yield the entries from a place on; skip those before it. BulkError: this is not such a file."""
    number, source = 0, _Source(file)
    try:
        for key, value in islice(ijson.kvitems(source, ""), start.offset, None):
            number += 1
            at = start.offset + number
            yield Line(at, Place(at, at), _content(key, value))
    except (ijson.JSONError, UnicodeDecodeError) as error:
        where = f"after entry {start.offset + number}"
        raise BulkError(f"not a JSON object of keys and values, {where}: {_reason(error)}") from None
    if source.first != b"{":  # the parser finds no keys in it either
        raise BulkError("not a JSON object of keys and values")


def write(item: Item) -> bytes:
    """Return the entry of an item, without a comma. BadItemError: a Go LimeDB can't hold it."""
    if not isinstance(item.value, str):
        raise BadItemError(f"key {item.key!r} holds bytes, but a Go data file only text: export to jsonl")
    if item.expires_at_ms:
        raise BadItemError(f"key {item.key!r} expires, but keys of a Go data file don't: export to jsonl")
    return (
        json.dumps(item.key, ensure_ascii=False) + ":" + json.dumps(item.value, ensure_ascii=False)
    ).encode()


class _Source:
    """A file. first: its first byte that is not blank, once it has been read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.first = file, b""

    def read(self, size: int = -1) -> bytes:
        """Read some more."""
        data = self._file.read(size)
        if not self.first and _holds_several(data):  # the first alone may make keys of "key" and "value"
            raise BulkError(
                "not a JSON object of keys and values, but several objects: JSON lines need --format jsonl;"
                " nothing was stored"
            )
        self.first = self.first or data.lstrip()[:1]
        return data


def _holds_several(head: bytes) -> bool:
    """Whether a file that begins so has more after a whole object."""
    text = head.decode(errors="replace").lstrip()
    try:
        first, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(first, dict) and bool(text[end:].strip())


def _content(key: str, value: object) -> Content:
    try:
        if isinstance(value, str):
            return checked(Item(key, value))
        if isinstance(value, dict) and value.get("tombstone"):
            return None
        return item_of(value, key)
    except BadItemError as error:
        return error


def _reason(error: Exception) -> str:
    """Return the parser's message, without its drawing of the place."""
    reason = error.args[0]
    text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(error)
    return text.splitlines()[0]
