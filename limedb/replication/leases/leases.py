"""Grants, renews and revokes leases, and writes the keys that are attached to them.

It owns the order of these writes; `core/leases.py` argues why it is safe. It must never know how a client
keeps a lease alive.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from random import Random

from limedb.core.condition import Condition, current
from limedb.core.groups import tag_of
from limedb.core.leases import (
    MAX_ID,
    MAX_KEYS,
    Lease,
    is_attached,
    key_of,
    lease_in,
    lease_value,
)
from limedb.core.quorum import Level
from limedb.errors import (
    ConditionFailedError,
    InvalidRequestError,
    LeaseFullError,
    LeaseNotFoundError,
    LimeDBError,
    OutcomeUnknownError,
    brief,
)
from limedb.replication.conditional.operation import Operation
from limedb.replication.conditional.proposer import ConditionalProposer, EndedError
from limedb.replication.leases.operation import AttachingWrite, Extension, Removal
from limedb.replication.read.resolver import ReadResolver
from limedb.replication.replica_errors import in_terms_of
from limedb.replication.requests import MAX_RESTARTS, Write, Written

AT_ONCE = 16
"""How many attached keys of a lease are written at a time."""


class Leases:
    """The leases of a cluster. now_ms: returns the cluster's time; rng: for ids."""

    def __init__(
        self, resolver: ReadResolver, proposer: ConditionalProposer, now_ms: Callable[[], int], rng: Random
    ) -> None:
        self._resolver, self._proposer, self._now_ms, self._rng = resolver, proposer, now_ms, rng

    async def grant(self, ttl_ms: int, deadline: float) -> int:
        """Make a lease; return its id. UnavailableError, OutcomeUnknownError: there may be one, which nobody
        knows and which expires.
        """
        while True:  # an id may be taken
            lease = self._rng.randint(1, MAX_ID)
            wanted = Write(key_of(lease), lease_value(ttl_ms, ()), ttl_ms, condition=Condition(version=0))
            if await self._write(lease, wanted, deadline) is not None:
                return lease

    async def renew(self, lease: int, deadline: float) -> Lease:
        """Extend a lease and its keys to its whole time to live. LeaseNotFoundError; UnavailableError;
        OutcomeUnknownError: it may live longer.
        """
        for _ in range(MAX_RESTARTS):
            found = await self.find(lease, deadline)
            until_ms = max(self._now_ms() + found.ttl_ms, found.expires_at)
            await self._each((Extension(key, lease, until_ms) for key in found.keys), deadline)
            if (written := await self._rewrite(found, found.keys, until_ms, deadline)) is not None:
                return found._replace(version=written.version, expires_at=until_ms)
        raise _contended(lease)

    async def attach(self, lease: int, write: Write, deadline: float) -> Written:
        """Store a value that lives as long as a lease. LeaseNotFoundError: the lease no longer exists, and
        nothing of the value remains; LeaseFullError; errors of Coordinator.write.
        """
        if tag_of(write.key):
            raise InvalidRequestError(
                f"key {brief(write.key)} has a tag: such a key can't be attached to a lease"
            )
        found = await self._listed(lease, write.key, deadline)
        wanted = write._replace(expires_at_ms=found.expires_at)
        written = await self._written(AttachingWrite(wanted, lease), deadline)
        try:
            again = await self.find(lease, deadline)
        except LeaseNotFoundError:  # it has expired since; so does the value
            await self._settle(Removal(write.key, lease), deadline)
            return written
        except LimeDBError as error:
            why = {"its lease could not be looked at again": error.public_text}
            raise OutcomeUnknownError(write.key, 1, 0, why) from None
        if again.expires_at > found.expires_at:
            await self._settle(Extension(write.key, lease, again.expires_at), deadline)
        return written

    async def revoke(self, lease: int, deadline: float) -> int:
        """Revoke a lease and delete its keys; return how many these were. LeaseNotFoundError."""
        for _ in range(MAX_RESTARTS):
            found = await self.find(lease, deadline)
            ended = Write(key_of(lease), None, condition=Condition(version=found.version))
            if await self._write(lease, ended, deadline) is None:
                continue
            return sum(await self._each((Removal(key, lease) for key in found.keys), deadline))
        raise _contended(lease)

    def left_ms(self, lease: Lease) -> int:
        """How long a lease still lives, in milliseconds."""
        return max(0, lease.expires_at - self._now_ms())

    async def find(self, lease: int, deadline: float) -> Lease:
        """The lease of an id. LeaseNotFoundError: it no longer exists. UnavailableError."""
        (read,) = await self._resolver.resolve((key_of(lease),), Level.LINEARIZABLE, deadline)
        if isinstance(read.record, LimeDBError):
            raise in_terms_of(read.record, key_of(lease), str(lease), "lease")
        live = current(read.record, self._now_ms())
        if live is None:
            raise LeaseNotFoundError(lease)
        return lease_in(lease, live)

    async def _listed(self, lease: int, key: str, deadline: float) -> Lease:
        """A lease that lists a key. LeaseNotFoundError, LeaseFullError."""
        for _ in range(MAX_RESTARTS):
            found = await self.find(lease, deadline)
            if key in found.keys:
                return found
            keys = found.keys if len(found.keys) < MAX_KEYS else await self._attached(found, deadline)
            if len(keys) >= MAX_KEYS:
                raise LeaseFullError(lease, MAX_KEYS)
            written = await self._rewrite(found, (*keys, key), found.expires_at, deadline)
            if written is not None:
                return found._replace(version=written.version, keys=(*keys, key))
        raise _contended(lease)

    async def _attached(self, found: Lease, deadline: float) -> Sequence[str]:
        """The keys of a lease that are still attached to it."""
        reads = await self._resolver.resolve(found.keys, Level.LINEARIZABLE, deadline)
        held = {read.key: read.record for read in reads}
        return [
            key
            for key in found.keys
            if isinstance(record := held[key], LimeDBError) or is_attached(record, found.id)
        ]

    async def _rewrite(
        self, found: Lease, keys: Sequence[str], expires_at: int, deadline: float
    ) -> Written | None:
        """Write the record of a lease again, unless it has changed: then None."""
        value, condition = lease_value(found.ttl_ms, keys), Condition(version=found.version)
        wanted = Write(key_of(found.id), value, expires_at_ms=expires_at, condition=condition)
        return await self._write(found.id, wanted, deadline)

    async def _write(self, lease: int, wanted: Write, deadline: float) -> Written | None:
        """Write the record of a lease; None: the condition doesn't hold."""
        try:
            return await self._proposer.write(wanted, deadline)
        except ConditionFailedError:
            return None
        except LimeDBError as error:
            raise in_terms_of(error, key_of(lease), str(lease), "lease") from None

    async def _each(self, operations: Iterable[Operation], deadline: float) -> list[bool]:
        """Carry out operations, some at a time; return whether each has changed its key. LimeDBError."""
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(operation: Operation) -> bool:
            async with turns:
                return await self._settle(operation, deadline)

        return await asyncio.gather(*map(one, operations))

    async def _settle(self, operation: Operation, deadline: float) -> bool:
        """Carry out an operation; return whether it has changed its key. LimeDBError."""
        try:
            await self._proposer.carry_out(operation, deadline)
        except EndedError:
            return False
        return True

    async def _written(self, operation: AttachingWrite, deadline: float) -> Written:
        try:
            return await self._proposer.carry_out(operation, deadline)
        except EndedError as ended:
            if operation.is_late:
                raise LeaseNotFoundError(operation.lease) from None
            raise operation.refusal(ended.record, ended.now_ms) from None


def _contended(lease: int) -> LimeDBError:
    error = OutcomeUnknownError(key_of(lease), 1, 0, {"the lease": "others change it all the time"})
    return in_terms_of(error, key_of(lease), str(lease), "lease")
