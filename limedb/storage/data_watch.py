"""Notices that a node's data is taken away while it runs.

It owns the look at the path. It must never touch what stands there: what the node holds open is nobody's file
any more, so that writes would be acknowledged into nothing.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from limedb.errors import StoreError
from limedb.ports import StoreStats

LOOK_SECONDS = 1.0
_STARTS_EMPTY = "without it the node starts empty and gets its share of the keys from the other replicas"


class DataWatch:
    """Watches files and folders. watched: each with what its loss means, for words. fail: called when one is
    gone, or something else is there, and again as long as it is so.
    """

    def __init__(self, watched: Mapping[Path, str], fail: Callable[[Exception], None]) -> None:
        self._watched, self._fail = watched, fail
        self._found = {path: _identity(path) for path in watched}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            for path in await asyncio.to_thread(self._gone):
                self._fail(_error(path, self._watched[path]))
            await asyncio.sleep(LOOK_SECONDS)

    def _gone(self) -> list[Path]:
        """What isn't there any more; a folder that was made anew under the same name is another one."""
        return [path for path, found in self._found.items() if _identity(path) != found][:1]


def data_of(stats: StoreStats) -> dict[Path, str]:
    """What a store keeps on disk and has open, to be watched."""
    path = Path(stats.path)
    if stats.kind == "lmdb":
        return dict.fromkeys((path, path / "data.mdb"), _STARTS_EMPTY)
    if stats.kind == "filesystem":  # its file is replaced at each write
        return {path.parent: _STARTS_EMPTY}
    return {}


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and number of a file or folder; None: there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _error(path: Path, loss: str) -> StoreError:
    return StoreError(
        f"{path} is gone: it was moved, deleted or replaced while this node ran. Put it back before the next"
        f" start; {loss}"
    )
