"""Leases: keys that are there as long as this process keeps them alive.

It owns how a lease is granted, kept and revoked, by the rules of a lock (`holding.py`): the nodes keep it for
longer than the client relies on it. It must never know what the keys are for.

Tested in tests/client/test_leases.py.
"""

from collections.abc import Callable
from typing import Protocol

from limedb.client.arguments import Duration, milliseconds, shown
from limedb.client.holding import RELIED, GoneError, Hold, now
from limedb.client.locks import Lock
from limedb.core.leases import LEAST_TTL_MS, MOST_TTL_MS
from limedb.errors import (
    InvalidRequestError,
    LeaseLostError,
    LeaseNotFoundError,
    LockLostError,
    RequestTimeoutError,
)
from limedbpb.v1 import lease_pb2


class Calls(Protocol):
    """The calls of a client."""

    async def grant_lease(self, ttl_ms: int, timeout: Duration | None = None) -> int:
        """As in Client."""

    async def renew_lease(self, lease: int, timeout: Duration | None = None) -> int:
        """As in Client."""

    async def revoke_lease(self, lease: int, timeout: Duration | None = None) -> int:
        """As in Client."""

    async def look_at_lease(
        self, lease: int, timeout: Duration | None = None
    ) -> lease_pb2.LeaseTimeToLiveResponse:
        """As in Client."""


class LeaseHold(Hold):
    """One lease in the hands of one client. ttl: seconds that the nodes keep it without a renewal. timeout:
    seconds of a call. lost: called when it is no longer held, in the client's loop.
    """

    def __init__(self, calls: Calls, ttl: float, timeout: float, lost: Callable[[], object]) -> None:
        self._leases, self._key, self._ttl, self._timeout = calls, "lease", ttl, timeout
        self._on_loss, self._until, self._reason = lost, 0.0, ""
        self._renewal = None
        self.token = self._last = 0

    async def take(self, wait: float | None) -> int:
        """Grant it; return its id. UnavailableError, RequestTimeoutError. InvalidRequestError: this object
        has one.
        """
        if self.token:
            raise InvalidRequestError("the lease is held by this object already")
        self._reason, began = "", now()
        self.token = self._last = await self._leases.grant_lease(round(self._ttl * 1000), self._timeout)
        self._until = began + self._ttl * RELIED
        if now() >= self._until:
            raise RequestTimeoutError(self._ttl * RELIED, "the nodes, which is longer than the lease lives")
        self._begin_renewals()
        return self.token

    async def _renew(self, timeout: float) -> None:
        try:
            await self._leases.renew_lease(self.token, timeout)
        except LeaseNotFoundError:
            raise GoneError("it has ended, or was revoked") from None

    async def _end(self, token: int) -> None:
        try:
            await self._leases.revoke_lease(token, self._timeout)
        except LeaseNotFoundError:
            raise GoneError("it has ended, or was revoked") from None

    def _lost(self, why: str) -> LockLostError:
        return LeaseLostError(self._last, why)


class Lease(Lock):
    """A lease, from `Client.lease`, for use with `async with`, or by `acquire`, which grants it, and
    `release`, which revokes it and deletes the keys that are attached to it.

    It is lost when it isn't renewed in time, because the process or its event loop stood still or too few
    nodes answered, and when somebody revokes it. The task of a block that runs then is cancelled, and the
    block ends with LeaseLostError.
    """

    @property
    def id(self) -> int:
        """Its id, by which others can attach keys to it. 0: it isn't held."""
        return self.token


def ttl_of(ttl: Duration) -> float:
    """Return the life of a lease in seconds. InvalidRequestError: it is too short or too long, or makes no
    sense.
    """
    life_ms = milliseconds(ttl)
    if not LEAST_TTL_MS <= life_ms <= MOST_TTL_MS:
        raise InvalidRequestError(f"ttl={shown(ttl)}: a lease lives for 1 s to 24 h")
    return life_ms / 1000


def check_lease(key: str, lease: object) -> int:
    """Return the id of a lease to which a key is to be attached. InvalidRequestError: it isn't one."""
    found = lease.token if isinstance(lease, Lock) else lease
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise InvalidRequestError(
            f"key {key!r:.80}: lease={shown(lease)} is no lease, or one that isn't held"
        )
    return found
