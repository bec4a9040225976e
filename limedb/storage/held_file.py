"""Files that a node holds open while somebody may move, replace or cut them.

It owns the check of a path, and the words for its fate. It must never touch a file's content: if a file that
LMDB maps was cut, the next read of the missing part kills the process by a signal, so users check before they
read.

Tested in tests/storage/test_data_watch.py and tests/storage/lmdb/test_hints.py.
"""

from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

GONE = "is gone: it was moved, deleted or replaced while this node ran"


class Loss(NamedTuple):
    """The fate of a file or folder. text: without advice. is_cut: it is there, but shorter."""

    text: str
    is_cut: bool = False


class HeldFile:
    """A path as it was found at first; a file may only grow."""

    def __init__(self, path: Path) -> None:
        self._path, self._found = path, _identity(path)

    def look(self) -> Loss | None:
        """The change since the last check; None: nothing but growth. A new folder or file under the same name
        is another one.
        """
        now, before = _identity(self._path), self._found
        if now is None or before is None or now[:-1] != before[:-1]:
            return Loss(f"{self._path} {GONE}")
        if now < before:
            sizes = f"from {before[-1]} to {now[-1]} bytes"
            return Loss(f"{self._path} was cut {sizes} while this node ran", is_cut=True)
        self._found = now
        return None


def _identity(path: Path) -> tuple[int, int, int] | None:
    """Device and inode of a file or folder, and a file's size; None: the path doesn't exist."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size if S_ISREG(found.st_mode) else 0
