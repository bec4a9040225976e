"""The log of changes from one run of a node to the next: a file that is there while the node doesn't run.

It owns the file's form. It is written at a clean stop, when nothing changes the store any more, and removed
before anything may change it again. So what is read is complete: the store got nothing since. A file that is
damaged, or was written beside other data, is not used, and the node counts for watches some seconds later.

The form: MAGIC, the xxh64 of all that follows, the store's high-water mark, three times, and the changes:
each its time of arrival, whether it was late, the length of the record, and the record.
"""

import logging
from pathlib import Path
from struct import Struct, error

import xxhash

from limedb.encoding.record import decode, encode
from limedb.errors import LimeDBError
from limedb.ports import ChangeTail
from limedb.storage.files import replace_durably, sync

log = logging.getLogger(__name__)

MAGIC = b"LimeDB changes 1\n"
_CHECK = Struct("<Q")
_HEAD = Struct("<QQQQ")
_CHANGE = Struct("<QBI")


class TailFile:
    """The file of a node. path: None: the node keeps nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def save(self, tail: ChangeTail, high_water: int) -> None:
        """Write it. high_water: the greatest version in the store. A failure costs the next run some seconds
        in which it doesn't count for watches, and is logged.
        """
        if self._path is None:
            return
        parts = [_HEAD.pack(high_water, tail.started_ms, tail.complete_since_ms, tail.until_ms)]
        for arrived_ms, record, is_late in tail.changes:
            data = encode(record)
            parts += (_CHANGE.pack(arrived_ms, is_late, len(data)), data)
        body = b"".join(parts)
        try:
            replace_durably(self._path, MAGIC + _CHECK.pack(xxhash.xxh64_intdigest(body)) + body)
        except OSError as failure:
            log.warning("the changes for watches could not be kept in %s: %s", self._path, failure)

    def take(self, high_water: int) -> ChangeTail | None:
        """Read it, and remove it. None: there is none that fits the store."""
        if self._path is None:
            return None
        try:
            data = self._path.read_bytes()
            self._path.unlink()
            sync(self._path.parent)
        except FileNotFoundError:
            return None
        except OSError as failure:
            log.warning("the changes for watches in %s could not be read: %s", self._path, failure)
            return None
        try:
            return _parsed(data, high_water)
        except (LimeDBError, ValueError, error) as failure:
            log.warning("the changes for watches in %s are not used: %s", self._path, failure)
            return None


def _parsed(data: bytes, high_water: int) -> ChangeTail:
    """ValueError, struct.error, LimeDBError: it isn't what was written, or doesn't fit the store."""
    at = len(MAGIC) + _CHECK.size
    if not data.startswith(MAGIC) or len(data) < at:
        raise ValueError("the file does not begin as it should")
    body = memoryview(data)[at:]
    if _CHECK.unpack_from(data, len(MAGIC))[0] != xxhash.xxh64_intdigest(body):
        raise ValueError("its checksum does not fit")
    known, started_ms, floor_ms, until_ms = _HEAD.unpack_from(body)
    if known != high_water:
        raise ValueError(f"the store's newest version is {high_water}, theirs is {known}")
    changes = []
    at = _HEAD.size
    while at < len(body):
        arrived_ms, is_late, size = _CHANGE.unpack_from(body, at)
        at += _CHANGE.size
        changes.append((arrived_ms, decode(bytes(body[at : at + size])), bool(is_late)))
        at += size
    return ChangeTail(started_ms, floor_ms, until_ms, changes)
