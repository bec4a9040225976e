"""Scans and watches as objects, whose items are awaited one by one.

It ensures that a wait which is cancelled, or whose time runs out, loses nothing: the next wait returns the
item. It must never know what the items are.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Generic, Self, TypeVar

from typing_extensions import override

from limedb.client.arguments import Duration, is_number, shown
from limedb.client.life import Life
from limedb.errors import InvalidRequestError, RequestTimeoutError

T = TypeVar("T")

LONGEST_WAIT_SECONDS = 10.0**9
"""As long as forever, and within what event loops can wait."""
Group = Iterable[T]


class Feed(Generic[T]):
    """The items of a scan or a watch: an asynchronous iterator and context manager.

    groups: yields the items that arrive together; what: "the scan", for errors. It begins with the first
    wait. After `close` it returns no more items; after an error, each further wait raises that error again.
    """

    def __init__(self, groups: AsyncGenerator[Group[T], None], life: Life, what: str) -> None:
        life.check()
        self._groups, self._life, self._what = groups, life, what
        self._items: deque[T] = deque()
        self._fetching: asyncio.Task[Group[T] | None] | None = None
        self._has_begun = self._is_over = False
        self._error: Exception | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        item = await self.next()
        if item is None:
            raise StopAsyncIteration
        return item

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def next(self, timeout: Duration | None = None) -> T | None:
        """Return the next item; None: there are no more. timeout: seconds, or a timedelta; None: wait as long
        as it takes. RequestTimeoutError: nothing came in time; wait again, nothing is lost. Any other error
        is final: each further wait raises it again.
        """
        if not self._items:
            if timeout is None:
                await self._wait_item()
            else:
                seconds = wait_seconds(timeout)
                try:
                    async with asyncio.timeout(seconds):
                        await self._wait_item()
                except TimeoutError:
                    raise RequestTimeoutError(seconds, self._what) from None
        if not self._items and self._error is not None:
            raise self._error.with_traceback(None)
        return self._items.popleft() if self._items else None

    async def close(self) -> None:
        """Close it. Running waits return None."""
        self._is_over, self._error = True, None
        self._items.clear()
        fetching, self._fetching = self._fetching, None
        if not self._life.is_here():  # then there is nothing left to end, or it is another loop's
            return
        if fetching is not None:
            fetching.cancel()
            await asyncio.wait((fetching,))
        await self._groups.aclose()

    async def aclose(self) -> None:
        """Close it, as `contextlib.aclosing` calls it."""
        await self.close()

    def __del__(self) -> None:
        fetching = getattr(self, "_fetching", None)  # there is none after an error in __init__
        if fetching is not None and not self._life.is_forked:
            with suppress(RuntimeError):  # the loop is closed
                fetching.get_loop().call_soon_threadsafe(fetching.cancel)

    async def _wait_item(self) -> None:
        while not self._items and not self._is_over:
            await self._wait_group()

    async def _wait_group(self) -> None:
        """Wait for the next group. The task that fetches it outlives this wait."""
        self._life.check()
        if self._fetching is None:
            self._fetching = asyncio.get_running_loop().create_task(_next(self._groups))
            self._fetching.add_done_callback(_look)
        fetching = self._fetching
        await asyncio.wait((fetching,))
        if self._fetching is fetching:  # else another wait took it, or it was closed
            self._fetching = None
            self._take(fetching)

    def _take(self, fetched: "asyncio.Task[Group[T] | None]") -> None:
        try:
            group = fetched.result()
        except Exception as error:
            self._is_over, self._error = True, error
            return
        except BaseException:
            self._is_over = True
            raise
        self._has_begun = True
        if group is None:
            self._is_over = True
        else:
            self._items.extend(group)


class Watch(Feed[T]):
    """A watch. Once it has begun, it misses no change: within `async with`, or after `begin`."""

    @override
    async def __aenter__(self) -> Self:
        try:
            return await self.begin()
        except BaseException:  # then the block's end closes nothing
            await self.close()
            raise

    async def begin(self) -> Self:
        """Return when it has begun."""
        while not (self._has_begun or self._is_over):
            await self._wait_group()
        if self._error is not None and not self._items:
            raise self._error.with_traceback(None)
        return self


def wait_seconds(timeout: Duration) -> float:
    """Return the seconds that a wait may take."""
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    if not is_number(seconds) or not seconds > 0:
        raise InvalidRequestError(
            f"timeout={shown(timeout)}: must be more than 0 s, as a number or a timedelta, or None"
        )
    return float(min(seconds, LONGEST_WAIT_SECONDS))


async def singly(groups: AsyncGenerator[T, None]) -> AsyncGenerator[tuple[T], None]:
    """Yield each group as the only item of one."""
    try:
        async for group in groups:
            yield (group,)
    finally:
        await groups.aclose()


async def _next(groups: AsyncGenerator[Group[T], None]) -> Group[T] | None:
    return await anext(groups, None)


def _look(fetching: "asyncio.Task[object]") -> None:
    """Retrieve an error: asyncio would log one that nobody waits for any more."""
    if not fetching.cancelled():
        fetching.exception()
