"""Counters: whole numbers that many change at once, none of whose changes is lost.

It owns how a number is stored: as text, in decimal digits. It must never guess at an outcome.

Tested in tests/client/test_swaps.py.
"""

from typing import Protocol

from limedb.client.arguments import Consistency, Duration, Value
from limedb.client.swaps import Edit
from limedb.errors import InvalidRequestError, brief


class Calls(Protocol):
    """The calls of a client."""

    async def get(
        self, key: str, *, consistency: Consistency = None, timeout: Duration | None = None
    ) -> Value | None:
        """As in Client."""

    async def cas(
        self, key: str, edit: Edit, *, keep_ttl: bool = False, timeout: Duration | None = None
    ) -> Value | None:
        """As in Client."""


class SyncCalls(Protocol):
    """The calls of a synchronous client."""

    def get(
        self, key: str, *, consistency: Consistency = None, timeout: Duration | None = None
    ) -> Value | None:
        """As in SyncClient."""

    def cas(
        self, key: str, edit: Edit, *, keep_ttl: bool = False, timeout: Duration | None = None
    ) -> Value | None:
        """As in SyncClient."""


class Counter:
    """The counter under a key. Errors as in `Client.cas`; InvalidRequestError: the key has no number."""

    def __init__(self, calls: Calls, key: str) -> None:
        self._calls, self._key = calls, key

    async def get(self, *, consistency: Consistency = None, timeout: Duration | None = None) -> int:
        """Return the number; 0 where there is none."""
        found = await self._calls.get(self._key, consistency=consistency, timeout=timeout)
        return number_in(found, self._key)

    async def add(self, n: int = 1, *, timeout: Duration | None = None) -> int:
        """Add to it; return the sum."""
        new = await self._calls.cas(self._key, added(n, self._key), keep_ttl=True, timeout=timeout)
        return number_in(new, self._key)


class SyncCounter:
    """As Counter, for code without asyncio."""

    def __init__(self, calls: SyncCalls, key: str) -> None:
        self._calls, self._key = calls, key

    def get(self, *, consistency: Consistency = None, timeout: Duration | None = None) -> int:
        """See Counter.get."""
        return number_in(self._calls.get(self._key, consistency=consistency, timeout=timeout), self._key)

    def add(self, n: int = 1, *, timeout: Duration | None = None) -> int:
        """See Counter.add."""
        new = self._calls.cas(self._key, added(n, self._key), keep_ttl=True, timeout=timeout)
        return number_in(new, self._key)


def added(n: int, key: str) -> Edit:
    """Return the edit that adds to a number. InvalidRequestError: it isn't one."""
    if not isinstance(n, int) or isinstance(n, bool):
        raise InvalidRequestError(f"n={n!r:.80}: must be a whole number")
    return lambda old: str(number_in(old, key) + n)


def number_in(value: Value | None, key: str) -> int:
    """Return the number in a value; 0: there is no value. InvalidRequestError: it has none."""
    try:
        return 0 if value is None else int(value)
    except ValueError:
        raise InvalidRequestError(
            f"key {brief(key)} has {value!r:.80}: a counter is a whole number in digits"
        ) from None
