"""Turns of the event loop for many that wait for the same, so that others have theirs.

It owns the order, how many go on in one turn, and the rest after it. It must never know what they do.

A thousand that go on at once make a turn of a hundredth of a second. That is little, but a request takes some
twenty turns, gRPC takes one new call in each, and where the process has a tenth of a processor each turn
takes ten times as long: the request waits for seconds. So a few go on at a time, and then the loop has a rest
from them, as long as they took: however little the process gets, others have their part of it, and a turn
is short. A pause also leaves time that the kernel pays back by waking the process sooner.
"""

import asyncio
from collections import deque
from collections.abc import Callable

AT_ONCE = 16
"""How many go on in one turn."""
STEPS = 3
"""Turns of the loop that count as theirs: they go on, what they began begins, and is done."""
REST = 2.0
"""How long the rest is, as a multiple of the time that they took."""

Waiter = asyncio.Future[None]


class Turns:
    """Lets waiters go on. now: seconds since some moment."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._waiting: deque[Waiter] = deque()
        self._is_busy = False

    async def next(self) -> None:
        """Return when it is one's turn."""
        waiter: Waiter = asyncio.get_running_loop().create_future()
        self.give(waiter)
        await waiter

    def give(self, *waiters: Waiter) -> None:
        """Give each a turn behind those who wait; one that is done by then needs none."""
        self._waiting.extend(waiters)
        if waiters and not self._is_busy:
            self._is_busy = True
            asyncio.get_running_loop().call_soon(self._let_some_go)

    def _let_some_go(self) -> None:
        """Let the first ones go, or rest no more."""
        gone = 0
        while self._waiting and gone < AT_ONCE:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                gone += 1
        self._is_busy = gone > 0
        if gone:
            self._step(self._now(), 0)

    def _step(self, begun: float, steps: int) -> None:
        loop = asyncio.get_running_loop()
        if steps < STEPS:
            loop.call_soon(self._step, begun, steps + 1)
        else:
            loop.call_later(REST * (self._now() - begun), self._let_some_go)
