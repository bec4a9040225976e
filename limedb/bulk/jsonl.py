"""JSON lines: an object on each line, {"key", "value"}, or "blob" in base64, and "expiresAtMs" or "ttlMs".

It owns the form of a line, in both directions. A field that it doesn't know makes a line bad: a misspelled
"ttlMs" would store a value that never expires. So does a field that appears twice. "size" and "version",
which the entries of a REST scan have, are ignored.

Tested in tests/bulk/test_formats.py.
"""

import base64
import binascii
import json
from collections.abc import Iterator
from typing import BinaryIO

from limedb.bulk.items import Content, Item, Line, Place, checked, whole_number
from limedb.errors import BadItemError

FIELDS = ("key", "value", "blob", "expiresAtMs", "ttlMs")
IGNORED = ("size", "version")
_KINDS = {list: "an array", str: "a string", bool: "a truth value", int: "a number", float: "a number"}
MAX_LINE = 64 << 20
"""Bytes of a line; a longer one is bad, and is not kept in memory."""


def read(file: BinaryIO, start: Place) -> Iterator[Line]:
    """Yield the lines from a place on."""
    if start.offset:
        file.seek(start.offset)
    offset, number = start.offset, start.line
    while raw := file.readline(MAX_LINE):
        length, whole = len(raw), raw.endswith(b"\n") or len(raw) < MAX_LINE
        while not whole and (rest := file.readline(MAX_LINE)):
            length, whole = length + len(rest), rest.endswith(b"\n")
            raw = b""
        offset, number = offset + length, number + 1
        yield Line(number, Place(offset, number), _content(raw))


def write(item: Item) -> bytes:
    """Return the line of an item."""
    fields: dict[str, object] = {"key": item.key}
    if isinstance(item.value, str):
        fields["value"] = item.value
    else:
        fields["blob"] = base64.b64encode(item.value).decode()
    if item.expires_at_ms:
        fields["expiresAtMs"] = item.expires_at_ms
    return json.dumps(fields, ensure_ascii=False).encode() + b"\n"


def item_of(fields: object, key: object = None) -> Item:
    """Return the item of an object. key: its key, if that is not in the object. BadItemError."""
    if not isinstance(fields, dict):
        raise BadItemError(f"must be a JSON object, is {_KINDS.get(type(fields), 'null')}")
    name = fields.get("key") if key is None else key
    if not isinstance(name, str):
        raise BadItemError('"key" must be a string')
    expires = whole_number("expiresAtMs", fields.get("expiresAtMs"))
    return checked(Item(name, _value(fields), expires, whole_number("ttlMs", fields.get("ttlMs"))))


def blob_of(text: str) -> bytes:
    """Decode base64. BadItemError."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadItemError(f'"blob" is not base64: {error}') from None


def _content(raw: bytes) -> Content:
    if not raw:
        return BadItemError(f"the line is longer than {MAX_LINE} bytes")
    if raw.isspace():
        return None
    try:
        fields = json.loads(raw.rstrip(), object_pairs_hook=_once)
        _check_names(fields)
        return item_of(fields)
    except BadItemError as error:
        return error
    except json.JSONDecodeError as error:
        reason = f"{error.msg[:1].lower()}{error.msg[1:].removesuffix(' at')}"
        return BadItemError(f"not JSON at character {error.pos + 1}: {reason}")
    except UnicodeDecodeError as error:
        return BadItemError(f"not JSON in UTF-8: byte {error.start + 1} is 0x{raw[error.start]:02x}")
    except RecursionError:
        return BadItemError("not JSON of an item: it is nested too deeply")
    except ValueError:  # Python reads no number of more digits
        return BadItemError("not JSON of an item: it has a number of thousands of digits")


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return the object. BadItemError: a name appears twice."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadItemError(f'field "{twice[:64]}" is there twice: which one counts?')
    return fields


def _check_names(fields: object) -> None:
    """BadItemError: a name that no field has."""
    unknown = fields.keys() - {*FIELDS, *IGNORED} if isinstance(fields, dict) else ()
    if unknown:
        raise BadItemError(f'unknown field "{min(unknown)[:64]}"; a line has {", ".join(FIELDS)}')


def _value(fields: "dict[object, object]") -> str | bytes:
    value, blob = fields.get("value"), fields.get("blob")
    if isinstance(value, str) and blob is None:
        return value
    if isinstance(blob, str) and value is None:
        return blob_of(blob)
    raise BadItemError('must have either "value" or "blob", as a string')
