"""Shares the event loop's turns between many waiters for the same event and all other work.

It owns the order, how many waiters continue in one turn, and the rest after it. It must never know their
work.

A thousand waiters that continue at once make a turn of a hundredth of a second. That is little, but a request
takes some twenty turns, gRPC accepts one new call in each, and where the process has a tenth of a processor
each turn takes ten times as long: the request waits for seconds. So a few continue at a time, and then the
loop has a rest from them, in proportion to the time that they took. However little processor time the process
gets, others have their share, and a turn is short. A pause also leaves time that the kernel pays back by
waking the process sooner.
"""

import asyncio
from collections import deque
from collections.abc import Callable

AT_ONCE = 16
"""How many waiters continue in one turn."""
STEPS = 3
"""Turns of the loop that count as theirs: they continue, the work that they started begins, and it is done.
"""
REST = 2.0
"""The length of the rest, as a multiple of the time that they took."""

Waiter = asyncio.Future[None]


class Turns:
    """Lets waiters continue, a few at a time. now: seconds since some moment."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._waiting: deque[Waiter] = deque()
        self._is_busy = False

    async def next(self) -> None:
        """Return when it is the caller's turn."""
        waiter: Waiter = asyncio.get_running_loop().create_future()
        self.give(waiter)
        await waiter

    def give(self, *waiters: Waiter) -> None:
        """Queue each for a turn behind those that wait already; one that is done by then needs none."""
        self._waiting.extend(waiters)
        if waiters and not self._is_busy:
            self._is_busy = True
            asyncio.get_running_loop().call_soon(self._let_some_go)

    def _let_some_go(self) -> None:
        """Let the first ones continue; with none left, become idle."""
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
