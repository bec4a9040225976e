"""Files and folders of stores: their names, their locks, and how they get safely to disk.

It owns what all stores need of the file system. It must never know what is inside a file.
"""

import errno
import fcntl
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from limedb.errors import StoreError, StoreFullError

_PID_SIZE = 20  # bytes of a lock file in which its holder signs
_MARK = b"noted\n"
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def node_path(data_dir: Path, node_url: str, suffix: str) -> Path:
    """Where a node keeps its data: DATA_DIR/<NODE_URL><suffix>, '/' written as %2F, as Go LimeDB names it."""
    return data_dir / (node_url.replace("/", "%2F") + suffix)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, where missing. StoreError: it can't be made."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise store_error(f"folder {folder} can't be made; check DATA_DIR", error) from error


def make_empty_folder(folder: Path) -> None:
    """Make a folder, or take one that is empty, for the node's user alone. StoreError: it holds something."""
    make_folder(folder)
    if any(folder.iterdir()):
        raise StoreError(f"folder {folder} is not empty: give one that is empty or doesn't exist")
    keep_private(folder)


def make_private_folder(folder: Path) -> None:
    """Make a folder that holds a node's data, and keep it and what is in it from other users. StoreError."""
    make_folder(folder)
    keep_private(folder)


def keep_private(folder: Path) -> None:
    """Take a folder and its files from other users: 0700 and 0600, where they were made with wider rights.

    What isn't this user's can't be changed, and is left as it is.
    """
    for path in (folder, *folder.iterdir()):
        if not path.is_symlink() and path.stat().st_mode & 0o077:
            with suppress(PermissionError):
                path.chmod(0o700 if path.is_dir() else 0o600)


def set_folder_aside(path: Path, why: str) -> Path:
    """Rename a file or folder to <name>.<why>-<UTC time>; its name afterwards. StoreError."""
    target = path.with_name(f"{path.name}.{why}-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
    try:
        path.rename(target)
        sync(path.parent)
    except OSError as error:
        raise store_error(f"{path} can't be set aside as {target.name}", error) from error
    return target


def write_durably(path: Path, data: bytes) -> None:
    """Write a file and wait until it is on disk, its name in the folder apart. OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def replace_durably(path: Path, data: bytes) -> None:
    """Replace a file as a whole: after a crash it is the old or the new one, never a part. OSError."""
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
    """Whether an error number says that there is no room."""
    return code in _FULL


def store_error(what: str, error: OSError) -> StoreError:
    """What an OSError means to a store: StoreFullError when there is no room."""
    if is_full(error.errno or 0):
        return StoreFullError(f"{what}: the disk is full; make room and try again")
    return StoreError(f"{what}: {error.strerror or error}")


class FileLock:
    """Keeps two processes, or two stores of one, from the same data. It ends with the process."""

    def __init__(self, path: Path, guarded: Path) -> None:
        """Take the lock at path. guarded: the data, for words. StoreError: another holds it."""
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
        """Note that whoever takes the lock next may believe what this process noted of the data (was_marked):
        a LimeDB that notes nothing (`folder_state`) signs the lock without this.
        """
        with suppress(OSError):
            os.pwrite(self._fd, _MARK, _PID_SIZE)

    def _sign(self) -> None:
        try:
            if not self.was_marked:  # a mark stays until somebody signs who doesn't know it
                os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{os.getpid()}\n".ljust(_PID_SIZE).encode(), 0)
        except OSError:  # a full disk: the lock holds, only its words lack the process
            return

    def release(self) -> None:
        """Let others in."""
        os.close(self._fd)
