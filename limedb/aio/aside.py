"""Work that takes the processor's time, done beside the event loop.

It owns how many computations may wait. It must never know what they compute: each reads only immutable data
and has no effect. The thread shares the interpreter with the loop, which gets its turns (`SWITCH_SECONDS` of
`node/process.py`).
"""

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeVar

from limedb.errors import UnavailableError

T = TypeVar("T")

MOST_WAITING = 16
"""Computations that may wait; one more is refused."""


class Compute(Protocol):
    """Runs a computation and returns its result."""

    async def __call__(self, work: Callable[[], T]) -> T:
        """Return the result of the work. UnavailableError: too much work is waiting already."""


async def compute_here(work: Callable[[], T]) -> T:
    """Compute at once, on the event loop: for tests and simulations."""
    return work()


class Aside:
    """Computes in a thread, one piece of work after the other."""

    def __init__(self) -> None:
        self._one = asyncio.Lock()
        self._waiting = 0

    async def __call__(self, work: Callable[[], T]) -> T:
        """As Compute."""
        if self._waiting >= MOST_WAITING:
            raise UnavailableError(
                f"{self._waiting} plans and reports are already being computed or waiting; try again soon"
            )
        self._waiting += 1
        try:
            async with self._one:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1
