"""Files and folders of stores: their names, their locks, and durable writes.

It owns the use of the file system that all stores share. It must never know the content of a file.

Tested in tests/storage/lmdb/test_folder.py and tests/storage/test_opening.py.
"""

import errno
import fcntl
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from limedb.errors import StoreError, StoreFullError

_PID_SIZE = 20
"""Bytes of a lock file for its holder's process id."""
_MARK = b"noted\n"
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def node_path(data_dir: Path, node_url: str, suffix: str) -> Path:
    """The path of a node's data: DATA_DIR/<NODE_URL><suffix>, with '/' as %2F."""
    return data_dir / (node_url.replace("/", "%2F") + suffix)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, if missing. StoreError: it can't be made."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise store_error(f"folder {folder} can't be made; check DATA_DIR", error) from error


def make_empty_folder(folder: Path) -> None:
    """Make a folder, or take an empty one, for the node's user alone. StoreError: it isn't empty."""
    make_folder(folder)
    if any(folder.iterdir()):
        raise StoreError(f"folder {folder} is not empty: choose one that is empty or doesn't exist")
    keep_private(folder)


def make_private_folder(folder: Path) -> None:
    """Make a folder for a node's data, and deny other users access to it and its files. StoreError."""
    make_folder(folder)
    keep_private(folder)


def keep_private(folder: Path) -> None:
    """Deny other users access to a folder and its files: 0700 and 0600, if their modes are wider.

    Files of other users can't be changed, and stay as they are.
    """
    for path in (folder, *folder.iterdir()):
        if not path.is_symlink() and path.stat().st_mode & 0o077:
            with suppress(PermissionError):
                path.chmod(0o700 if path.is_dir() else 0o600)


def set_folder_aside(path: Path, why: str) -> Path:
    """Rename a file or folder to <name>.<why>-<UTC time>, and return the new path. StoreError."""
    target = path.with_name(f"{path.name}.{why}-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
    try:
        path.rename(target)
        sync(path.parent)
    except OSError as error:
        raise store_error(f"{path} can't be set aside as {target.name}", error) from error
    return target


def write_durably(path: Path, data: bytes) -> None:
    """Write a file and wait until its content is on disk, but not its name in the folder. OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def replace_durably(path: Path, data: bytes) -> None:
    """Replace a file as a whole: after a crash it is either the old or the new one. OSError."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        write_durably(temporary, data)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's names, are on disk. OSError."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def is_full(code: int) -> bool:
    """Whether an error number means that there is no room."""
    return code in _FULL


def store_error(what: str, error: OSError) -> StoreError:
    """The StoreError for an OSError; a StoreFullError if there is no room."""
    if is_full(error.errno or 0):
        return StoreFullError(f"{what}: the disk is full; make room and try again")
    return StoreError(f"{what}: {error.strerror or error}")


class FileLock:
    """Keeps two processes, or two stores of one process, from using the same data. The process's end releases
    it.
    """

    def __init__(self, path: Path, guarded: Path) -> None:
        """Take the lock at path. guarded: the data, for the error text. StoreError: another process holds the
        lock.
        """
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise store_error(f"lock {path} can't be opened", error) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._fd, _PID_SIZE, 0).decode(errors="replace").strip()
            os.close(self._fd)
            raise StoreError(
                f"{guarded} is in use by process {holder or '?'}: this node runs already; stop that process"
                " first, or, if this is to be another node, give it a NODE_URL and SERVER_PORT of its own"
            ) from None
        self.was_marked = os.pread(self._fd, len(_MARK), _PID_SIZE) == _MARK
        self._sign()

    def mark(self) -> None:
        """Let the next holder of the lock believe this process's notes on the data (was_marked): a LimeDB
        that makes no notes (`folder_state`) signs the lock without this mark.
        """
        with suppress(OSError):
            os.pwrite(self._fd, _MARK, _PID_SIZE)

    def _sign(self) -> None:
        try:
            if not self.was_marked:  # a mark stays until a version that doesn't know it signs the lock
                os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{os.getpid()}\n".ljust(_PID_SIZE).encode(), 0)
        except OSError:  # a full disk: the lock holds, only the error text lacks the process id
            return

    def release(self) -> None:
        """Release the lock."""
        os.close(self._fd)
