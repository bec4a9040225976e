"""Keeps the log of changes between two runs of a node: in a file that exists only while the node doesn't run.

It owns the file's form. The node writes it at a clean stop, when nothing changes the store any longer, and
removes it before anything may change the store again. So its content is complete. A file that is damaged, or
was written beside other data, must never be used: watches then count on the node some seconds later.

The form: MAGIC, the xxh64 of the rest, the store's high-water mark, three times, and the changes. A change is
its time of arrival, whether it was late, the length of the record, and the record.
"""

import logging
from contextlib import suppress
from pathlib import Path
from struct import Struct, error

import xxhash

from limedb.encoding.record import decode, encode
from limedb.errors import LimeDBError
from limedb.ports import ChangeTail
from limedb.storage.files import replace_durably, sync

log = logging.getLogger(__name__)

MAGIC = b"LimeDB changes 1\n"
_CONSEQUENCE = "the node counts for watches some seconds later, as after a crash"
_CHECK = Struct("<Q")
_HEAD = Struct("<QQQQ")
_CHANGE = Struct("<QBI")


class TailFile:
    """The file of a node. path: None if the node keeps nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def save(self, tail: ChangeTail, high_water: int) -> None:
        """Write the file. high_water: the greatest version in the store. A failure is logged, and costs the
        next run some seconds in which watches can't count on it.
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
            log.warning("%s can't be written (%s): %s", self._path, failure, _CONSEQUENCE)

    def take(self, high_water: int) -> ChangeTail | None:
        """Read the file and remove it. None: there is no file that matches the store."""
        if self._path is None:
            return None
        try:
            data = self._path.read_bytes()
            self._path.unlink()
            sync(self._path.parent)
        except FileNotFoundError:
            return None
        except OSError as failure:
            log.warning("%s can't be read (%s): %s", self._path, failure, _CONSEQUENCE)
            with suppress(OSError):  # another run must not find it beside what this one changes
                self._path.unlink()
            return None
        try:
            return _parsed(data, high_water)
        except (LimeDBError, ValueError, error) as failure:
            log.warning("%s is not used (%s): %s", self._path, failure, _CONSEQUENCE)
            return None


def _parsed(data: bytes, high_water: int) -> ChangeTail:
    """ValueError, struct.error, LimeDBError: the file is damaged, or doesn't match the store."""
    at = len(MAGIC) + _CHECK.size
    if not data.startswith(MAGIC) or len(data) < at:
        raise ValueError("the file does not begin with the expected bytes")
    body = memoryview(data)[at:]
    if _CHECK.unpack_from(data, len(MAGIC))[0] != xxhash.xxh64_intdigest(body):
        raise ValueError("its checksum does not match")
    known, started_ms, floor_ms, until_ms = _HEAD.unpack_from(body)
    if known != high_water:
        raise ValueError(f"the store's newest version is {high_water}, the file's is {known}")
    changes = []
    at = _HEAD.size
    while at < len(body):
        arrived_ms, is_late, size = _CHANGE.unpack_from(body, at)
        at += _CHANGE.size
        changes.append((arrived_ms, decode(bytes(body[at : at + size])), bool(is_late)))
        at += size
    return ChangeTail(started_ms, floor_ms, until_ms, changes)
