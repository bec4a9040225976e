"""Waits for a lull: until the event loop brings nothing more of a kind, or for so long at most.

It owns the waiting. It must never know what is collected meanwhile.

What costs the same for one thing as for many, such as a transaction or a frame, is done for all that come
together. A busy loop brings them turn by turn, a few at a time; who acts after each turn works more, not
sooner, for there is no time to spare. So where several come together, now or the last time, some turns that
bring nothing are waited for (a turn costs microseconds, and timers only know milliseconds); where one comes
alone, a single one. Source: PostgreSQL's commit_delay and commit_siblings.
"""

import asyncio
from collections.abc import Callable

QUIET_TURNS = 20
"""Turns without anything new that make a lull where several come together."""
FEW = 3
"""As many as may come together and still count as alone."""


class BatchWindow:
    """Calls `act` in a lull, once for all that came before. most: seconds that the first of it waits."""

    def __init__(self, loop: asyncio.AbstractEventLoop, act: Callable[[], None], most: float) -> None:
        self._loop, self._act, self._most = loop, act, most
        self._is_waiting = False
        self._came = self._came_last = self._quiet = 0
        self._until = 0.0

    def notify(self, count: int = 1) -> None:
        """Hear that something has come."""
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
