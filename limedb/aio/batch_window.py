"""Waits for a lull: until the event loop brings no more of something, or a time limit is reached.

It owns the waiting. It must never know what is being collected.

Some work costs the same for one item as for many, such as a transaction or a frame, so it is done once for
all items that come together. A busy loop brings them a few in each turn. Acting after each turn would cost
more and finish no sooner, since there is no time to spare. So where several items come together, now or the
last time, the window waits for some turns that bring nothing (a turn costs microseconds, while timers have a
resolution of milliseconds); for an item that comes alone it waits a single turn. Source: PostgreSQL's
commit_delay and commit_siblings.
"""

import asyncio
from collections.abc import Callable

QUIET_TURNS = 20
"""Turns without a new item that make a lull, where several come together."""
FEW = 3
"""The most items that may come together and still count as alone."""


class BatchWindow:
    """Calls `act` in a lull, once for all items that came before. most: seconds that the first one may
    wait.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, act: Callable[[], None], most: float) -> None:
        self._loop, self._act, self._most = loop, act, most
        self._is_waiting = False
        self._came = self._came_last = self._quiet = 0
        self._until = 0.0

    def notify(self, count: int = 1) -> None:
        """Note that `count` items have come."""
        self._came += count
        self._quiet = 0
        if not self._is_waiting:
            self._is_waiting = True
            self._until = self._loop.time() + self._most
            self._loop.call_soon(self._look)

    def _look(self) -> None:
        self._quiet += 1
        turns = QUIET_TURNS if self._came > FEW or self._came_last > FEW else 1
        if self._quiet < turns and self._loop.time() < self._until:
            self._loop.call_soon(self._look)
            return
        self._came_last, self._came, self._is_waiting = self._came, 0, False
        self._act()
