"""Waits for a lull, and while earlier items are under way also for the answer to these.

It owns the waiting. It must never know what is being collected.

The shared parts of several items, such as a message and its answer, cost more than one item, and a busy node
or peer processes items no sooner one by one. So while a group is on its way, new items gather for the next
one, for at most `linger` seconds after that was sent. An item that comes alone never waits. Source: Nagle
1984, RFC 896.
"""

import asyncio
from collections.abc import Callable

from limedb.aio.batch_window import BatchWindow


class GroupWindow:
    """Calls `send` for all items that have come; it returns how many groups it has sent, and `end` is called
    once for each. waiting: how many items wait. linger: seconds.
    """

    def __init__(self, send: Callable[[], int], waiting: Callable[[], int], linger: float) -> None:
        self._send, self._waiting, self._linger = send, waiting, linger
        self._on_the_way, self._sent_at = 0, 0.0  # groups; when the last one was sent
        self._window: BatchWindow | None = None
        self._release: asyncio.TimerHandle | None = None

    def notify(self) -> None:
        """Note that an item has come."""
        loop = asyncio.get_running_loop()
        if self._window is None:
            self._window = BatchWindow(loop, self._flush, self._linger)
        if not self._on_the_way or loop.time() >= self._sent_at + self._linger:
            self._window.notify()
        elif self._release is None:
            self._release = loop.call_at(self._sent_at + self._linger, self._let_go)

    def end(self) -> None:
        """Note that a group has its answers."""
        self._on_the_way -= 1
        self._let_go()

    def _let_go(self) -> None:
        """Let the next group go, if something waits for it."""
        if self._release is not None:
            self._release.cancel()
            self._release = None
        if self._window is not None and (waiting := self._waiting()):
            self._window.notify(waiting)

    def _flush(self) -> None:
        self._sent_at = asyncio.get_running_loop().time()
        self._on_the_way += self._send()
