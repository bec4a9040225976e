"""Locks and leaders: one of many processes works, and another takes over when it fails.

It owns the end of the work when a lock is lost: it cancels the task that runs the work. It must never send
anything itself.

Tested in tests/client/test_locks.py.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Self, TypeVar

from limedb.aio.retrying import Pauses
from limedb.client.arguments import Value
from limedb.client.holding import Hold, holder_in
from limedb.errors import (
    ClientStateError,
    LimeDBError,
    LockLostError,
    RequestTimeoutError,
    UnavailableError,
)

T = TypeVar("T")

log = logging.getLogger(__name__)


class Lock:
    """A lock, from `Client.lock`, for use with `async with`, or by `acquire` and `release`.

    It is lost when its key isn't renewed in time, because the process or its event loop stood still or too
    few nodes answered, and when somebody deletes the key. The task of a running block is then cancelled, and
    the block raises LockLostError.

    make: returns the holding, which calls a function when the lock is lost. wait: seconds; None: as long as
    it takes. on_lost: called when the lock is lost.
    """

    def __init__(
        self,
        make: Callable[[Callable[[], object]], Hold],
        wait: float | None,
        on_lost: Callable[[], object] | None,
    ) -> None:
        self._hold, self._wait, self._on_lost = make(self._lost), wait, on_lost
        self._task: asyncio.Task[object] | None = None
        self._block: AbstractAsyncContextManager[None] | None = None

    @property
    def token(self) -> int:
        """The fencing token: greater than those of all previous holders. 0: it isn't held."""
        return self._hold.token

    @property
    def is_held(self) -> bool:
        """Whether the holder may rely on it now."""
        return self._hold.is_held

    def check(self) -> None:
        """LockLostError: it isn't held, or no longer held."""
        self._hold.check()

    async def acquire(self) -> int:
        """Take it; return the token. LockTakenError: somebody else has it, and `wait` is over. Without a
        block nothing is cancelled: use `on_lost`, `is_held` or `check`.
        """
        return await self._hold.take(self._wait)

    async def release(self) -> None:
        """Give it back. LockLostError: it was lost before."""
        await self._hold.give_back()

    async def __aenter__(self) -> Self:
        await self.acquire()
        self._block = self.block()
        await self._block.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        block, self._block = self._block, None
        return await block.__aexit__(kind, error, trace) if block is not None else None

    @asynccontextmanager
    async def block(self) -> AsyncIterator[None]:
        """A block of the current task, which has acquired the lock; it releases the lock at its end."""
        self._task = task = asyncio.current_task()
        cancelled_before = task.cancelling() if task is not None else 0
        error: BaseException | None = None
        try:
            yield
        except BaseException as raised:
            error = raised
            raise
        finally:
            is_by_loss, self._task = self._task is None, None
            is_ended_by_us = (
                is_by_loss
                and task is not None
                and task.uncancel() <= cancelled_before
                and isinstance(error, asyncio.CancelledError)
            )
            await self._end(None if is_ended_by_us else error)

    async def _end(self, error: BaseException | None) -> None:
        """Release it. error: the block's own, which stays, with a note if the lock was lost."""
        try:
            await self.release()
        except LockLostError as lost:
            if error is None:
                raise lost from None
            error.add_note(f"besides, {lost}")
        except LimeDBError as failed:
            log.warning("a lock stays until it expires, since it could not be released: %s", failed)

    def _lost(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        if self._on_lost is not None:
            try:
                self._on_lost()
            except Exception:
                log.exception("on_lost of a lock failed")


class Leader:
    """A candidate, from `Client.leader`: one candidate of a name leads at a time.

    make: returns a lock that waits. current: reads its key.
    """

    def __init__(self, make: Callable[[], Lock], current: Callable[[], Awaitable[Value | None]]) -> None:
        self._make, self._current = make, current

    async def current(self) -> str | None:
        """Return the name of the candidate that leads; None: there is none now."""
        found = await self._current()
        return None if found is None else holder_in(found)

    async def run(self, work: Callable[[Lock], Awaitable[T]]) -> T:
        """Wait until it leads, do the work, and return its result. `work` gets the lock, which has the
        fencing token. When leadership is lost, the work is cancelled and the candidate waits again, so the
        work may begin several times. An error in the work ends it.
        """
        while True:
            lock = await self._elected()
            is_done = False
            try:
                async with lock.block():
                    result = await work(lock)
                    is_done = True
            except LockLostError as lost:
                if is_done:
                    return result
                log.warning("%s; the candidate waits again", lost)
            else:
                return result

    async def _elected(self) -> Lock:
        """Return a lock that is held, however long too few nodes answer."""
        pauses = Pauses()
        while True:
            lock = self._make()
            try:
                await lock.acquire()
            except ClientStateError:
                raise
            except (UnavailableError, RequestTimeoutError) as error:
                log.warning("the candidate waits: %s", error)
                await asyncio.sleep(pauses.pause())
            else:
                return lock
