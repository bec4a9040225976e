"""Notices if somebody takes a node's data away while the node runs.

It owns the look at the path. It must never touch the data. When the path is gone, the files that the node
holds open have no name any longer, and the writes that it acknowledges would be lost. A file that was cut is
lost, too: LMDB maps it and never makes it shorter, so the first read of the missing part kills the process.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from limedb.errors import StoreError
from limedb.ports import StoreStats
from limedb.storage.held_file import HeldFile
from limedb.storage.write_ahead_log import lost_segment

LOOK_SECONDS = 1.0
_LOG_IS_KEPT = "the node writes its content to data.mdb as it stops, so it can be started again"
_STARTS_EMPTY = "without it the node starts empty and gets its share of the keys from the other replicas"


class DataWatch:
    """Watches LMDB files, folders and the logs in the folders. watched: each path with the consequence of its
    loss, in words. fail: called if one is gone, replaced or cut, and again while that lasts.
    """

    def __init__(self, watched: Mapping[Path, str], fail: Callable[[Exception], None]) -> None:
        self._watched, self._fail = watched, fail
        self._held = {path: HeldFile(path) for path in watched}

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            if error := await asyncio.to_thread(self._look):
                self._fail(error)
            await asyncio.sleep(LOOK_SECONDS)

    def _look(self) -> StoreError | None:
        """The loss, if there is one."""
        for path, held in self._held.items():
            if (loss := held.look()) is not None:
                there = "the next start finds the damage: see docs/damage.md"
                gone = f"put it back before the next start; {self._watched[path]}"
                return StoreError(f"{loss.text}; {there if loss.is_cut else gone}")
        for path in filter(None, map(lost_segment, filter(Path.is_dir, self._watched))):
            return StoreError(f"{path} is gone: it was moved or deleted while this node ran; {_LOG_IS_KEPT}")
        return None


def data_of(stats: StoreStats) -> dict[Path, str]:
    """The paths to watch: the data that a store keeps on disk and has open."""
    path = Path(stats.path)
    if stats.kind == "lmdb":
        return dict.fromkeys((path, path / "data.mdb"), _STARTS_EMPTY)
    if stats.kind == "filesystem":  # each write replaces its file
        return {path.parent: _STARTS_EMPTY}
    return {}
