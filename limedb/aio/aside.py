"""Work that takes the processor's time, done beside the event loop.

It owns how many of it may wait. It must never know what is computed: what is passed on reads what never
changes, and has no effect. It shares the interpreter with the loop, which gets its turns (`SWITCH_SECONDS` of
node.py).
"""

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeVar

from limedb.errors import UnavailableError

T = TypeVar("T")

MOST_WAITING = 16
"""What may wait to be computed; one more is refused."""


class Compute(Protocol):
    """Who computes."""

    async def __call__(self, work: Callable[[], T]) -> T:
        """What the work returns. UnavailableError: too much of it waits already."""


async def compute_here(work: Callable[[], T]) -> T:
    """Compute it at once, on the event loop: in tests and simulations."""
    return work()


class Aside:
    """Computes in a thread, one after the other."""

    def __init__(self) -> None:
        self._one = asyncio.Lock()
        self._waiting = 0

    async def __call__(self, work: Callable[[], T]) -> T:
        """As Compute."""
        if self._waiting >= MOST_WAITING:
            raise UnavailableError(
                f"{self._waiting} plans and reports are being computed or wait for that; try again soon"
            )
        self._waiting += 1
        try:
            async with self._one:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1
