"""Records, their versions, and how two of one key become one.

It owns the content of a stored key. It must never know how a record is encoded (`encoding/record.py`).
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import NamedTuple


class _Fields(NamedTuple):
    """The fields of a record, by which records compare."""

    key: str
    value: str | bytes | None
    version: int
    expires_at: int = 0


class Past(NamedTuple):
    """A state that a record was derived from, or its own. version: 0 for absence. operation: 16 bytes that
    name the write with an idempotency key that made it; empty: that write had no key. outcome: the answer of
    that write (`core/edits.py`); empty: it had none, or it is forgotten.
    """

    version: int
    operation: bytes = b""
    outcome: bytes = b""


class Record(_Fields):
    """A key at one version.

    key: the whole key. value: text, bytes, or None for a tombstone. version: hybrid logical clock
    (`core/hlc.py`), 0 for values older than versions. expires_at: milliseconds since 1970, 0 for never.
    It is a tuple, since every request makes one, and a frozen dataclass takes twice as long.

    encoded: its stored bytes once they are made, so that a record for many replicas is encoded once; empty
    before. It isn't part of the value: only `encoding/record.py` sets and reads it.

    lineage: of a conditional write (`core/conditional.py`), its own state and earlier ones, the newest first;
    empty for others. It isn't part of the value either, since two records of one version have the same.
    """

    encoded: bytes = b""
    lineage: tuple[Past, ...] = ()

    @property
    def is_tombstone(self) -> bool:
        """Whether the record says that the key was deleted."""
        return self.value is None

    def is_live(self, now_ms: int) -> bool:
        """Whether the key has a value at that time: neither deleted nor expired."""
        return self.value is not None and not is_expired(self.expires_at, now_ms)


class RecordBatch(Sequence[Record]):
    """Records at hand in stored form, each made a Record only once it is looked at. Each has a value that
    doesn't expire, a key of at most MAX_NAME bytes, and at most MAX_DATA bytes in all.

    names: the UTF-8 of each key. data: the stored bytes of each. versions: of each. parts: the batches from
    which it was joined, if it was. sent: their bytes as a part of a message, once they are made, so that a
    batch for many replicas is written once; empty before. Only `wire/frames.py` sets and reads it.
    """

    MAX_NAME, MAX_DATA = 127, 17 << 10

    __slots__ = ("data", "names", "parts", "sent", "versions")

    def __init__(self, names: Sequence[bytes], data: Sequence[bytes], versions: Sequence[int]) -> None:
        self.names, self.data, self.versions = names, data, versions
        self.parts: Sequence[RecordBatch] = ()
        self.sent = b""

    @abstractmethod
    def pick(self, places: Sequence[int]) -> "RecordBatch":
        """Those at some places."""

    @abstractmethod
    def joined(self, others: "Sequence[RecordBatch]") -> "RecordBatch":
        """These records, and those of others."""

    def __len__(self) -> int:
        return len(self.names)


def versions_of(records: Sequence[Record]) -> Sequence[int]:
    """The versions of records, in their order."""
    return records.versions if isinstance(records, RecordBatch) else [record[2] for record in records]


def is_expired(expires_at: int, now_ms: int) -> bool:
    """Whether an expiry time (ms; 0: never) has come."""
    return 0 < expires_at <= now_ms


def value_size(value: str | bytes) -> int:
    """The bytes of a value; those of its UTF-8 for text."""
    return len(value.encode()) if isinstance(value, str) else len(value)


def merge(a: Record, b: Record) -> Record:
    """The one of two records of a key that is valid.

    Laws, for all records a, b, c of one key (tests/core/test_record.py):
    commutative, merge(a, b) == merge(b, a); associative, merge(a, merge(b, c)) == merge(merge(a, b), c);
    idempotent, merge(a, a) == a. So replicas that have seen the same records, in whatever order and
    however often, hold the same one: a last-writer-wins register (Shapiro et al. 2011, "A comprehensive
    study of Convergent and Commutative Replicated Data Types", section 3.2.1).
    """
    if a.key != b.key:
        raise ValueError(f"records of different keys can't merge: {a.key!r}, {b.key!r}")
    if a.version != b.version:
        return a if a.version > b.version else b
    return max(a, b, key=_precedence)


def _precedence(record: Record) -> tuple[bool, bytes, bool, int]:
    """The order of records with equal versions: a tombstone wins, then the larger value, bytes, the later
    expiry.
    """
    if record.value is None:
        return (True, b"", False, record.expires_at)
    is_bytes = isinstance(record.value, bytes)
    content = record.value if isinstance(record.value, bytes) else record.value.encode()
    return (False, content, is_bytes, record.expires_at or (1 << 64))
