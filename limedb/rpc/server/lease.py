"""LeaseService: check, call, convert.

Tested in tests/scenarios/test_leases.py.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Protocol

from limedb.core.leases import Lease
from limedb.core.rights import Role
from limedb.errors import LeaseNotFoundError, PermissionDeniedError
from limedb.ports import Clock
from limedb.rpc.server.behaviour import Context
from limedb.rpc.server.checks import Checks
from limedb.rpc.server.deadlines import Deadlines
from limedb.rpc.server.gate import Gate
from limedb.rpc.server.session import Method
from limedbpb.v1 import lease_pb2, lease_pb2_grpc

RENEWAL_SECONDS = 10.0
"""How long a renewal of a stream may take: the call has no deadline for each."""


class Leases(Protocol):
    """The leases of the cluster (`replication/leases/leases.py`, which documents the errors)."""

    async def grant(self, ttl_ms: int, deadline: float) -> int:
        """Make a lease; return its id."""

    async def renew(self, lease: int, deadline: float) -> Lease:
        """Extend a lease and its keys to its whole time to live."""

    async def revoke(self, lease: int, deadline: float) -> int:
        """Revoke a lease and delete its keys; return how many these were."""

    async def find(self, lease: int, deadline: float) -> Lease:
        """The lease of an id."""

    def left_ms(self, lease: Lease) -> int:
        """How long a lease still lives."""


class LeaseServicer(lease_pb2_grpc.LeaseServiceServicer):
    """Serves leases. gate: judges each message of a stream, and which keys a caller may see."""

    service = lease_pb2.DESCRIPTOR.services_by_name["LeaseService"]

    def __init__(
        self, leases: Leases, checks: Checks, deadlines: Deadlines, clock: Clock, gate: Gate
    ) -> None:
        self._leases, self._checks, self._deadlines = leases, checks, deadlines
        self._clock, self._gate = clock, gate

    @property
    def of_session(self) -> dict[str, Method]:
        """The methods that a session of keys serves, too, by the names of its operations."""
        return {
            "grant_lease": self.GrantLease,
            "renew_lease": self.RenewLease,
            "revoke_lease": self.RevokeLease,
            "lease_time_to_live": self.LeaseTimeToLive,
        }

    async def GrantLease(
        self, request: lease_pb2.GrantLeaseRequest, context: Context
    ) -> lease_pb2.GrantLeaseResponse:
        ttl_ms = self._checks.lease_ttl(request.ttl_ms)
        lease = await self._leases.grant(ttl_ms, self._deadlines.of(context))
        return lease_pb2.GrantLeaseResponse(id=lease, ttl_ms=ttl_ms)

    async def RenewLease(
        self, request: lease_pb2.RenewLeaseRequest, context: Context
    ) -> lease_pb2.RenewLeaseResponse:
        return await self._renewed(request.id, self._deadlines.of(context))

    async def KeepAlive(
        self, request: AsyncIterator[lease_pb2.KeepAliveRequest], context: Context
    ) -> AsyncGenerator[lease_pb2.KeepAliveResponse, None]:
        async for one in request:
            await self._check_writer(context)
            try:
                renewed = await self._renewed(one.id, self._clock.monotonic() + RENEWAL_SECONDS)
            except LeaseNotFoundError:
                yield lease_pb2.KeepAliveResponse(id=one.id)
            else:
                yield lease_pb2.KeepAliveResponse(id=one.id, ttl_ms=renewed.ttl_ms)

    async def RevokeLease(
        self, request: lease_pb2.RevokeLeaseRequest, context: Context
    ) -> lease_pb2.RevokeLeaseResponse:
        lease = self._checks.lease(request.id)
        deleted = await self._leases.revoke(lease, self._deadlines.of(context))
        return lease_pb2.RevokeLeaseResponse(deleted=deleted)

    async def LeaseTimeToLive(
        self, request: lease_pb2.LeaseTimeToLiveRequest, context: Context
    ) -> lease_pb2.LeaseTimeToLiveResponse:
        lease = self._checks.lease(request.id)
        found = await self._leases.find(lease, self._deadlines.of(context))
        keys = found.keys
        if self._gate.enforces:
            caller = await self._gate.caller(context)
            keys = tuple(key for key in keys if caller.may(Role.READ, key))
        return lease_pb2.LeaseTimeToLiveResponse(
            id=lease, granted_ttl_ms=found.ttl_ms, ttl_ms=self._leases.left_ms(found), keys=keys
        )

    async def _renewed(self, lease: int, deadline: float) -> lease_pb2.RenewLeaseResponse:
        found = await self._leases.renew(self._checks.lease(lease), deadline)
        return lease_pb2.RenewLeaseResponse(id=lease, ttl_ms=self._leases.left_ms(found))

    async def _check_writer(self, context: Context) -> None:
        if self._gate.enforces:
            caller = await self._gate.caller(context)
            if not caller.has(Role.WRITE):
                raise PermissionDeniedError(caller.name, Role.WRITE.value)
