"""Leases: keys that exist as long as this process keeps them alive.

It owns how a lease is granted, kept and revoked, by the rules of a lock (`holding.py`): the nodes keep it for
longer than the client relies on it. It must never know what the keys are for.

Tested in tests/client/test_leases.py.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple, Protocol

from limedb.client.arguments import Duration, is_number, milliseconds, shown
from limedb.client.holding import RELIED, GoneError, Hold, now
from limedb.client.locks import Lock
from limedb.core.leases import LEAST_TTL_MS, MAX_ID, MOST_TTL_MS
from limedb.errors import (
    InvalidRequestError,
    LeaseLostError,
    LeaseNotFoundError,
    LockLostError,
    RequestTimeoutError,
)


class LeaseStatus(NamedTuple):
    """The status of a lease.

    id: its id. ttl: how long each renewal lets it live, in seconds. left: how long it still lives, in
    seconds. keys: those that were attached to it; a key that was written without the lease since then stays
    on the list until it has 128 keys.
    """

    id: int
    ttl: float
    left: float
    keys: tuple[str, ...]


class Calls(Protocol):
    """The calls of a client."""

    async def grant_lease(self, ttl: Duration, timeout: Duration | None = None) -> int:
        """As in Client."""

    async def renew_lease(self, lease: int, timeout: Duration | None = None) -> float:
        """As in Client."""

    async def revoke_lease(self, lease: int, timeout: Duration | None = None) -> int:
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
        self.token = self._last = await self._leases.grant_lease(self._ttl, self._timeout)
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
    nodes answered, and when somebody revokes it. The task of a running block is then cancelled, and the block
    raises LeaseLostError.
    """

    @property
    def id(self) -> int:
        """Its id, by which others can attach keys to it. 0: it isn't held."""
        return self.token


def ttl_of(ttl: Duration) -> float:
    """Return the life of a lease in seconds. InvalidRequestError: it is too short or too long, or makes no
    sense.
    """
    seconds = ttl.total_seconds() if isinstance(ttl, timedelta) else ttl
    if not (is_number(seconds) and LEAST_TTL_MS <= seconds * 1000 <= MOST_TTL_MS):
        raise InvalidRequestError(f"ttl={shown(ttl)}: a lease lives for 1 s to 24 h")
    return milliseconds(ttl) / 1000


def check_lease(key: str, lease: object) -> int:
    """Return the id of a lease to which a key is to be attached. InvalidRequestError: it isn't one."""
    found = lease.token if isinstance(lease, Lock) else lease
    if not isinstance(found, int) or isinstance(found, bool) or not 1 <= found <= MAX_ID:
        raise InvalidRequestError(f"key {key!r:.80}: lease={shown(lease)} isn't a lease, or isn't held")
    return found
