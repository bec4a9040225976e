"""The calls of a client about leases.

It owns these calls, and the checks of their arguments. It must never renew one by itself: `leases.py` does.

Tested in tests/client/test_leases.py.
"""

from collections.abc import Callable
from typing import Any, cast

from google.protobuf.message import Message

from limedb.client.arguments import Duration, whole_number
from limedb.client.edit_calls import EditCalls
from limedb.client.holding import DEFAULT_LOCK_SECONDS, check_callback
from limedb.client.leases import Lease, LeaseHold, LeaseStatus, ttl_of
from limedb.client.outcomes import Answered
from limedb.core.leases import MAX_ID, key_of
from limedbpb.v1 import lease_pb2


class LeaseCalls(EditCalls):
    """The part of a client that has leases. LeaseNotFoundError: the lease has expired or was revoked."""

    def lease(
        self, ttl: Duration = DEFAULT_LOCK_SECONDS, *, on_lost: Callable[[], object] | None = None
    ) -> Lease:
        """Return a lease, to which keys can be attached while a block runs:
        `async with db.lease(10) as lease: await db.set("services/web-1", "10.0.0.1", lease=lease)`.

        ttl: how long the keys stay at most when this process dies; the client renews the lease three times as
        often. on_lost: called when the lease is lost.
        """
        life = ttl_of(ttl)
        check_callback(on_lost)
        return Lease(lambda lost: LeaseHold(self, life, self._timeout, lost), None, on_lost)

    async def grant_lease(self, ttl: Duration, timeout: Duration | None = None) -> int:
        """Grant a lease that the caller renews itself; return its id. ttl: how long it lives without a
        renewal, 1 s to 24 h. If no answer comes, the lease may exist nevertheless; it then expires.
        """
        ttl_ms = round(ttl_of(ttl) * 1000)
        answer = await self._asked("grant_lease", "", lease_pb2.GrantLeaseRequest(ttl_ms=ttl_ms), timeout)
        return int(answer.id)

    async def renew_lease(self, lease: int, timeout: Duration | None = None) -> float:
        """Renew a lease and all keys that are attached to it; return the seconds that it lives from now on.
        Each of these keys gets a new version.
        """
        whole_number("lease", lease, 1, MAX_ID)
        request = lease_pb2.RenewLeaseRequest(id=lease)
        return float((await self._asked("renew_lease", key_of(lease), request, timeout)).ttl_ms / 1000)

    async def revoke_lease(self, lease: int, timeout: Duration | None = None) -> int:
        """Revoke a lease, and delete the keys that are attached to it; return how many these were."""
        whole_number("lease", lease, 1, MAX_ID)
        request = lease_pb2.RevokeLeaseRequest(id=lease)
        return int((await self._asked("revoke_lease", key_of(lease), request, timeout)).deleted)

    async def lease_status(self, lease: int, timeout: Duration | None = None) -> LeaseStatus:
        """Return the status of a lease."""
        whole_number("lease", lease, 1, MAX_ID)
        request = lease_pb2.LeaseTimeToLiveRequest(id=lease)
        answer = await self._asked("lease_time_to_live", key_of(lease), request, timeout)
        return LeaseStatus(lease, answer.granted_ttl_ms / 1000, answer.ttl_ms / 1000, tuple(answer.keys))

    async def _asked(self, operation: str, key: str, request: Message, timeout: Duration | None) -> Any:  # noqa: ANN401 (each operation has its own)
        outcome = await self._carry_out(operation, key, request.SerializeToString(), None, timeout)
        return cast("Answered", outcome).answer
