"""The synchronous client: the same functions as the asynchronous one's, which block.

It owns a thread with an event loop, in which the asynchronous client runs, so that calls of many threads
travel together. It must never be used in an event loop's own thread, which it would block.
"""

import asyncio
import atexit
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar, cast, overload

from limedb.client.arguments import Consistency, Duration, Moment, Value
from limedb.client.client import Client
from limedb.client.conditions import UNGIVEN, Ungiven
from limedb.client.life import FORKS, SYNC_USE, Life
from limedb.client.outcomes import Entry
from limedb.client.swaps import Edit
from limedb.client.sync_coordination import SyncCoordination
from limedb.client.sync_feeds import SyncFeed, SyncWatch
from limedb.client.sync_locks import SyncLease
from limedb.client.watches import Change
from limedb.core.receipt import Receipt

D = TypeVar("D")
T = TypeVar("T")

JOIN_SECONDS = 5.0
"""How long `close` waits for waiting calls to finish, and then for the thread."""


class SyncClient(SyncCoordination):
    """A cluster, from `connect_sync`, for any number of threads. make: returns the asynchronous client.

    It has the functions of `Client`, which raise the same errors.
    """

    def __init__(self, make: Callable[[], Client]) -> None:
        self._client = make()
        self._life = Life(SYNC_USE)
        self._thread: threading.Thread | None = None
        self._is_open = False
        self._lock, self._opening = threading.RLock(), threading.Lock()

    def __enter__(self) -> Self:
        self._life.check_block()
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def is_open(self) -> bool:
        """Whether it is open in this process, for all threads."""
        return self._is_open and not self._life.is_forked

    def open(self, wait: Duration | None = None) -> None:
        """See Client.open. Threads that open it at the same time wait for the first of them."""
        FORKS.check_open()  # first of all: the locks may be the parent's
        with self._opening:
            if self._thread is None:
                self._open(wait)

    def _open(self, wait: Duration | None) -> None:
        with self._lock:
            loop = _new_loop()
            try:
                self._life.begin(loop)
            except BaseException:
                loop.close()
                raise
            self._thread = threading.Thread(target=loop.run_forever, name="limedb-client", daemon=True)
            self._thread.start()
        try:
            self._run(self._client.open(wait))
        except BaseException:
            self.close()
            raise
        with self._lock:
            self._is_open = self._thread is not None  # else it was closed meanwhile
        atexit.register(self.close)  # else a half-read scan waits at exit for a thread that is gone

    def close(self) -> None:
        """Close all connections. Waiting calls of other threads fail: reads with UnavailableError, writes
        with that or, if they may have taken effect, with OutcomeUnknownError. It does nothing without an open
        connection, or in a forked child, whose connections are the parent's.
        """
        if self._life.is_forked:
            return
        with self._lock:  # a call that was submitted before this is a task before `_shut` runs
            thread, loop = self._thread, self._life.end()
            self._thread, self._is_open = None, False
        if thread is None or loop is None:
            return
        atexit.unregister(self.close)
        asyncio.run_coroutine_threadsafe(_shut(self._client), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(JOIN_SECONDS)
        loop.close()

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

    def get_entry(
        self, key: str, *, consistency: Consistency = None, timeout: Duration | None = None
    ) -> Entry | None:
        """See Client.get_entry."""
        return self._run(self._client.get_entry(key, consistency=consistency, timeout=timeout))

    def set(
        self,
        key: str,
        value: Value,
        ttl: Duration | None = None,
        *,
        expires_at: Moment | None = None,
        if_version: int | Ungiven = UNGIVEN,
        if_absent: bool = False,
        if_value: Value | Ungiven = UNGIVEN,
        if_exists: bool = False,
        keep_ttl: bool = False,
        lease: SyncLease | int | None = None,
        consistency: Consistency = None,
        timeout: Duration | None = None,
    ) -> Receipt:
        """See Client.set."""
        return self._run(
            self._client.set(
                key,
                value,
                ttl,
                expires_at=expires_at,
                if_version=if_version,
                if_absent=if_absent,
                if_value=if_value,
                if_exists=if_exists,
                keep_ttl=keep_ttl,
                lease=lease.id if isinstance(lease, SyncLease) else lease,
                consistency=consistency,
                timeout=timeout,
            )
        )

    def delete(
        self,
        key: str,
        *,
        if_version: int | Ungiven = UNGIVEN,
        if_value: Value | Ungiven = UNGIVEN,
        if_exists: bool = False,
        consistency: Consistency = None,
        timeout: Duration | None = None,
    ) -> bool:
        """See Client.delete."""
        return self._run(
            self._client.delete(
                key,
                if_version=if_version,
                if_value=if_value,
                if_exists=if_exists,
                consistency=consistency,
                timeout=timeout,
            )
        )

    def cas(
        self,
        key: str,
        edit: Edit,
        *,
        ttl: Duration | None = None,
        keep_ttl: bool = False,
        consistency: Consistency = None,
        timeout: Duration | None = None,
    ) -> Value | None:
        """See Client.cas. `edit` is called in this thread."""
        swap = self._begun(lambda: self._client.swap(key, ttl, keep_ttl, consistency, timeout))
        self._run(swap.begin())
        try:
            while True:
                new = edit(self._run(swap.current()))
                if self._run(swap.write(new)):
                    return new
        finally:
            self._run(swap.end())

    def increment(
        self,
        key: str,
        by: int = 1,
        *,
        initial: int = 0,
        ttl: Duration | None = None,
        consistency: Consistency = None,
        timeout: Duration | None = None,
    ) -> int:
        """See Client.increment."""
        call = self._client.increment(
            key, by, initial=initial, ttl=ttl, consistency=consistency, timeout=timeout
        )
        return self._run(call)

    def append(
        self,
        key: str,
        value: Value,
        *,
        ttl: Duration | None = None,
        consistency: Consistency = None,
        timeout: Duration | None = None,
    ) -> int:
        """See Client.append."""
        return self._run(self._client.append(key, value, ttl=ttl, consistency=consistency, timeout=timeout))

    def get_and_set(
        self,
        key: str,
        value: Value,
        ttl: Duration | None = None,
        *,
        keep_ttl: bool = False,
        consistency: Consistency = None,
        timeout: Duration | None = None,
    ) -> Value | None:
        """See Client.get_and_set."""
        call = self._client.get_and_set(
            key, value, ttl, keep_ttl=keep_ttl, consistency=consistency, timeout=timeout
        )
        return self._run(call)

    def get_and_delete(
        self, key: str, *, consistency: Consistency = None, timeout: Duration | None = None
    ) -> Value | None:
        """See Client.get_and_delete."""
        return self._run(self._client.get_and_delete(key, consistency=consistency, timeout=timeout))

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
    ) -> SyncFeed[Entry]:
        """See Client.scan."""
        pages = self._begun(
            lambda: self._client.scan_pages(
                prefix,
                start=start,
                end=end,
                limit=limit,
                keys_only=keys_only,
                consistency=consistency,
                timeout=timeout,
            )
        )
        return SyncFeed(pages, self._run)

    def watch(
        self,
        key: str | None = None,
        *,
        prefix: str = "",
        after_version: int | None = None,
        consistency: Consistency = None,
        timeout: Duration | None = None,
    ) -> SyncWatch[Change]:
        """See Client.watch."""
        pages = self._begun(
            lambda: self._client.watch_pages(
                key, prefix=prefix, after_version=after_version, consistency=consistency, timeout=timeout
            )
        )
        return SyncWatch(pages, self._run)

    def _begun(self, make: Callable[[], T]) -> T:
        """Return the object that a function makes in the loop of the client."""

        async def begin() -> T:
            return make()

        return self._run(begin())

    def _run(self, call: Coroutine[Any, Any, T]) -> T:
        """Carry out a call of the client. ClientStateError: it isn't open in this process."""
        try:
            if self._life.is_forked:
                raise self._life.error()
            with self._lock:
                future = asyncio.run_coroutine_threadsafe(call, self._life.loop)
        except BaseException:
            call.close()
            raise
        try:
            return future.result()
        except BaseException:
            future.cancel()  # the thread was interrupted, as by Ctrl-C: nobody waits for the call any more
            raise


async def _shut(client: Client) -> None:
    """Close a client; return when its loop is idle: then each waiting thread has its error."""
    await client.close()
    left = asyncio.all_tasks() - {cast("asyncio.Task[Any]", asyncio.current_task())}
    if left:
        _, late = await asyncio.wait(left, timeout=JOIN_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()


def _new_loop() -> asyncio.AbstractEventLoop:
    """Return a loop of uvloop where it is installed, else asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
