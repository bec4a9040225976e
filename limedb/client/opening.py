"""How a client is opened and closed: once, however many tasks ask for it.

It owns the way into the cluster from `open` to `close`. It must never send a call of the caller's.

Tested in tests/client/test_life.py.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self, cast

from limedb.client.arguments import MAX_WAIT_SECONDS, Duration, seconds_of
from limedb.client.life import ASYNC_USE, Life
from limedb.client.retrying_executor import RetryingExecutor


class Openable:
    """A client that is opened and closed. make: returns the executor of its calls, in the running loop;
    timeout: how long `open` waits for an answer, in seconds.
    """

    def __init__(self, make: Callable[[], RetryingExecutor], timeout: float) -> None:
        self._make, self._timeout = make, timeout
        self._life = Life(ASYNC_USE)
        self._executor: RetryingExecutor | None = None
        self._opening: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Self:
        self._life.check_block()
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def is_open(self) -> bool:
        """Whether it is open for calls from here: in the running event loop, and in this process."""
        return self._life.is_here() and self._opening is None

    async def open(self, wait: Duration | None = None) -> None:
        """Find a way into the cluster; do nothing if it is open here. wait: how long it waits for a cluster
        that starts (seconds, or a timedelta, a day at most), instead of failing once all addresses refuse.
        UnavailableError: nothing answers at any of them; its WrongClusterError: another cluster answers
        there; its ClientStateError: it is open in another event loop, or can't be opened in this process.
        """
        limit = self._timeout if wait is None else seconds_of(wait, "wait", MAX_WAIT_SECONDS)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + limit
        while self._life.is_here():
            if self._opening is None:
                return
            await asyncio.wait((self._opening,))  # another task opens it, perhaps in vain
        self._life.begin(loop)
        opening = self._opening = loop.create_future()
        try:
            await self._start(deadline, waits=wait is not None)
        finally:
            if self._opening is opening:
                self._opening = None
            opening.set_result(None)

    async def _start(self, deadline: float, waits: bool) -> None:
        executor = self._executor = self._make()
        try:
            await executor.routing.start(deadline, waits)
        except BaseException:
            if self._executor is executor:  # else it was closed meanwhile, and may be open again
                await self.close()
            raise

    async def close(self) -> None:
        """Close all connections. Waiting calls fail: reads with UnavailableError, writes with that or, if
        they may have taken effect, with OutcomeUnknownError. It does nothing without an open connection, or
        in a forked child, whose connections are the parent's.
        """
        executor = self._executor
        if executor is None or self._life.is_forked:
            return
        if self._life.is_abandoned:
            self._life.end()
            self._executor = None
            return
        self._life.check()
        self._life.end()
        self._executor = None
        await executor.routing.close()

    def _opened(self) -> RetryingExecutor:
        """Return the executor of calls. ClientStateError: the client isn't open here."""
        self._life.check()
        return cast("RetryingExecutor", self._executor)
