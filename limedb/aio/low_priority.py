"""Runs large work beside the loop's other work: little of it at a time, with rests in proportion.

It owns the order, how much runs at once, and the rests. It must never know what the work does, nor drop it.

A thousand large reads that are ready at once make each turn of the loop long, and gRPC accepts one new call
in a turn: so a small request waits until most of them are done. Here a few run at a time. The time of their
own steps counts, not the time in which they wait for others; after each the loop has a rest from them, REST
times as long. As in `turns.py`, the shares stay the same however little processor time the process gets. Work
that comes when none waits starts at once, and costs no rest.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar

AT_ONCE = 2
"""How much runs at a time: one waits for a peer meanwhile, as a rule."""
REST = 2.0
"""The length of a rest, as a multiple of the time that the steps before it took."""

T = TypeVar("T")


class LowPriority:
    """now: seconds since some moment."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._running, self._owed = 0, 0.0
        self._rest: asyncio.TimerHandle | None = None

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """The result of some work, whose errors pass; it is made and starts when its turn comes."""
        if self._running >= AT_ONCE or self._waiting or self._rest is not None:
            await self._turn()
        else:
            self._running += 1
        try:
            return await _Timed(work(), self._now, self._note)
        finally:
            self._running -= 1
            self._begin_rest()

    async def _turn(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():  # its turn came at the moment of its end
                self._running -= 1
                self._begin_rest()
            raise

    def _note(self, seconds: float) -> None:
        self._owed += seconds

    def _begin_rest(self) -> None:
        """Rest for what is owed, then let the next ones start; where none waits, nothing is owed."""
        if not self._waiting:
            self._owed = 0.0
        elif self._rest is None:
            owed, self._owed = self._owed, 0.0
            self._rest = asyncio.get_running_loop().call_later(REST * owed, self._start_next)

    def _start_next(self) -> None:
        self._rest = None
        while self._waiting and self._running < AT_ONCE:
            waiter = self._waiting.popleft()
            if not waiter.done():
                self._running += 1
                waiter.set_result(None)


class _Timed(Awaitable[T]):
    """Awaits work as `await` does, and notes how long each of its steps takes."""

    def __init__(self, work: Awaitable[T], now: Callable[[], float], note: Callable[[float], None]) -> None:
        self._work, self._now, self._note = work, now, note

    def __await__(self) -> Generator[Any, Any, T]:
        steps = self._work.__await__()
        step: Callable[..., Any] = steps.__next__
        sent: tuple[BaseException, ...] = ()
        while True:
            begun = self._now()
            try:
                awaited = step(*sent)
            except StopIteration as done:
                result: T = done.value
                return result
            finally:
                self._note(self._now() - begun)
            try:
                yield awaited
                step, sent = steps.__next__, ()
            except BaseException as error:  # a cancellation
                step, sent = steps.throw, (error,)
