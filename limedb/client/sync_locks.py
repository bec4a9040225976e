"""Locks, leases and leaders for code without asyncio.

It must never call the caller's work in the thread of the client, which renews the lock meanwhile.

Tested in tests/client/test_locks.py.
"""

import logging
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from limedb.aio.retrying import Pauses
from limedb.client.arguments import Value
from limedb.client.holding import holder_in
from limedb.client.locks import Lock
from limedb.errors import (
    ClientStateError,
    LimeDBError,
    LockLostError,
    RequestTimeoutError,
    UnavailableError,
)

T = TypeVar("T")

log = logging.getLogger(__name__)


class Run(Protocol):
    """Carries out a call in the thread of the client."""

    def __call__(self, call: Coroutine[Any, Any, T]) -> T:
        """Return its result, or raise its error."""


class SyncLock:
    """As Lock. Nothing can interrupt a thread: where the lock is lost, `check` raises LockLostError, and so
    does the end of the block. `on_lost` is called in the thread of the client.
    """

    def __init__(self, lock: Lock, run: Run) -> None:
        self._lock, self._run = lock, run

    @property
    def token(self) -> int:
        """See Lock.token."""
        return self._lock.token

    @property
    def is_held(self) -> bool:
        """See Lock.is_held."""
        return self._lock.is_held

    def check(self) -> None:
        """See Lock.check."""
        self._lock.check()

    def acquire(self) -> int:
        """See Lock.acquire."""
        return self._run(self._lock.acquire())

    def release(self) -> None:
        """See Lock.release."""
        self._run(self._lock.release())

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.release()
        except LockLostError as lost:
            if error is None:
                raise
            error.add_note(f"besides, {lost}")
        except LimeDBError as failed:
            log.warning("a lock stays until it expires, since it could not be released: %s", failed)


class SyncLease(SyncLock):
    """As Lease. `acquire` grants it, `release` revokes it."""

    @property
    def id(self) -> int:
        """See Lease.id."""
        return self._lock.token


class SyncLeader:
    """As Leader. make: returns a lock that waits. current: reads its key."""

    def __init__(self, make: Callable[[], SyncLock], current: Callable[[], Value | None]) -> None:
        self._make, self._current = make, current

    def current(self) -> str | None:
        """See Leader.current."""
        found = self._current()
        return None if found is None else holder_in(found)

    def run(self, work: Callable[[SyncLock], T]) -> T:
        """See Leader.run. Nothing interrupts the work: it has to call the lock's `check`, whose LockLostError
        lets the candidate wait again.
        """
        while True:
            lock = self._elected()
            try:
                result = work(lock)
            except BaseException as error:
                is_lost = isinstance(error, LockLostError) and not lock.is_held
                lock.__exit__(type(error), error, error.__traceback__)
                if not is_lost:
                    raise
                log.warning("%s; the candidate waits again", error)
            else:
                with suppress(LockLostError):
                    lock.__exit__(None, None, None)
                return result

    def _elected(self) -> SyncLock:
        """Return a lock that is held, however long too few nodes answer."""
        pauses = Pauses()
        while True:
            lock = self._make()
            try:
                lock.acquire()
            except ClientStateError:
                raise
            except (UnavailableError, RequestTimeoutError) as error:
                log.warning("the candidate waits: %s", error)
                time.sleep(pauses.pause())
            else:
                return lock
