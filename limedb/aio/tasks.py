"""Tasks that outlive the request that started them, each owned until it has ended.

It owns their end. It must never know what they do.
"""

import asyncio
import logging
from collections.abc import Coroutine

from limedb.aio.sparing import Sparing

log = logging.getLogger(__name__)


class Tasks:
    """Work in the background."""

    def __init__(self) -> None:
        self._running: dict[asyncio.Task[None], None] = {}  # in the order of their starts
        self._log = Sparing(log)  # an error of one request is mostly an error of all

    def __len__(self) -> int:
        return len(self._running)

    def start(self, work: Coroutine[None, None, None]) -> "asyncio.Task[None]":
        """Run work on the running loop; an error that it raises is logged."""
        task = asyncio.get_running_loop().create_task(work)
        self._running[task] = None
        task.add_done_callback(self._end)
        return task

    async def close(self, grace: float) -> None:
        """Give running tasks some seconds to finish, then cancel them; all have ended when this returns."""
        if self._running:
            await asyncio.wait(tuple(self._running), timeout=grace)
        while self._running:
            left = tuple(self._running)
            for task in left:
                task.cancel()
            await asyncio.wait(left)

    def _end(self, task: "asyncio.Task[None]") -> None:
        self._running.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            kind = f"{getattr(task.get_coro(), '__qualname__', '')} {type(error).__name__}"
            self._log.log(kind, logging.ERROR, "work in the background failed: %r", error, error=error)
