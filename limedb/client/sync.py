"""The synchronous twin of the client: the same functions, which block.

It owns a thread with an event loop, in which the asynchronous client runs, so that calls of many threads
travel together. It must never be used in an event loop's own thread, which it would block.
"""

import asyncio
import atexit
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from limedb.client.arguments import Consistency, Duration, Moment, Value
from limedb.client.client import Client
from limedb.client.outcomes import Receipt
from limedb.client.scans import Entry
from limedb.client.watches import Change
from limedb.errors import UnavailableError

D = TypeVar("D")
T = TypeVar("T")

JOIN_SECONDS = 5.0
"""How long `close` waits for the thread to finish."""


class SyncClient:
    """A cluster, from `connect_sync`, for any number of threads. make: returns the asynchronous client.

    It has the functions of `Client`, which raise the same errors.
    """

    def __init__(self, make: Callable[[], Client]) -> None:
        self._client = make()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> None:
        """Find a way into the cluster. UnavailableError: nothing answers at any of the addresses."""
        self._loop = _new_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="limedb-client", daemon=True)
        self._thread.start()
        try:
            self._run(self._client.open())
        except BaseException:
            self._end()
            raise
        atexit.register(self.close)  # else a half-read scan waits at exit for a thread that is gone

    def close(self) -> None:
        """Close all connections. Waiting calls of other threads fail: reads with UnavailableError, writes
        with that or, if they may have taken effect, with OutcomeUnknownError.
        """
        if self._loop is not None:
            self._run(self._client.close())
            self._end()

    @overload
    def get(
        self, key: str, *, consistency: Consistency = None, timeout: Duration | None = None
    ) -> Value | None: ...

    @overload
    def get(
        self, key: str, default: D, *, consistency: Consistency = None, timeout: Duration | None = None
    ) -> Value | D: ...

    def get(
        self,
        key: str,
        default: object = None,
        *,
        consistency: Consistency = None,
        timeout: Duration | None = None,
    ) -> object:
        """See Client.get."""
        return self._run(self._client.get(key, default, consistency=consistency, timeout=timeout))

    def set(
        self,
        key: str,
        value: Value,
        ttl: Duration | None = None,
        *,
        expires_at: Moment | None = None,
        consistency: Consistency = None,
        timeout: Duration | None = None,
    ) -> Receipt:
        """See Client.set."""
        return self._run(
            self._client.set(key, value, ttl, expires_at=expires_at, consistency=consistency, timeout=timeout)
        )

    def delete(self, key: str, *, consistency: Consistency = None, timeout: Duration | None = None) -> bool:
        """See Client.delete."""
        return self._run(self._client.delete(key, consistency=consistency, timeout=timeout))

    def get_many(
        self, keys: Iterable[str], *, consistency: Consistency = None, timeout: Duration | None = None
    ) -> dict[str, Value]:
        """See Client.get_many."""
        return self._run(self._client.get_many(keys, consistency=consistency, timeout=timeout))

    def set_many(
        self,
        values: Mapping[str, Value],
        ttl: Duration | Mapping[str, Duration] | None = None,
        *,
        expires_at: Moment | Mapping[str, Moment] | None = None,
        consistency: Consistency = None,
        timeout: Duration | None = None,
    ) -> dict[str, Receipt]:
        """See Client.set_many."""
        return self._run(
            self._client.set_many(
                values, ttl, expires_at=expires_at, consistency=consistency, timeout=timeout
            )
        )

    def delete_many(
        self, keys: Iterable[str], *, consistency: Consistency = None, timeout: Duration | None = None
    ) -> int:
        """See Client.delete_many."""
        return self._run(self._client.delete_many(keys, consistency=consistency, timeout=timeout))

    def scan(
        self,
        prefix: str = "",
        *,
        start: str = "",
        end: str = "",
        limit: int | None = None,
        keys_only: bool = False,
        consistency: Consistency = None,
        timeout: Duration | None = None,
    ) -> Iterator[Entry]:
        """See Client.scan."""
        pages = self._client.scan_pages(
            prefix,
            start=start,
            end=end,
            limit=limit,
            keys_only=keys_only,
            consistency=consistency,
            timeout=timeout,
        )
        return self._flat(pages)

    def _flat(self, pages: AsyncGenerator[list[T], None]) -> Iterator[T]:
        """Yield the items of pages; wait for each page only when its items are wanted."""
        try:
            while (page := self._run(_next(pages))) is not None:
                yield from page
        finally:
            with suppress(UnavailableError):  # it was closed before
                self._run(_end(pages))

    def watch(
        self,
        key: str | None = None,
        *,
        prefix: str = "",
        after_version: int | None = None,
        consistency: Consistency = None,
        timeout: Duration | None = None,
    ) -> Iterator[Change]:
        """See Client.watch."""
        pages = self._client.watch_pages(
            key, prefix=prefix, after_version=after_version, consistency=consistency, timeout=timeout
        )
        return self._flat(pages)

    def _run(self, call: Coroutine[Any, Any, T]) -> T:
        if self._loop is None or self._loop.is_closed():
            call.close()
            raise UnavailableError("the client is not open")
        future = asyncio.run_coroutine_threadsafe(call, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # the thread was interrupted, as by Ctrl-C: nobody waits for the call any more
            raise

    def _end(self) -> None:
        atexit.unregister(self.close)
        loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(JOIN_SECONDS)
            loop.close()


async def _next(pages: AsyncGenerator[T, None]) -> T | None:
    """Return the next page; None at the end."""
    return await anext(pages, None)


async def _end(pages: AsyncGenerator[T, None]) -> None:
    await pages.aclose()


def _new_loop() -> asyncio.AbstractEventLoop:
    """Return a loop of uvloop where it is installed, else asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
