"""The running writes at a replica, by the epoch under which each was made.

It owns the counting. It must never decide whether a write may run: `replica.py` does.

A change of the topology waits here. Once a node has adopted an epoch it refuses writes made under older
ones, so that the count below it only falls; when it is 0, a node that fetches a range afterwards sees every
write that was ever made under them. Reads change nothing, so they need no draining.
"""

import asyncio


class InFlight:
    """Counts writes by epoch."""

    def __init__(self) -> None:
        self._running: dict[int, int] = {}
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    def enter(self, epoch: int) -> None:
        """Count a write that begins. Call `leave` once after each, whatever the outcome."""
        self._running[epoch] = self._running.get(epoch, 0) + 1

    def leave(self, epoch: int) -> None:
        """Count a write that finished."""
        left = self._running[epoch] - 1
        if left:
            self._running[epoch] = left
            return
        del self._running[epoch]
        if self._waiting:
            self._wake()

    @property
    def is_empty(self) -> bool:
        """Whether no write runs."""
        return not self._running

    def is_drained(self, epoch: int) -> bool:
        """Whether no write made under an epoch below this one runs."""
        return all(running >= epoch for running in self._running)

    async def drained(self, epoch: int) -> None:
        """Return when no write made under an epoch below this one runs.

        The caller has ensured that no such write begins: the epoch is adopted.
        """
        if self.is_drained(epoch):
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append((epoch, waiter))
        try:
            await waiter
        finally:
            self._waiting = [pair for pair in self._waiting if pair[1] is not waiter]

    def _wake(self) -> None:
        for epoch, waiter in self._waiting:
            if not waiter.done() and self.is_drained(epoch):
                waiter.set_result(None)
