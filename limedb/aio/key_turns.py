"""Turns by key: of those that want the same key, one at a time has it, in the order in which they came.

It owns the queues. It must never know the work in a turn.

Tested in tests/aio/test_key_turns.py.
"""

import asyncio
from collections import Counter


class KeyTurns:
    """A fair lock for each key that somebody wants."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self._wanted: Counter[str] = Counter()

    async def take(self, key: str, seconds: float) -> None:
        """Wait for a turn; `give` ends it. TimeoutError: there was none in time."""
        self._wanted[key] += 1
        lock = self._locks.setdefault(key, asyncio.Lock())
        try:
            async with asyncio.timeout(seconds):
                await lock.acquire()
        except BaseException:
            self._leave(key)
            raise

    def give(self, key: str) -> None:
        """End a turn."""
        self._locks[key].release()
        self._leave(key)

    @property
    def is_idle(self) -> bool:
        """Whether nobody has or wants a turn."""
        return not self._wanted

    def _leave(self, key: str) -> None:
        self._wanted[key] -= 1
        if not self._wanted[key]:
            del self._wanted[key], self._locks[key]
