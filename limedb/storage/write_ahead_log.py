"""The write-ahead log of a store: acknowledged writes that may not be in its tables yet.

It owns the segment files: appending groups of writes, and reading them after a crash. It must never know what
a group contains. It blocks, and is for one thread at a time.

A segment `log-<number>` is a mark and then groups: 4 bytes of length, 4 of the length's checksum (xxh32), 8
of the group's (xxh64), all little-endian, and the group. Each group is on disk before the next is appended,
so only the end of the last segment may be torn, and then that write was never acknowledged. Damage anywhere
else raises an error, and is never skipped. A segment without syncs ends at its first torn group. Source:
Mohan et al. 1992, "ARIES"; redo only, since a group exists as a whole or not at all.

A crash has torn a group if the file ends inside it, or if one of its sectors was never written and so reads
as zeros; other bytes that don't match the checksum are damage, in the last group, too. All acknowledged
writes end at or before the byte that `folder_state` has noted, which distinguishes a group that was cut off
from a torn one.
"""

import errno
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from struct import Struct

import xxhash

from limedb.errors import StoreDamagedError, StoreError
from limedb.storage.files import is_full, store_error, sync
from limedb.storage.folder_state import read_state

log = logging.getLogger(__name__)

SYNCED, UNSYNCED = b"LimeDB\x01S", b"LimeDB\x01U"
_MARK_SIZE = len(SYNCED)
_HEADER = Struct("<IIQ")
_PREFIX = "log-"
_SECTOR = 512
_NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE)  # too many connections: the old segment is still open


class NoRoomError(Exception):
    """The disk is full; nothing was written."""


class WriteAheadLog:
    """Appends to the newest segment of a folder. is_synced: each append waits until its data is on disk.

    It starts with a new segment, numbered after the existing ones and after `after`. note: called with the
    newest segment and its end whenever these are certainly on disk. StoreError, StoreFullError: it can't be
    made.
    """

    def __init__(
        self, folder: Path, is_synced: bool, after: int = 0, note: Callable[[int, int], None] | None = None
    ) -> None:
        self._folder, self._is_synced, self._note = folder, is_synced, note
        self._number = max(map(_number_of, _segments(folder)), default=0)
        self._number = max(self._number, after) + 1
        self._end = _MARK_SIZE
        try:
            self._fd = self._make(self._number)
        except OSError as error:
            raise store_error(f"{folder}: the write-ahead log can't be written", error) from error
        self._noted()

    def append(self, groups: Sequence[bytes]) -> None:
        """Append groups, all or none. NoRoomError: none was appended; OSError: the disk failed."""
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
        self._noted()

    def sync(self) -> None:
        """Wait until all appended groups are on disk. OSError: the disk failed."""
        os.fdatasync(self._fd)

    def rotate(self) -> int:
        """Begin a new segment, and return the number of the previous one. NoRoomError: the old one stays in
        use; OSError.
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
        self._noted()
        return self._number - 1

    def drop(self, number: int) -> None:
        """Remove the segments up to a number, whose content is in the tables, on disk. OSError."""
        remove_segments(self._folder, number)

    def close(self) -> bool:
        """Close the log, and remove an empty segment. True: no segment is left."""
        os.close(self._fd)
        if self._end == _MARK_SIZE:
            self._path(self._number).unlink(missing_ok=True)
        return not _segments(self._folder)

    def _noted(self) -> None:
        if self._note is not None:
            self._note(self._number, self._end if self._is_synced else _MARK_SIZE)

    def _path(self, number: int) -> Path:
        return _path_of(self._folder, number)

    def _make(self, number: int) -> int:
        """The descriptor of a new segment. OSError: it can't be made."""
        path = self._path(number)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            _write_at(fd, SYNCED if self._is_synced else UNSYNCED, 0)
            sync(self._folder)  # otherwise a power cut may lose the whole file
        except OSError:
            os.close(fd)
            with suppress(OSError):
                path.unlink()
            raise
        return fd


def check_segments(folder: Path, logged: int, newest: int) -> None:
    """Check that all segments exist after `logged`, the last one whose content is in the tables. newest: the
    noted one; 0: nothing was left. StoreDamagedError: a segment is missing.
    """
    there = {*map(_number_of, _segments(folder))}
    wanted = {*range(logged + 1, max(newest, *there, logged) + 1)} if newest else set[int]()
    if missing := wanted - there:
        path = _path_of(folder, min(missing))
        raise StoreDamagedError(f"{path} is missing: the tables have the log up to {logged} only")


def groups_in(folder: Path, known: tuple[int, int] = (0, 0)) -> Iterator[bytes]:
    """All groups of a folder's segments, in order. known: a segment, and its least end. StoreDamagedError: a
    segment is damaged, and not by a crash; StoreError: they can't be read.
    """
    paths = _segments(folder)
    for path in paths:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise store_error(f"{path} can't be read", error) from error
        end = known[1] if _number_of(path) == known[0] else 0
        yield from _groups_of(path, data, end, is_last=path == paths[-1])


def lost_segment(folder: Path) -> Path | None:
    """The segment that a store writes to by the folder's notes (`folder_state`), if the file is missing;
    None: it exists, or the folder has none.
    """
    noted = read_state(folder)
    if noted is None or not noted.segment or (path := _path_of(folder, noted.segment)).exists():
        return None
    again = read_state(folder)  # a newer one is noted before the old one is removed
    return path if again is not None and again.segment == noted.segment else None


def _path_of(folder: Path, number: int) -> Path:
    return folder / f"{_PREFIX}{number:010}"


def newest_segment(folder: Path) -> int:
    """The number of the newest segment; 0: there is none."""
    return max(map(_number_of, _segments(folder)), default=0)


def remove_segments(folder: Path, number: int | None = None) -> None:
    """Remove segments, those up to a number or all. OSError."""
    for path in _segments(folder):
        if number is None or _number_of(path) <= number:
            path.unlink(missing_ok=True)


def _groups_of(path: Path, data: bytes, known_end: int, is_last: bool) -> Iterator[bytes]:
    mark, at = data[:_MARK_SIZE], _MARK_SIZE
    if mark not in (SYNCED, UNSYNCED):
        is_new = is_last and (not any(mark) or SYNCED.startswith(mark) or UNSYNCED.startswith(mark))
        if is_new and known_end <= _MARK_SIZE:
            return  # a crash interrupted its creation
        if is_new:
            raise _damaged(path, 0)
        raise StoreError(
            f"{path} isn't a write-ahead log that this LimeDB reads: start the version that wrote it; if"
            " there is none, its first bytes are damaged: see docs/damage.md"
        )
    while at < len(data):
        begin, end = at + _HEADER.size, _end_of(data, at)
        group = data[begin:end]
        if end > len(data) or data[at:begin] != _header(group):
            may_be_torn = mark == UNSYNCED or (is_last and (end >= len(data) or not any(data[at:])))
            if at < known_end or not may_be_torn or not _is_torn(data, at, end):
                raise _damaged(path, at)
            log.warning(
                "%s was cut off by a crash at byte %d; nothing beyond that was acknowledged", path, at
            )
            return
        yield group
        at = end
    if at < known_end:
        raise _damaged(path, at)


def _is_torn(data: bytes, begin: int, end: int) -> bool:
    """Whether a group was not written as a whole: the file ends inside it, or one of its sectors is zeros."""
    if end > len(data):
        return True
    edges = [begin, *range(begin - begin % _SECTOR + _SECTOR, end, _SECTOR), end]
    return any(not any(data[a:b]) for a, b in pairwise(edges))


def _damaged(path: Path, at: int) -> StoreDamagedError:
    return StoreDamagedError(f"{path} is damaged at byte {at}")


def _segments(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob(f"{_PREFIX}*") if path.name[len(_PREFIX) :].isdigit())


def _number_of(path: Path) -> int:
    return int(path.name[len(_PREFIX) :])


def _header(group: bytes) -> bytes:
    size = len(group)
    return _HEADER.pack(size, _check(size), xxhash.xxh64_intdigest(group))


def _end_of(data: bytes, at: int) -> int:
    """The end of the group at a place, by its header; the end of the header itself if that is torn or
    damaged.
    """
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
