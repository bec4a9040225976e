"""Decides whether there certainly is room for the writes that the write-ahead log would promise.

It owns the estimate. It must never be used as proof of a full disk: if it answers no there may still be room,
and only a transaction of the tables shows that.

Tested in tests/storage/test_failing_callbacks.py and tests/storage/test_checkpoints.py.
"""

import time

from limedb.storage.lmdb.env import PAGE_BYTES_PER_WRITE, Tables, free_space

LOOK_SECONDS = 0.05
"""How long a check of disk and map is valid: another check costs more than a write."""
_SPARE_BYTES = 4 << 20
"""The part that others may take meanwhile; beyond that, the log reports that it finds no room."""


class Room:
    """The room on the disk of an environment, and in its map."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._page = int(tables.env.stat()["psize"])
        self._due = float("-inf")
        self._disk = self._map = self._used = 0

    def is_sure(self, size: int, count: int) -> bool:
        """Whether this many bytes in this many records certainly fit into the log and the tables.

        The tables need new pages for the data, twice as many if pages split, and one for each page that a
        write touches, since used pages are copied; at most as many as exist.
        """
        if (now := time.monotonic()) >= self._due:
            self._due = now + LOOK_SECONDS
            self._look()
        needed = 4 * size + min(PAGE_BYTES_PER_WRITE * count, self._used)
        return needed < self._map and size + needed < self._disk

    def _look(self) -> None:
        info = self._tables.env.info()
        self._used = (info["last_pgno"] + 1) * self._page
        self._map = info["map_size"] - self._used - _SPARE_BYTES // 4
        self._disk = free_space(self._tables.folder) - _SPARE_BYTES
