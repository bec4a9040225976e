"""Whether there surely is room for what the write-ahead log would promise.

It owns the estimate. It must never be trusted the other way round: where it says no there may be room, and
only a transaction of the tables tells.
"""

import time

from limedb.storage.lmdb.env import PAGES_A_WRITE, Tables, free_space

LOOK_SECONDS = 0.05
"""How long the size of disk and map are taken for what they were: asking costs more than a write."""
_SPARE = 4 << 20  # bytes that others may take meanwhile; beyond, the log finds no room, and says so


class Room:
    """The room on the disk of an environment, and in its map."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._page = int(tables.env.stat()["psize"])
        self._due = float("-inf")
        self._disk = self._map = self._used = 0

    def is_sure(self, size: int, count: int) -> bool:
        """Whether so many bytes in so many records surely fit into the log and the tables.

        The tables need new pages for what is written, twice as much where pages split, and for each page that
        a write touches, since a page in use is copied; no more than there are.
        """
        if (now := time.monotonic()) >= self._due:
            self._due = now + LOOK_SECONDS
            self._look()
        needed = 4 * size + min(PAGES_A_WRITE * count, self._used)
        return needed < self._map and size + needed < self._disk

    def _look(self) -> None:
        info = self._tables.env.info()
        self._used = (info["last_pgno"] + 1) * self._page
        self._map = info["map_size"] - self._used - _SPARE // 4
        self._disk = free_space(self._tables.folder) - _SPARE
