"""Read-modify-write: reads a value, and replaces it only if nobody else was faster; otherwise starts over.

It owns when to start over: only after the nodes have reported that nothing was written. After an unknown
outcome it fails, unless the client may send the write again by its idempotency key. Several of one client for
the same key take turns: only one of them could win, and the others would keep the nodes busy. Random pauses
avoid collisions with other clients.

Tested in tests/client/test_swaps.py.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from limedb.aio.key_turns import KeyTurns
from limedb.aio.retrying import Pauses, tried_words
from limedb.client.arguments import Consistency, Duration, Value
from limedb.client.conditions import UNGIVEN, Ungiven
from limedb.client.outcomes import Entry
from limedb.core.receipt import Receipt
from limedb.errors import ConditionFailedError, ContendedError, RequestTimeoutError, brief

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.004, 0.25
"""Seconds: about the time of a write, and many times that of the writes of a few dozen others."""

Edit = Callable[[Value | None], Value | None]
"""Returns the new value for the current one; None stands for no value on both sides."""


class Calls(Protocol):
    """The calls of a client."""

    async def get_entry(
        self, key: str, *, consistency: Consistency = None, timeout: Duration | None = None
    ) -> Entry | None:
        """As in Client."""

    async def set(
        self,
        key: str,
        value: Value,
        ttl: Duration | None = None,
        *,
        if_version: int | Ungiven = UNGIVEN,
        if_value: Value | Ungiven = UNGIVEN,
        keep_ttl: bool = False,
        consistency: Consistency = None,
        timeout: Duration | None = None,
    ) -> Receipt:
        """As in Client."""

    async def delete(
        self,
        key: str,
        *,
        if_version: int | Ungiven = UNGIVEN,
        if_value: Value | Ungiven = UNGIVEN,
        consistency: Consistency = None,
        timeout: Duration | None = None,
    ) -> bool:
        """As in Client."""


class Swap:
    """The tries of one read-modify-write of a key. ttl, keep_ttl: of the new value. timeout: seconds for all
    of them. Between `begin` and `end` it is its turn.
    """

    def __init__(
        self,
        calls: Calls,
        turns: KeyTurns,
        key: str,
        ttl: Duration | None,
        keep_ttl: bool,
        consistency: Consistency,
        timeout: float,
    ) -> None:
        self._calls, self._turns = calls, turns
        self._key, self._ttl, self._keep_ttl = key, ttl, keep_ttl
        self._level, self._loop = consistency, asyncio.get_running_loop()
        self._began = self._loop.time()
        self._deadline = self._began + timeout
        self._pauses = Pauses(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        self._tries, self._pause = 0, 0.0
        self._entry: Entry | None = None
        self._is_known = False

    async def begin(self) -> None:
        """Wait for its turn. RequestTimeoutError."""
        seconds = self._left()
        try:
            await self._turns.take(self._key, seconds)
        except TimeoutError:
            what = f"the others of this client that change key {brief(self._key)}"
            late = RequestTimeoutError(seconds, what)
            late.nothing_written = True
            raise late from None

    async def end(self) -> None:
        """Give the turn to the next one."""
        self._turns.give(self._key)

    async def current(self) -> Value | None:
        """Return the current value of the key; after a try that was too slow, wait first."""
        if self._tries:
            await asyncio.sleep(self._pause)
        if not self._is_known:
            self._entry = await self._calls.get_entry(
                self._key, consistency=self._level, timeout=self._left()
            )
        return None if self._entry is None else self._entry.value

    async def write(self, new: Value | None) -> bool:
        """Write the new value; return False if somebody else was faster. ContendedError: likewise, and there
        is no time for another try.
        """
        self._tries += 1
        try:
            await self._send(new)
        except ConditionFailedError as failed:
            self._take(failed)
            self._pause = self._pauses.pause()
            if self._loop.time() + self._pause < self._deadline:
                return False
            contended = ContendedError(self._key, self._tries)
            contended.nothing_written = True
            contended.tried = tried_words(self._tries, self._loop.time() - self._began)
            raise contended from failed
        return True

    async def _send(self, new: Value | None) -> None:
        version: int | Ungiven = 0 if self._entry is None else self._entry.version
        value: Value | Ungiven = UNGIVEN
        if self._entry is not None and not version:  # from before there were versions: 0 would mean no value
            version, value = UNGIVEN, self._entry.value or ""
        if new is not None:
            await self._calls.set(
                self._key,
                new,
                self._ttl,
                if_version=version,
                if_value=value,
                keep_ttl=self._keep_ttl,
                consistency=self._level,
                timeout=self._left(),
            )
        elif self._entry is not None:
            await self._calls.delete(
                self._key, if_version=version, if_value=value, consistency=self._level, timeout=self._left()
            )

    def _take(self, failed: ConditionFailedError) -> None:
        """Take over the key's current value, if the error contains it."""
        self._is_known = failed.value is not None or not failed.exists
        self._entry = None
        if failed.value is not None:
            self._entry = Entry(self._key, failed.value, 0, failed.version, 0)

    def _left(self) -> float:
        """Return the seconds that are left; a call takes no zero."""
        return max(0.001, self._deadline - self._loop.time())
