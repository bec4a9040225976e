"""Waits for a lull, and while earlier items are under way also for the answer to these.

It owns the waiting. It must never know what is being collected.

The shared parts of several items, such as a message and its answer, cost more than one item, and a busy node
or peer processes items no sooner one by one. So while a group is on its way, new items gather for the next
one, for at most `linger` seconds after that was sent, and for some more where the event loop was busy all
that time: then an answer is late because there is too much to do, and smaller groups would be even more.
Where an answer is late because the peer is far away, the loop is idle. An item that comes alone never waits.
Source: Nagle 1984, RFC 896.
"""

import asyncio
from collections.abc import Callable

from limedb.aio.batch_window import BatchWindow

BUSY_PART = 0.25
"""The part of the time that the loop's thread works from which on it counts as busy: on a machine with fewer
processors than busy threads it gets no more.
"""
MOST_LINGERS = 6
"""For how many times `linger` items wait where the loop is busy."""


class GroupWindow:
    """Calls `send` for all items that have come; it returns how many groups it has sent, and `end` is called
    once for each. waiting: how many items wait. linger: seconds. worked: seconds that the loop's thread has
    had a processor; always 0: it isn't known.
    """

    def __init__(
        self,
        send: Callable[[], int],
        waiting: Callable[[], int],
        linger: float,
        worked: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._send, self._waiting, self._linger, self._worked = send, waiting, linger, worked
        self._on_the_way = 0  # groups
        self._sent_at = self._worked_then = 0.0  # when the last one was sent
        self._held_until = 0.0
        self._window: BatchWindow | None = None
        self._release: asyncio.TimerHandle | None = None

    def notify(self) -> None:
        """Note that an item has come."""
        loop = asyncio.get_running_loop()
        if self._window is None:
            self._window = BatchWindow(loop, self._flush, self._linger)
        if self._may_go(loop.time()):
            self._window.notify()
        elif self._release is None:
            self._release = loop.call_at(self._held_until, self._look)

    def end(self) -> None:
        """Note that a group has its answers."""
        self._on_the_way -= 1
        self._let_go()

    def _may_go(self, now: float) -> bool:
        """Whether items may leave; else `_held_until` says when to look again."""
        if not self._on_the_way or now >= self._sent_at + MOST_LINGERS * self._linger:
            return True
        if now >= self._held_until:
            if self._worked() - self._worked_then < BUSY_PART * (now - self._sent_at):
                return True
            self._held_until = now + self._linger
        return False

    def _look(self) -> None:
        self._release = None
        loop = asyncio.get_running_loop()
        if self._may_go(max(loop.time(), self._held_until)):
            self._let_go()
        else:
            self._release = loop.call_at(self._held_until, self._look)

    def _let_go(self) -> None:
        """Let the next group go, if something waits for it."""
        if self._release is not None:
            self._release.cancel()
            self._release = None
        if self._window is not None and (waiting := self._waiting()):
            self._window.notify(waiting)

    def _flush(self) -> None:
        self._sent_at, self._worked_then = asyncio.get_running_loop().time(), self._worked()
        self._held_until = self._sent_at + self._linger
        self._on_the_way += self._send()
