"""The writes of a BatchSet as bytes, and those of them that need only a version to be stored.

It owns the form of a plain write: a key of 1 to 127 bytes without a tag (`core/groups.py`) and one text or
blob of at most 16 KiB, in this order, and no other field. It must never let a write pass for plain that the
whole way (`rpc/server/checks.py`) would refuse, or store otherwise.

A BatchWrite is a message of its own within the request, so a message that declares `writes` as bytes reads
the same request.

Tested in tests/wire/test_batch_set.py.
"""

from collections.abc import Iterable, Sequence
from struct import Struct
from typing import Protocol, overload

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from typing_extensions import override

from limedb.core.groups import has_tag
from limedb.core.record import RecordBatch
from limedb.encoding.batch import BLOB, KEY, TEXT, VERSION, PlainRecords, plain_name
from limedb.errors import MalformedRequestError
from limedb.replication.requests import Write, WriteBatch
from limedb.wire.as_bytes import as_bytes
from limedb.wire.kv import batch_write_from
from limedbpb.v1 import kv_pb2, record_pb2

_KEY, _VALUE, _BLOB = 0x0A, 0x12, 0x1A
"""Tags of BatchWrite."""
_STORED = {_VALUE: bytes((TEXT,)), _BLOB: bytes((BLOB,))}
"""The tags of the same content in a record."""
_HEAD = Struct("<BQB")  # of a record: its version, and the tag of its key


class BatchSet(Protocol):
    """A BatchSetRequest whose writes are bytes."""

    @property
    def writes(self) -> Sequence[bytes]:
        """Each the bytes of a BatchWrite."""

    @property
    def consistency(self) -> record_pb2.Consistency:
        """As in BatchSetRequest."""


class PlainWrites(WriteBatch):
    """Plain writes. names: the UTF-8 of their keys; items: each the bytes of a BatchWrite."""

    __slots__ = ("_items", "_names")

    def __init__(self, names: Sequence[bytes], items: Sequence[bytes]) -> None:
        self._names, self._items = names, items

    @override
    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, place: int) -> Write: ...
    @overload
    def __getitem__(self, place: slice) -> "PlainWrites": ...
    @override
    def __getitem__(self, place: int | slice) -> "Write | PlainWrites":
        if isinstance(place, slice):
            return PlainWrites(self._names[place], self._items[place])
        item = batch_write_of(self._items[place])
        return batch_write_from(item, item.WhichOneof("content") or "value")

    @property
    @override
    def sizes(self) -> Sequence[int]:
        return [*map(len, self._items)]

    @override
    def stamped(self, versions: Sequence[int]) -> RecordBatch:
        data, head, join = [], _HEAD.pack, b"".join
        for name, item, version in zip(self._names, self._items, versions, strict=True):
            end = len(name) + 2
            data.append(join((head(VERSION, version, KEY), item[1:end], _STORED[item[end]], item[end + 1 :])))
        return PlainRecords(self._names, data, versions)


def plain_writes(items: Iterable[bytes], max_value_size: int) -> PlainWrites | None:
    """The writes of a BatchSet; None: not all are plain, or two have the same key. max_value_size: bytes."""
    kept: list[bytes] = []
    names: list[bytes] = []
    for item in items:
        name = plain_name(item, _KEY, _VALUE, _BLOB)
        if not name or len(item) > max_value_size or not name[0]:  # a reserved key begins with NUL
            return None
        kept.append(item)
        names.append(name)
    if b"{" in b"".join(names) and any(map(has_tag, names)):  # it is decided with its group
        return None
    return PlainWrites(names, kept) if len({*names}) == len(names) else None


def name_of_plain(item: bytes) -> bytes:
    """The UTF-8 of the key of an item of a BatchSet, if it is a plain write; empty: it isn't."""
    return plain_name(item, _KEY, _VALUE, _BLOB)


def batch_write_of(data: bytes) -> kv_pb2.BatchWrite:
    """An item of a BatchSet. MalformedRequestError: it isn't one."""
    try:
        return kv_pb2.BatchWrite.FromString(data)
    except DecodeError:
        raise MalformedRequestError("the item is not a BatchWrite: text in it must be UTF-8") from None


def request_class(wanted: Descriptor) -> type[Message]:
    """The class that reads a request: that of the contract, except for those that hold a BatchSet."""
    return _AS_BYTES.get(wanted.full_name) or GetMessageClass(wanted)


_AS_BYTES = as_bytes(
    "limedb.wire.batch_set",
    {kv_pb2.BatchSetRequest: ("writes",), kv_pb2.SessionRequest: ()},
)
