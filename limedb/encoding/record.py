"""Records as bytes: the stored form is the serialized message limedb.v1.Record, and so is the sent form.

It owns both directions, and a cheap look at the fields that decide a merge. It must never know of a store.
"""

from collections.abc import Callable, Iterable
from struct import Struct
from typing import NamedTuple

from google.protobuf.message import DecodeError

from limedb.core.hlc import FIRST_BALLOT
from limedb.core.record import Past, Record
from limedb.encoding.varint import head, varint
from limedb.errors import (
    InvalidKeyError,
    MalformedRequestError,
    RecordDamagedError,
    StoreCorruptError,
    brief,
)
from limedbpb.v1.record_pb2 import Record as Message

# Tags of proto/limedbpb/v1/record.proto, in the order in which they are written.
_VERSION, _EXPIRES_AT, _TOMBSTONE, _KEY = b"\x09", b"\x11", b"\x18\x01", b"\x22"
_VALUE, _BLOB, _TEXT = 0x2A, 0x32, b"\x2a"
_SHORT_KEY = [_KEY + bytes((size,)) for size in range(128)]
_FIRST, _KEY_TAG = _VERSION[0], _KEY[0]
FIRST_TAGS = _FIRST, _KEY_TAG, _VALUE
"""Of version, key and text, as numbers: all that a text has that doesn't expire, in this order."""
_FIXED64 = Struct("<Q")
STAMP, _EXPIRY_STAMP = b"\x41", b"\x49"
"""The tags of version and expiry, the same in GetResponse and BatchGetResult; eight bytes follow, as in a
record.
"""
KEY_TAG = _KEY
"""The tag before a key, in the tenth byte of most records."""
_KEY_LIMIT = 4096
"""The limit for clients, in bytes: named in the error, enforced by the services."""


class Header(NamedTuple):
    """The fields that decide a merge and a count."""

    version: int
    expires_at: int
    """Milliseconds since 1970; 0 for never."""
    is_tombstone: bool


_new = tuple.__new__  # the same as calling the class of a named tuple, in half of its time


def utf8(text: str) -> bytes:
    """The UTF-8 of a text. MalformedRequestError: it holds half of a surrogate pair."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise _not_utf8(error) from None


def key_bytes(key: str) -> bytes:
    """The UTF-8 of a key to find or store. InvalidKeyError: it is empty."""
    if not key:
        raise InvalidKeyError(0, _KEY_LIMIT)
    try:
        return key.encode()
    except UnicodeEncodeError as error:
        raise _not_utf8(error) from None


def to_message(record: Record) -> Message:
    """The message of a record."""
    message = Message(version=record.version, expires_at_ms=record.expires_at, key=record.key)
    if isinstance(record.value, str):
        message.value = record.value
    elif record.value is not None:
        message.blob = record.value
    else:
        message.tombstone = True
    for version, operation, outcome in record.lineage:
        message.lineage.add(version=version, operation=operation, outcome=outcome)
    return message


def _lineage_in(message: Message) -> tuple[Past, ...]:
    return tuple(Past(past.version, past.operation, past.outcome) for past in message.lineage)


def from_message(message: Message) -> Record:
    """The record of a message. StoreCorruptError: it has no key, or not exactly one of content and
    tombstone.
    """
    content = message.WhichOneof("content")
    if not message.key or (content is None) != message.tombstone:
        raise StoreCorruptError(f"not a record: {_excerpt(message.SerializeToString())}")
    value = message.value if content == "value" else message.blob if content == "blob" else None
    record = Record(message.key, value, message.version, message.expires_at_ms)
    if message.lineage:
        record.lineage = _lineage_in(message)
    return record


def encode(record: Record) -> bytes:
    """The stored bytes of a record."""
    return record.encoded or _written(record, utf8(record[0]))


def stored_form(held: Record | RecordDamagedError | None) -> bytes | RecordDamagedError | None:
    """The state of a key at a replica, with a record in stored form."""
    return encode(held) if isinstance(held, Record) else held


def encode_once(record: Record) -> bytes:
    """The stored bytes of a record for many places; from then on the record carries them.

    MalformedRequestError: a text isn't UTF-8.
    """
    data = record.encoded
    if not data:
        data = record.encoded = _written(record, utf8(record[0]))
    return data


def encode_all(records: Iterable[Record]) -> list[tuple[bytes, bytes]]:
    """The UTF-8 of the key and the stored bytes of each record, as `encode_once`. InvalidKeyError: a key is
    empty.
    """
    pairs = []
    for record in records:
        name, data = key_bytes(record[0]), record.encoded
        if not data:
            data = record.encoded = _written(record, name)
        pairs.append((name, data))
    return pairs


def received(data: bytes) -> Record:
    """The record in bytes that a peer sent to be stored. It carries exactly these bytes, including fields
    that this version doesn't know, unless `peek` would not find its fields in their places.

    StoreCorruptError: they aren't a record.
    """
    message = _parse(data)
    record = _record_of(message)
    if record[2] & FIRST_BALLOT:
        record.lineage = _lineage_in(message)
    has_head = data[:1] == _VERSION and data[9:10] == _KEY
    record.encoded = data if has_head else message.SerializeToString()
    return record


def decode(data: bytes) -> Record:
    """The record in stored bytes, which it carries. StoreCorruptError: they aren't a record."""
    message = _parse(data)
    record = _record_of(message)
    if record[2] & FIRST_BALLOT:
        record.lineage = _lineage_in(message)
    record.encoded = data
    return record


def versions_of_lasting(found: Iterable[bytes | None]) -> list[int] | None:
    """The versions in stored bytes of values that don't expire, 0 where there are none; None: some may be
    something else. At the cost of one field each, and as certain as `peek`.
    """
    versions: list[int] = []
    for data in found:
        if data is None:
            versions.append(0)
        elif len(data) > 9 and data[9] == _KEY_TAG and data[0] == _FIRST:
            versions.append(_FIXED64.unpack_from(data, 1)[0])
        else:
            return None
    return versions


def peek(data: bytes) -> Header:
    """The fields that decide a merge, read without a look beyond the key's tag, so at the cost of three
    fields.

    The bytes must be those of `encode`, with the fields in order; proto3 leaves out zeros, so each field may
    be missing. Other bytes are parsed as a whole. StoreCorruptError: that failed.
    """
    if len(data) > 9 and data[9] == _KEY_TAG and data[0] == _FIRST:  # the usual case: it doesn't expire
        return _new(Header, (_FIXED64.unpack_from(data, 1)[0], 0, False))
    at, version, expires_at = 0, 0, 0
    if data[:1] == _VERSION and len(data) > 9:
        version, at = _FIXED64.unpack_from(data, 1)[0], 9
    if data[at : at + 1] == _EXPIRES_AT and len(data) > at + 9:
        expires_at, at = _FIXED64.unpack_from(data, at + 1)[0], at + 9
    is_tombstone = data[at : at + 2] == _TOMBSTONE
    at += len(_TOMBSTONE) * is_tombstone
    if data[at : at + 1] == _KEY:
        return Header(version, expires_at, is_tombstone)
    whole = decode(data)
    return Header(whole.version, whole.expires_at, whole.is_tombstone)


def key_in(data: bytes) -> bytes:
    """The key's UTF-8 in bytes that begin like a record, whatever follows; empty: it isn't found."""
    at = 0
    for tag, size in (_VERSION, 9), (_EXPIRES_AT, 9), (_TOMBSTONE, 2):
        at += size * data.startswith(tag, at)
    if not data.startswith(_KEY, at) or len(data) < at + 3:
        return b""
    size, begin = data[at + 1], at + 2
    if size > 127:
        size, begin = (size & 127) | data[at + 2] << 7, at + 3
    return data[begin : begin + size]


def content(key: bytes, data: bytes, now_ms: Callable[[], int]) -> bytes:
    """The content field in the stored bytes of a key (given as UTF-8), with tag and length, in the form that
    GetResponse and BatchGetResult have too; empty: the value was deleted or has expired. now_ms: returns the
    time, milliseconds since 1970; called only if it matters.

    StoreCorruptError: the bytes aren't a record of that key.
    """
    size = len(key)
    if size < 128:
        if data[9:11] == _SHORT_KEY[size] and data.startswith(key, 11) and data[0] == _FIRST:
            field = data[11 + size :]
            if _is_content(field):
                return field
    elif is_plain_of(key, data):
        return data[12 + size :]
    record = decode(data)
    if utf8(record.key) != key:
        raise StoreCorruptError(f"the record of key {brief(record.key)} is stored for {brief(key.decode())}")
    return _content(record.value) if record.value is not None and record.is_live(now_ms()) else b""


def own_content(key: str, data: bytes, now_ms: Callable[[], int]) -> bytes:
    """As `content`, for bytes that the store has found to be that key's record: the key isn't checked again.

    StoreCorruptError.
    """
    if len(data) > 11 and data[9] == _KEY_TAG and (size := data[10]) < 128 and data[0] == _FIRST:
        field = data[11 + size :]
        if _is_content(field):
            return field
    return content(utf8(key), data, now_ms)


def stamp(data: bytes) -> bytes:
    """The fields of a value's version and expiry, in the form that GetResponse and BatchGetResult have, from
    its stored bytes.
    """
    if len(data) > 9 and data[9] == _KEY_TAG and data[0] == _FIRST:
        return STAMP + data[1:9]
    version, expires_at, _ = peek(data)
    return stamp_of(version, expires_at)


def stamp_of(version: int, expires_at: int) -> bytes:
    """The same from the fields themselves."""
    fields = STAMP + _FIXED64.pack(version) if version else b""
    return fields + _EXPIRY_STAMP + _FIXED64.pack(expires_at) if expires_at else fields


def is_plain_of(key: bytes, data: bytes) -> bool:
    """Whether bytes are a record of that key as `encode` writes it, with text or a blob that doesn't
    expire. False means only that it isn't certain.
    """
    before = _KEY + varint(len(key)) + key
    if data.startswith(before, 9) and data[:1] == _VERSION:
        return _is_content(data[9 + len(before) :])
    return False


def _is_content(field: bytes) -> bool:
    """Whether the field is one whole text or blob, and nothing else; False also if it isn't certain."""
    begin = begin_of(field)
    return begin > 0 and (field[0] == _BLOB or (field[0] == _VALUE and is_utf8(field[begin:])))


def begin_of(field: bytes) -> int:
    """Where the content of a field begins that is a tag, a length and as many bytes; 0: it is something else,
    or has more than 16 KiB.
    """
    size = len(field)
    if size >= 2 and field[1] == size - 2 < 128:
        return 2
    return 3 if size > 130 and field[1:3] == varint(size - 3) else 0


def is_utf8(data: bytes) -> bool:
    """Whether bytes are the UTF-8 of a text."""
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _record_of(message: Message) -> Record:
    """As from_message, in half of the time for texts, the usual case."""
    key, value = message.key, message.value
    if not (key and value) or message.tombstone:
        return from_message(message)
    return _new(Record, (key, value, message.version, message.expires_at_ms))


def _written(record: Record, name: bytes) -> bytes:
    """The bytes that protobuf writes; for a text that doesn't expire, in half of its time. name: the UTF-8 of
    the key.
    """
    _, value, version, expires_at = record
    if expires_at or not version or not isinstance(value, str) or record.lineage:
        return to_message(record).SerializeToString()
    text = utf8(value)
    version_bytes = _FIXED64.pack(version)
    return b"".join((_VERSION, version_bytes, head(_KEY, len(name)), name, head(_TEXT, len(text)), text))


def _content(value: str | bytes) -> bytes:
    message = Message(value=value) if isinstance(value, str) else Message(blob=value)
    return message.SerializeToString()


def _parse(data: bytes) -> Message:
    try:
        return Message.FromString(data)
    except DecodeError:
        raise StoreCorruptError(f"not a record: {_excerpt(data)}") from None


def _not_utf8(error: UnicodeEncodeError) -> MalformedRequestError:
    return MalformedRequestError(f"the text isn't UTF-8: {error}")


def _excerpt(data: bytes) -> str:
    return f"{data[:32]!r} ({len(data)} bytes)"
