"""The asynchronous client.

It owns the functions that callers see, and turns outcomes into results and errors. It must never know of
streams.
"""

from collections.abc import Iterable, Mapping
from time import monotonic, time
from typing import TypeVar, cast, overload

from limedb.aio.key_turns import KeyTurns
from limedb.client.arguments import (
    Consistency,
    Duration,
    Moment,
    Value,
    addresses_of,
    check_key,
    check_value,
    check_values,
    cluster_of,
    flag,
    keys_of,
    level_of,
    milliseconds,
    moment_ms,
    of_each,
    seconds_of,
    token_of,
)
from limedb.client.batch_bytes import deleting, marked, storing
from limedb.client.batches import EntryReads, Reads
from limedb.client.conditions import UNGIVEN, Ungiven, condition_of, depending
from limedb.client.counters import Counter
from limedb.client.lease_calls import LeaseCalls
from limedb.client.leases import Lease, check_lease
from limedb.client.lock_calls import LockCalls
from limedb.client.node_connection import NodeConnection
from limedb.client.outcomes import MISSING, Entry, Outcome, Stored
from limedb.client.retrying_executor import PendingCall, RetryingExecutor, new_key
from limedb.client.routing import Follow, Routing, follow_of
from limedb.client.swaps import Edit, Swap
from limedb.core.receipt import Receipt
from limedb.errors import (
    InvalidRequestError,
    LimeDBError,
    PartialFailureError,
    ValueTooLargeError,
    brief,
)
from limedb.tls.bearer import Token
from limedb.tls.target import ClientTls
from limedbpb.v1 import record_pb2

D = TypeVar("D")


class Client(LeaseCalls, LockCalls):
    """A cluster, from `connect`. It belongs to the event loop in which it was opened.

    Every function takes consistency ("one", "quorum", "all", "linearizable"; None: as in `connect`) and
    timeout (seconds, or a timedelta; retries included). Calls that begin in one turn of the event loop travel
    together.

    Errors, all under LimeDBError: InvalidRequestError (and its InvalidKeyError, ValueTooLargeError): the
    request makes no sense. UnauthenticatedError: the token isn't valid, or there is none;
    PermissionDeniedError: its holder may not do this. UnavailableError: nothing was done; its
    LevelUnreachableError: too few replicas are up; its OutcomeUnknownError: a write may take effect; its
    ClientStateError: the client isn't open here. RequestTimeoutError: time ran out, and nothing was
    written. StoreFullError: the node has no room. RemoteError: a node's own error, of a class that this
    version doesn't know.
    """

    def __init__(
        self,
        addresses: str,
        consistency: Consistency,
        timeout: Duration,
        follow_ring: Follow,
        idempotent: bool,
        patient: bool = False,
        cluster_id: str = "",
        tls: ClientTls | None = None,
        token: Token | None = None,
    ) -> None:
        self._addresses, self._cluster_id = addresses_of(addresses), cluster_of(cluster_id)
        self._tls, self._token = tls, token_of(token)
        self._follow: Follow = follow_of(follow_ring)
        self._idempotent, self._patient = flag("idempotent", idempotent), flag("patient", patient)
        self._turns = KeyTurns()
        super().__init__(self._make, seconds_of(timeout), level_of(consistency))

    def _make(self) -> RetryingExecutor:
        routing = Routing(
            self._addresses, self._follow, self._patient, self._cluster_id, self._tls, self._token
        )
        return RetryingExecutor(routing, self._patient)

    @overload
    async def get(
        self, key: str, *, consistency: Consistency = None, timeout: Duration | None = None
    ) -> Value | None: ...

    @overload
    async def get(
        self, key: str, default: D, *, consistency: Consistency = None, timeout: Duration | None = None
    ) -> Value | D: ...

    async def get(
        self,
        key: str,
        default: object = None,
        *,
        consistency: Consistency = None,
        timeout: Duration | None = None,
    ) -> object:
        """Return the value of a key, or the default where it has none."""
        check_key(key)
        level = self._level if consistency is None else level_of(consistency)
        limit = self._timeout if timeout is None else seconds_of(timeout)
        executor = self._opened()
        node, deadline = executor.routing.pick(key), executor.time() + limit
        outcome: Outcome | None = await node.read(key, level, limit) if node is not None else None
        if outcome.__class__ is not str and outcome is not MISSING:
            outcome = await _read_on(executor, key, node, outcome, level, deadline)
        return default if outcome is MISSING else outcome

    async def get_entry(
        self, key: str, *, consistency: Consistency = None, timeout: Duration | None = None
    ) -> Entry | None:
        """Return the value of a key with its version and expiry, or None where it has none."""
        check_key(key)
        level = self._level if consistency is None else level_of(consistency)
        limit = self._timeout if timeout is None else seconds_of(timeout)
        executor = self._opened()
        node, deadline = executor.routing.pick(key), executor.time() + limit
        outcome = await node.read(key, level, limit, EntryReads) if node is not None else None
        if not isinstance(outcome, Entry) and outcome is not MISSING:
            outcome = await _read_on(executor, key, node, outcome, level, deadline, EntryReads)
        return outcome if isinstance(outcome, Entry) else None

    async def set(
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
        lease: Lease | int | None = None,
        consistency: Consistency = None,
        timeout: Duration | None = None,
    ) -> Receipt:
        """Store a value. ttl: how long it lives (seconds, or a timedelta); expires_at: instead of that, until
        when (seconds since 1970, or a datetime with a time zone), where a moment that has passed deletes the
        key; keep_ttl: True: as long as the value before it would have; lease: as long as a lease, or its id;
        none of them: forever.

        if_version, if_absent, if_value, if_exists: a condition, at most one: the key must have this version
        (0: no value), no value, this value, any value. ConditionFailedError: it hasn't; nothing was written.
        """
        moment = 0 if expires_at is None else moment_ms(expires_at)
        write = _storing(key, value, milliseconds(ttl), moment)
        condition = condition_of(key, if_version, if_absent, if_value, if_exists)
        if condition is None and not keep_ttl and lease is None:
            return (await self._write(key, write, consistency, timeout)).receipt
        has_life = bool(milliseconds(ttl) or moment)
        held = 0 if lease is None else check_lease(key, lease)
        write = depending(key, write, condition, flag("keep_ttl", keep_ttl), has_life, held)
        version = condition.version or 0 if condition is not None else 0
        return (await self._write(key, write, consistency, timeout, version)).receipt

    async def delete(
        self,
        key: str,
        *,
        if_version: int | Ungiven = UNGIVEN,
        if_value: Value | Ungiven = UNGIVEN,
        if_exists: bool = False,
        consistency: Consistency = None,
        timeout: Duration | None = None,
    ) -> bool:
        """Delete a key; return whether it had a value. if_version, if_value, if_exists: as in `set`."""
        check_key(key)
        write, condition = deleting(key), condition_of(key, if_version, False, if_value, if_exists)
        if condition is None:
            return (await self._write(key, write, consistency, timeout)).existed
        write = depending(key, write, condition)
        return (await self._write(key, write, consistency, timeout, condition.version or 0)).existed

    async def cas(
        self,
        key: str,
        edit: Edit,
        *,
        ttl: Duration | None = None,
        keep_ttl: bool = False,
        consistency: Consistency = None,
        timeout: Duration | None = None,
    ) -> Value | None:
        """Replace the value of a key by the result of `edit` for it, and return that result. None stands for
        no value, as an argument and as a result. If somebody else writes the key meanwhile, `cas` starts over
        with the new value: it may call `edit` several times, so `edit` must have no side effects. An error in
        `edit` ends the call.

        ContendedError: others were faster until the timeout; nothing was written. OutcomeUnknownError:
        the last write may have taken effect; it is not repeated.
        """
        swap = self.swap(key, ttl, keep_ttl, consistency, timeout)
        await swap.begin()
        try:
            while True:
                new = edit(await swap.current())
                if await swap.write(new):
                    return new
        finally:
            await swap.end()

    def swap(
        self,
        key: str,
        ttl: Duration | None = None,
        keep_ttl: bool = False,
        consistency: Consistency = None,
        timeout: Duration | None = None,
    ) -> Swap:
        """Return the steps of a `cas`: for edits that wait for something, and for the synchronous client."""
        check_key(key)
        limit = self._timeout if timeout is None else seconds_of(timeout)
        return Swap(self, self._turns, key, ttl, keep_ttl, consistency, limit)

    def counter(self, key: str) -> Counter:
        """Return the counter that is stored under a key, as in `increment`."""
        check_key(key)
        return Counter(self, key)

    async def get_many(
        self, keys: Iterable[str], *, consistency: Consistency = None, timeout: Duration | None = None
    ) -> dict[str, Value]:
        """Return the values of the keys that have one. PartialFailureError: some could not be read."""
        jobs = {key: PendingCall(key) for key in keys_of(keys)}
        outcomes = await self._carry(jobs, consistency, timeout)
        return {key: found for key, found in outcomes.items() if isinstance(found, str | bytes)}

    async def set_many(
        self,
        values: Mapping[str, Value],
        ttl: Duration | Mapping[str, Duration] | None = None,
        *,
        expires_at: Moment | Mapping[str, Moment] | None = None,
        consistency: Consistency = None,
        timeout: Duration | None = None,
    ) -> dict[str, Receipt]:
        """Store many values, each as a write of its own. ttl, expires_at: as in `set`, for all of them, or by
        key for some. PartialFailureError: some failed; its `errors` say which, and whether they may have been
        written.
        """
        check_values(values)
        lives = of_each("ttl", ttl, values, milliseconds)
        ends = of_each("expires_at", expires_at, values, moment_ms)
        jobs: dict[str, PendingCall] = {}
        refused: dict[str, LimeDBError] = {}
        for key, value in values.items():
            try:
                write = _storing(key, value, lives.get(key, 0), ends.get(key, 0))
                jobs[key] = PendingCall(key, write, self._once())
            except ValueTooLargeError as error:
                refused[key] = error
        outcomes = await self._carry(jobs, consistency, timeout, refused)
        return {key: done.receipt for key, done in outcomes.items() if isinstance(done, Stored)}

    async def delete_many(
        self, keys: Iterable[str], *, consistency: Consistency = None, timeout: Duration | None = None
    ) -> int:
        """Delete many keys; return how many had a value. PartialFailureError: some failed; its `errors` say
        which, and whether they may have been deleted.
        """
        jobs = {key: PendingCall(key, deleting(key), self._once()) for key in keys_of(keys)}
        outcomes = await self._carry(jobs, consistency, timeout)
        return sum(done.existed for done in outcomes.values() if isinstance(done, Stored))

    # --- writing

    async def _write(
        self,
        key: str,
        write: bytes,
        consistency: Consistency,
        timeout: Duration | None,
        version: int | None = None,
    ) -> Stored:
        """Write one key. version: of a write that depends on the current value, the version that it requires
        (0: none). Such a write always gets an idempotency key, which costs it nothing, so that it may be sent
        again.
        """
        level = self._level if consistency is None else level_of(consistency)
        limit = self._timeout if timeout is None else seconds_of(timeout)
        executor = self._opened()
        began, now = monotonic(), executor.time()
        once = self._once() if version is None else new_key()
        node, outcome = executor.routing.pick(key), None
        if node is not None:
            item = marked(write, once, 0) if once else write
            if version is None:
                outcome = await node.write(key, item, bool(once), level, limit)
            else:
                outcome = await node.write_alone(key, item, level, limit)
            if isinstance(outcome, Stored):
                return outcome
        job = PendingCall(key, write, once, began, version=version)
        if outcome is not None:
            job.outcome = outcome
        await executor.carry_on(job, node, level, now + limit)
        if (error := job.error()) is not None:
            raise error
        return cast("Stored", job.outcome)

    def _once(self) -> bytes:
        """The idempotency key of a new write; empty: the client is not idempotent."""
        return new_key() if self._idempotent else b""

    # --- many

    async def _carry(
        self,
        jobs: Mapping[str, PendingCall],
        consistency: Consistency,
        timeout: Duration | None,
        refused: "Mapping[str, LimeDBError] | None" = None,
    ) -> dict[str, Outcome]:
        """Carry calls to their outcomes, by key. refused: errors of further keys, which are not sent."""
        level = self._level if consistency is None else level_of(consistency)
        limit = self._timeout if timeout is None else seconds_of(timeout)
        executor = self._opened()
        await executor.carry(jobs.values(), level, executor.time() + limit)
        errors = dict(refused or {})
        errors |= {key: error for key, job in jobs.items() if (error := job.error()) is not None}
        if errors:
            raise PartialFailureError(errors, len(jobs) + len(refused or {}))
        return {key: job.outcome for key, job in jobs.items()}


def _storing(key: str, value: Value, ttl_ms: int, moment: int) -> bytes:
    check_key(key)
    check_value(key, value)
    if ttl_ms and moment:
        raise InvalidRequestError(f"key {brief(key)} has a ttl and an expires_at: give one of them")
    return storing(key, value, ttl_ms, moment, int(1000 * time()) if moment else 0)


async def _read_on(
    executor: RetryingExecutor,
    key: str,
    node: NodeConnection | None,
    outcome: Outcome | None,
    level: record_pb2.Consistency,
    deadline: float,
    kind: type[Reads] = Reads,
) -> Outcome:
    """Return the outcome of a read whose first try, if there was a way, did not return text. kind: of the
    batch in which it travels.
    """
    job = PendingCall(key, reads=kind)
    if outcome is not None:
        job.outcome = outcome
    if not isinstance(outcome, bytes):
        await executor.carry_on(job, node, level, deadline)
    if (error := job.error()) is not None:
        raise error
    return job.outcome
