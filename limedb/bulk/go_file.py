"""The data file of a Go LimeDB: one JSON object of all keys, {"key": "value", ...}.

It owns reading it as a stream, and writing its entries. What STORE=filesystem writes is read too: there an
entry may be a record, with a version or a tombstone.
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
    """The entries from a place on; those before it are read too, and left out. BulkError: not such a file."""
    number, source = 0, _Source(file)
    try:
        for key, value in islice(ijson.kvitems(source, ""), start.offset, None):
            number += 1
            at = start.offset + number
            yield Line(at, Place(at, at), _content(key, value))
    except (ijson.JSONError, UnicodeDecodeError) as error:
        where = f"behind entry {start.offset + number}"
        raise BulkError(f"not a JSON object of keys and values, {where}: {_reason(error)}") from None
    if source.first != b"{":  # the parser finds no keys in it, as in an empty object
        raise BulkError("not a JSON object of keys and values")


def write(item: Item) -> bytes:
    """The entry of an item, without a comma. BadItemError: a Go LimeDB can't hold it."""
    if not isinstance(item.value, str):
        raise BadItemError(f"key {item.key!r} holds bytes, and a Go data file only text: export to jsonl")
    if item.expires_at_ms:
        raise BadItemError(f"key {item.key!r} expires, which a Go data file can't say: export to jsonl")
    return (
        json.dumps(item.key, ensure_ascii=False) + ":" + json.dumps(item.value, ensure_ascii=False)
    ).encode()


class _Source:
    """A file. first: what it begins with, without blanks; known once it was read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.first = file, b""

    def read(self, size: int = -1) -> bytes:
        """Some more of it."""
        data = self._file.read(size)
        self.first = self.first or data.lstrip()[:1]
        return data


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
    """What the parser says, without the drawing of the place."""
    told = error.args[0]
    text = told.decode(errors="replace") if isinstance(told, bytes) else str(error)
    return text.splitlines()[0]
