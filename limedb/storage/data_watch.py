"""Notices that a node's data is taken away while it runs.

It owns the look at the path. It must never touch what stands there: what the node holds open is nobody's file
any more, so that writes would be acknowledged into nothing.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from limedb.errors import StoreError
from limedb.ports import StoreStats

LOOK_SECONDS = 1.0


class DataWatch:
    """Watches where a store keeps its data. fail: called once it is gone, or something else is there."""

    def __init__(self, stats: StoreStats, fail: Callable[[Exception], None]) -> None:
        self._fail = fail
        self._found = {path: _identity(path) for path in _paths(stats)}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            for path in await asyncio.to_thread(self._gone):
                self._fail(_error(path))
            await asyncio.sleep(LOOK_SECONDS)

    def _gone(self) -> list[Path]:
        """What isn't there any more; a folder that was made anew under the same name is another one."""
        return [path for path, found in self._found.items() if _identity(path) != found][:1]


def _paths(stats: StoreStats) -> list[Path]:
    path = Path(stats.path)
    if stats.kind == "lmdb":
        return [path, path / "data.mdb"]
    return [path.parent] if stats.kind == "filesystem" else []  # its file is replaced at each write


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and number of a file or folder; None: there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _error(path: Path) -> StoreError:
    return StoreError(
        f"{path} is gone: it was moved, deleted or replaced while this node ran. Put it back before the next"
        " start; without it the node starts empty and gets its share of the keys from the other replicas"
    )
