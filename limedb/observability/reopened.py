"""A file for appending lines, which is opened again once it was moved away, as logrotate does.

It owns the descriptor. It must never be used from two threads.

Tested in tests/observability/test_audit.py.
"""

import os
from contextlib import suppress
from pathlib import Path


class Reopened:
    """A file that only its owner may read if it is new. OSError: it can't be opened."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = self._open()

    def write(self, text: str) -> None:
        """Append a text. OSError: the file is gone, and there is no room for another."""
        if self._is_moved():
            with suppress(OSError):  # its folder may be gone: then the moved file gets the lines
                old, self._descriptor = self._descriptor, self._open()
                os.close(old)
        data = text.encode(errors="backslashreplace")
        while data:
            data = data[os.write(self._descriptor, data) :]

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def _is_moved(self) -> bool:
        own = os.fstat(self._descriptor)
        try:
            there = os.stat(self._path)
        except OSError:
            return True
        return (own.st_dev, own.st_ino) != (there.st_dev, there.st_ino)
