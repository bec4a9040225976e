"""Transactions, counters, locks, leaders and leases of the synchronous client.

It owns these calls. It must never do more than the asynchronous client does.

Tested in tests/client/test_transactions.py and tests/client/test_leases.py.
"""

from abc import abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from limedb.client.arguments import Consistency, Duration, Value, check_key
from limedb.client.client import Client
from limedb.client.counters import SyncCounter
from limedb.client.holding import DEFAULT_LOCK_SECONDS
from limedb.client.leases import LeaseStatus
from limedb.client.sync_locks import SyncLeader, SyncLease, SyncLock
from limedb.client.transactions import SyncTransaction

T = TypeVar("T")


class SyncCoordination:
    """The part of a synchronous client that coordinates."""

    _client: Client

    @abstractmethod
    def _run(self, call: Coroutine[Any, Any, T]) -> T:
        """Carry out a call in the thread of the client."""

    @abstractmethod
    def get(
        self, key: str, *, consistency: Consistency = None, timeout: Duration | None = None
    ) -> Value | None:
        """See Client.get."""

    @abstractmethod
    def increment(self, key: str, by: int = 1, *, timeout: Duration | None = None) -> int:
        """See Client.increment."""

    def txn(self) -> SyncTransaction:
        """See Client.txn."""
        return SyncTransaction(lambda *request: self._run(self._client.transact(*request)))

    def counter(self, key: str) -> SyncCounter:
        """See Client.counter."""
        check_key(key)
        return SyncCounter(self, key)

    def lock(
        self,
        name: str,
        ttl: Duration = DEFAULT_LOCK_SECONDS,
        *,
        wait: Duration | None = None,
        holder: str | None = None,
        on_lost: Callable[[], object] | None = None,
    ) -> SyncLock:
        """See Client.lock."""
        return SyncLock(self._client.lock(name, ttl, wait=wait, holder=holder, on_lost=on_lost), self._run)

    def leader(
        self, name: str, ttl: Duration = DEFAULT_LOCK_SECONDS, *, candidate: str | None = None
    ) -> SyncLeader:
        """See Client.leader."""
        self._client.leader(name, ttl, candidate=candidate)  # checks them now
        return SyncLeader(lambda: self.lock(name, ttl, holder=candidate), lambda: self.get(name))

    def lease(
        self, ttl: Duration = DEFAULT_LOCK_SECONDS, *, on_lost: Callable[[], object] | None = None
    ) -> SyncLease:
        """See Client.lease."""
        return SyncLease(self._client.lease(ttl, on_lost=on_lost), self._run)

    def grant_lease(self, ttl: Duration, timeout: Duration | None = None) -> int:
        """See Client.grant_lease."""
        return self._run(self._client.grant_lease(ttl, timeout))

    def renew_lease(self, lease: int, timeout: Duration | None = None) -> float:
        """See Client.renew_lease."""
        return self._run(self._client.renew_lease(lease, timeout))

    def revoke_lease(self, lease: int, timeout: Duration | None = None) -> int:
        """See Client.revoke_lease."""
        return self._run(self._client.revoke_lease(lease, timeout))

    def lease_status(self, lease: int, timeout: Duration | None = None) -> LeaseStatus:
        """See Client.lease_status."""
        return self._run(self._client.lease_status(lease, timeout))
