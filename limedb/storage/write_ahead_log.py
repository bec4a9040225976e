"""The write-ahead log of a store: what was acknowledged and may not stand in its tables yet.

It owns the segment files: how groups of writes are appended, and read again after a crash. It must never
know what a group holds. It blocks, and is for one thread at a time.

A segment `log-<number>` is a mark and then groups: 4 bytes of length, 4 of the length's checksum (xxh32), 8
of the group's (xxh64), all little-endian, and the group. What is appended is on disk before the next, so that
only the end of the last segment may be torn, and then nobody was told that it is stored. Damage anywhere else
is told, and never passed over. A segment that wasn't synced ends at the first group that is torn. Source:
Mohan et al. 1992, "ARIES"; redo only, since a group is there as a whole or not at all.
"""

import errno
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from struct import Struct

import xxhash

from limedb.errors import StoreCorruptError, StoreError
from limedb.storage.files import is_full, store_error, sync

log = logging.getLogger(__name__)

SYNCED, UNSYNCED = b"LimeDB\x01S", b"LimeDB\x01U"
_MARK_SIZE = len(SYNCED)
_HEADER = Struct("<IIQ")
_PREFIX = "log-"
_NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE)  # too many connections: the old segment is still open


class NoRoomError(Exception):
    """The disk is full; nothing was written."""


class WriteAheadLog:
    """Appends to the newest segment of a folder. is_synced: what is appended is on disk then.

    Made with a new segment, behind those that are there. StoreError, StoreFullError: it can't be.
    """

    def __init__(self, folder: Path, is_synced: bool) -> None:
        self._folder, self._is_synced = folder, is_synced
        self._number = max(map(_number_of, _segments(folder)), default=0) + 1
        self._end = _MARK_SIZE
        try:
            self._fd = self._make(self._number)
        except OSError as error:
            raise store_error(f"{folder}: the write-ahead log can't be written", error) from error

    def append(self, groups: Sequence[bytes]) -> None:
        """Append groups, all or none. NoRoomError: none was; OSError: the disk failed."""
        data = b"".join([part for group in groups for part in (_header(group), group)])
        try:
            _write_at(self._fd, data, self._end)
        except OSError as error:
            if not is_full(error.errno or 0):
                raise
            os.ftruncate(self._fd, self._end)
            raise NoRoomError from error
        if self._is_synced:
            os.fdatasync(self._fd)
        self._end += len(data)

    def sync(self) -> None:
        """Wait until all that was appended is on disk. OSError: the disk failed."""
        os.fdatasync(self._fd)

    def rotate(self) -> int:
        """Begin a new segment; the number of the one before. NoRoomError: it goes on with the old one;
        OSError.
        """
        try:
            fd = self._make(self._number + 1)
        except OSError as error:
            if not (is_full(error.errno or 0) or error.errno in _NO_DESCRIPTOR):
                raise
            raise NoRoomError from error
        os.close(self._fd)
        self._fd, self._end = fd, _MARK_SIZE
        self._number += 1
        return self._number - 1

    def drop(self, number: int) -> None:
        """Remove the segments up to a number: all of them stands in the tables, on disk. OSError."""
        remove_segments(self._folder, number)

    def close(self) -> None:
        """Close it; nothing is left of a segment that holds nothing."""
        os.close(self._fd)
        if self._end == _MARK_SIZE:
            self._path(self._number).unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        return self._folder / f"{_PREFIX}{number:010}"

    def _make(self, number: int) -> int:
        """A new segment's descriptor. OSError: there is none."""
        path = self._path(number)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            _write_at(fd, SYNCED if self._is_synced else UNSYNCED, 0)
            sync(self._folder)  # else a power cut may take the whole file away
        except OSError:
            os.close(fd)
            with suppress(OSError):
                path.unlink()
            raise
        return fd


def groups_in(folder: Path) -> Iterator[bytes]:
    """All groups of a folder's segments, in their order. StoreCorruptError: one is damaged, and not by a
    crash; StoreError: they can't be read.
    """
    paths = _segments(folder)
    for path in paths:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise store_error(f"{path} can't be read", error) from error
        yield from _groups_of(path, data, is_last=path == paths[-1])


def remove_segments(folder: Path, number: int | None = None) -> None:
    """Remove segments, those up to a number or all. OSError."""
    for path in _segments(folder):
        if number is None or _number_of(path) <= number:
            path.unlink()


def _groups_of(path: Path, data: bytes, is_last: bool) -> Iterator[bytes]:
    mark, at = data[:_MARK_SIZE], _MARK_SIZE
    if mark not in (SYNCED, UNSYNCED):
        if is_last and (not any(mark) or SYNCED.startswith(mark) or UNSYNCED.startswith(mark)):
            return  # a crash came as it was made
        raise StoreError(
            f"{path} is no write-ahead log that this LimeDB reads: start the version that wrote it"
        )
    while at < len(data):
        begin, end = at + _HEADER.size, _end_of(data, at)
        group = data[begin:end]
        if end > len(data) or data[at:begin] != _header(group):
            is_at_end = end >= len(data) or not any(data[at:])
            if not (mark == UNSYNCED or (is_last and is_at_end)):
                raise _damaged(path, at)
            log.warning("%s was cut off by a crash at byte %d; nobody was told that more is there", path, at)
            return
        yield group
        at = end


def _damaged(path: Path, at: int) -> StoreCorruptError:
    return StoreCorruptError(
        f"{path} is damaged at byte {at}: restore a snapshot; or move this file away and run `limedb admin"
        " repair`, which fetches from the other replicas what is lost with it"
    )


def _segments(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob(f"{_PREFIX}*") if path.name[len(_PREFIX) :].isdigit())


def _number_of(path: Path) -> int:
    return int(path.name[len(_PREFIX) :])


def _header(group: bytes) -> bytes:
    size = len(group)
    return _HEADER.pack(size, _check(size), xxhash.xxh64_intdigest(group))


def _end_of(data: bytes, at: int) -> int:
    """Where the group at a place ends by its header; behind the header, where that is torn or damaged."""
    begin = at + _HEADER.size
    if begin > len(data):
        return begin
    size, check, _ = _HEADER.unpack_from(data, at)
    return begin + int(size) if check == _check(size) else begin


def _check(size: int) -> int:
    return xxhash.xxh32_intdigest(size.to_bytes(4, "little"))


def _write_at(fd: int, data: bytes, at: int) -> None:
    done = os.pwrite(fd, data, at)
    while done < len(data):
        done += os.pwrite(fd, data[done:], at + done)
