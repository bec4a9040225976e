"""The functions of a client that make locks and leaders.

It owns their arguments. It must never send anything itself.

Tested in tests/client/test_locks.py.
"""

from collections.abc import Callable
from typing import Protocol

from limedb.client.arguments import Consistency, Duration, Value, check_key
from limedb.client.holding import (
    DEFAULT_LOCK_SECONDS,
    Calls,
    Hold,
    check_callback,
    holder_name,
    life_of,
    wait_of,
)
from limedb.client.locks import Leader, Lock


class LockCalls(Calls, Protocol):
    """The part of a client that makes them. _timeout: seconds of a call."""

    _timeout: float

    async def get(
        self, key: str, *, consistency: Consistency = None, timeout: Duration | None = None
    ) -> Value | None:
        """As in Client."""

    def lock(
        self,
        name: str,
        ttl: Duration = DEFAULT_LOCK_SECONDS,
        *,
        wait: Duration | None = None,
        holder: str | None = None,
        on_lost: Callable[[], object] | None = None,
    ) -> Lock:
        """Return the lock of a name, which is the key that stores it: `async with db.lock("jobs/7"):`.

        ttl: how long others wait at most when the holder dies; the client renews the lock three times as
        often. wait: how long it waits while somebody else has the lock, then LockTakenError; 0: not at all;
        None: as long as it takes. holder: the name that others see; None: this machine's and process's.
        on_lost: called when the lock is lost.
        """
        check_key(name)
        life, patience, shown = life_of(ttl), wait_of(wait), holder_name(holder)
        check_callback(on_lost)
        return Lock(lambda lost: Hold(self, name, life, self._timeout, shown, lost), patience, on_lost)

    def leader(
        self, name: str, ttl: Duration = DEFAULT_LOCK_SECONDS, *, candidate: str | None = None
    ) -> Leader:
        """Return a candidate for the leadership of a name, which is the key of a lock. ttl, candidate: as
        ttl and holder of `lock`.
        """
        self.lock(name, ttl, holder=candidate)  # checks them now
        return Leader(lambda: self.lock(name, ttl, holder=candidate), lambda: self.get(name))
