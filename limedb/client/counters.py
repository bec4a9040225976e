"""Counters: whole numbers that many callers change at once, without losing a change.

It owns their form in the client: the nodes add (`core/edits.py`). It must never guess at an outcome.

Tested in tests/client/test_swaps.py.
"""

from typing import Protocol

from limedb.client.arguments import Consistency, Duration, Value
from limedb.core.edits import number_in
from limedb.errors import EditRefusedError


class Calls(Protocol):
    """The calls of a client."""

    async def get(
        self, key: str, *, consistency: Consistency = None, timeout: Duration | None = None
    ) -> Value | None:
        """As in Client."""

    async def increment(self, key: str, by: int = 1, *, timeout: Duration | None = None) -> int:
        """As in Client."""


class SyncCalls(Protocol):
    """The calls of a synchronous client."""

    def get(
        self, key: str, *, consistency: Consistency = None, timeout: Duration | None = None
    ) -> Value | None:
        """As in SyncClient."""

    def increment(self, key: str, by: int = 1, *, timeout: Duration | None = None) -> int:
        """As in SyncClient."""


class Counter:
    """The counter under a key. Errors as in `Client.increment`; EditRefusedError: its value isn't a
    counter.
    """

    def __init__(self, calls: Calls, key: str) -> None:
        self._calls, self._key = calls, key

    async def get(self, *, consistency: Consistency = None, timeout: Duration | None = None) -> int:
        """Return the number; 0 where there is none."""
        found = await self._calls.get(self._key, consistency=consistency, timeout=timeout)
        return shown_number(found, self._key)

    async def add(self, n: int = 1, *, timeout: Duration | None = None) -> int:
        """Add to it; return the sum."""
        return await self._calls.increment(self._key, n, timeout=timeout)


class SyncCounter:
    """As Counter, for code without asyncio."""

    def __init__(self, calls: SyncCalls, key: str) -> None:
        self._calls, self._key = calls, key

    def get(self, *, consistency: Consistency = None, timeout: Duration | None = None) -> int:
        """See Counter.get."""
        return shown_number(self._calls.get(self._key, consistency=consistency, timeout=timeout), self._key)

    def add(self, n: int = 1, *, timeout: Duration | None = None) -> int:
        """See Counter.add."""
        return self._calls.increment(self._key, n, timeout=timeout)


def shown_number(value: Value | None, key: str) -> int:
    """Return the number in a value; 0: there is no value. EditRefusedError: it is no counter."""
    number = 0 if value is None else number_in(value)
    if number is None:
        raise EditRefusedError(key, "no_counter")
    return number
