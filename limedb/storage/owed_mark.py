"""The mark of a node that owes a repair: an empty file beside its data, one for each reason.

It owns the file. It must never fail: on a full disk it may be impossible to make it, and if the node is then
restarted before the repair, the usual repair brings the missing writes.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

log = logging.getLogger(__name__)


class OwedMarkFile:
    """As `owed.OwedMark`. Its content doesn't matter."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def is_set(self) -> bool:
        """As OwedMark.is_set."""
        return self._path.exists()

    async def set(self) -> None:
        """As OwedMark.set."""
        await self._try(partial(self._path.touch, 0o600))

    async def clear(self) -> None:
        """As OwedMark.clear."""
        await self._try(partial(self._path.unlink, missing_ok=True))

    async def _try(self, change: Callable[[], None]) -> None:
        try:
            await asyncio.to_thread(change)
        except OSError as error:
            log.info("%s can't be changed: %s", self._path, error)
