"""The streams that a server runs, and the calls that come while it stops.

It owns the end of streams, and how long calls that come too late wait for their refusal. It must never decide
when the server stops.

Tested in tests/rpc/server/test_server.py and tests/rpc/server/test_health.py.
"""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from time import perf_counter

from limedb.errors import LimeDBError, UnavailableError

QUIET_SECONDS_AT_MOST = 1.0
"""The longest time that a stopping server waits until no more calls come."""
LOOK_SECONDS = 0.05
"""The time between two looks for calls: in each turn of the event loop the calls that have arrived begin."""
QUIET_LOOKS = 4
"""How many looks without a call end the wait once one has come; one look ends it if none has."""


class Streams:
    """The running streams. The server's stop closes each of them, since many never finish by themselves.
    Unary calls that begin after that are refused.
    """

    def __init__(self) -> None:
        self._limits: dict[asyncio.Timeout, Hashable] = {}
        self._errors: dict[asyncio.Timeout, LimeDBError] = {}
        self.is_ended = False
        self._last, self._refusing, self._waiting = 0.0, asyncio.Event(), 0

    async def refusal(self) -> UnavailableError:
        """The error of a call that comes now, once no more can come: so its client can't repeat it here."""
        self._last = perf_counter()
        self._waiting += 1
        try:
            await self._refusing.wait()
        finally:
            self._waiting -= 1
        return UnavailableError("the node is stopping, nothing was written; ask another one")

    @property
    def are_waiting(self) -> bool:
        """Whether calls wait for their refusal."""
        return self._waiting > 0

    async def wait_quiet(self) -> None:
        """Return once no more calls come, after QUIET_SECONDS_AT_MOST at the latest."""
        started, seen, quiet = perf_counter(), self._last, QUIET_LOOKS - 1
        while quiet < QUIET_LOOKS and perf_counter() < started + QUIET_SECONDS_AT_MOST:
            await asyncio.sleep(LOOK_SECONDS)
            quiet = quiet + 1 if self._last == seen else 0
            seen = self._last

    def release(self) -> None:
        """Refuse the waiting calls."""
        self._refusing.set()

    @asynccontextmanager
    async def bound(self, shown: Hashable = None) -> AsyncIterator[None]:
        """Run a stream within the block. shown: the credentials of its caller; None: it isn't identified.
        UnavailableError: the server stops; or the error of `end_of`.
        """
        try:
            async with asyncio.timeout(0 if self.is_ended else None) as limit:
                self._limits[limit] = shown
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            stopping = UnavailableError("the node is stopping; ask another one")
            raise self._errors.get(limit, stopping) from None
        finally:
            del self._limits[limit]
            self._errors.pop(limit, None)

    @property
    def shown(self) -> set[Hashable]:
        """The credentials of the callers of running streams."""
        return {shown for shown in self._limits.values() if shown is not None}

    def end_of(self, shown: Hashable, error: LimeDBError) -> None:
        """Close the streams of callers whose credentials are no longer valid, with an error."""
        for limit in [limit for limit, theirs in self._limits.items() if theirs == shown]:
            self._errors[limit] = error
            limit.reschedule(0)

    def end(self) -> None:
        """Close the running streams, and any that begins later."""
        self.is_ended = True
        for limit in self._limits:
            limit.reschedule(0)
