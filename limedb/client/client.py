"""The asynchronous client.

It owns the functions that callers see, and turns outcomes into results and errors. It must never know of
streams.
"""

from collections.abc import AsyncGenerator, Iterable, Mapping
from time import monotonic, time
from typing import TypeVar, cast, overload

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
from limedb.client.feeds import Feed, Watch, singly
from limedb.client.node_connection import NodeConnection
from limedb.client.opening import Openable
from limedb.client.outcomes import MISSING, Outcome, Receipt, Stored
from limedb.client.retrying_executor import PendingCall, RetryingExecutor, new_key
from limedb.client.routing import Follow, Routing, follow_of
from limedb.client.scans import Entry, KeySpan, scan_pages, scan_request
from limedb.client.watches import Change, watch_changes, watch_request
from limedb.core.limits import DEFAULT_SCAN_SIZE
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


class Client(Openable):
    """A cluster, from `connect`. It belongs to the event loop that entered it.

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
        self._level = level_of(consistency)
        self._follow: Follow = follow_of(follow_ring)
        self._idempotent, self._patient = flag("idempotent", idempotent), flag("patient", patient)
        super().__init__(self._make, seconds_of(timeout))

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

    async def set(
        self,
        key: str,
        value: Value,
        ttl: Duration | None = None,
        *,
        expires_at: Moment | None = None,
        consistency: Consistency = None,
        timeout: Duration | None = None,
    ) -> Receipt:
        """Store a value. ttl: how long it lives (seconds, or a timedelta); expires_at: instead of that, until
        when (seconds since 1970, or a datetime with a time zone), where a moment that has passed deletes the
        key; neither: forever.
        """
        moment = 0 if expires_at is None else moment_ms(expires_at)
        write = _storing(key, value, milliseconds(ttl), moment)
        return (await self._write(key, write, consistency, timeout)).receipt

    async def delete(
        self, key: str, *, consistency: Consistency = None, timeout: Duration | None = None
    ) -> bool:
        """Delete a key; return whether it had a value."""
        check_key(key)
        return (await self._write(key, deleting(key), consistency, timeout)).existed

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

    def scan(
        self,
        prefix: str = "",
        *,
        start: str = "",
        end: str = "",
        limit: int | None = None,
        keys_only: bool = False,
        consistency: Consistency = None,
        timeout: Duration | None = None,
    ) -> Feed[Entry]:
        """Iterate over the keys with a prefix, from start (included) to end (excluded), in the order of their
        UTF-8; `limit` at most. It continues at another node when one fails; timeout: of each page. It is not
        a snapshot: a key that is written meanwhile may appear as it was before or after, and every other key
        appears once. RangeUnreachableError: too few replicas are up.
        """
        span = KeySpan(prefix, start, end, limit, keys_only)
        return Feed(self._scan(span, DEFAULT_SCAN_SIZE, consistency, timeout), self._life, "the scan")

    def scan_pages(
        self,
        prefix: str = "",
        *,
        start: str = "",
        end: str = "",
        limit: int | None = None,
        keys_only: bool = False,
        page_size: int = DEFAULT_SCAN_SIZE,
        consistency: Consistency = None,
        timeout: Duration | None = None,
    ) -> Feed[list[Entry]]:
        """Scan by pages of 1 to 1000 keys; pages hold fewer where values are large."""
        span = KeySpan(prefix, start, end, limit, keys_only)
        return Feed(singly(self._scan(span, page_size, consistency, timeout)), self._life, "the scan")

    def watch(
        self,
        key: str | None = None,
        *,
        prefix: str = "",
        after_version: int | None = None,
        consistency: Consistency = None,
        timeout: Duration | None = None,
    ) -> Watch[Change]:
        """Iterate over the changes of a key, or of the keys with a prefix, as they happen: from now on, or
        from after a version: then also some from the seconds before it, which may have been reported already;
        compare the versions of a key. It continues at another node when one fails, and never finishes; an
        error ends it. timeout: how long it waits for a node that serves it. WatchGapError: the nodes no
        longer know some of the changes:
        watch from now on and, once that watch has begun, scan. RangeUnreachableError: too few replicas are
        up.
        """
        changes = self._watch(key, prefix, after_version, consistency, timeout)
        return Watch(changes, self._life, "the watch")

    def watch_pages(
        self,
        key: str | None = None,
        *,
        prefix: str = "",
        after_version: int | None = None,
        consistency: Consistency = None,
        timeout: Duration | None = None,
    ) -> Feed[list[Change]]:
        """Watch by groups of changes that arrive together. The first one is empty: from then on the watch
        misses no change.
        """
        changes = self._watch(key, prefix, after_version, consistency, timeout)
        return Feed(singly(changes), self._life, "the watch")

    def _scan(
        self, span: KeySpan, page_size: int, consistency: Consistency, timeout: Duration | None
    ) -> AsyncGenerator[list[Entry], None]:
        request = scan_request(span, page_size, self._scan_level(consistency))
        limit = self._timeout if timeout is None else seconds_of(timeout)
        return scan_pages(self._opened().routing, request, limit)

    def _watch(
        self,
        key: str | None,
        prefix: str,
        after_version: int | None,
        consistency: Consistency,
        timeout: Duration | None,
    ) -> AsyncGenerator[list[Change], None]:
        level = level_of(consistency)  # the client's default is for reads and writes, not for watches
        request = watch_request(key, prefix, after_version, level)
        limit = self._timeout if timeout is None else seconds_of(timeout)
        return watch_changes(self._opened().routing, request, limit)

    def _scan_level(self, consistency: Consistency) -> record_pb2.Consistency:
        """Return the level of a scan, which can't be LINEARIZABLE; where that is the default, QUORUM."""
        if consistency is None and self._level == record_pb2.CONSISTENCY_LINEARIZABLE:
            return record_pb2.CONSISTENCY_QUORUM
        return self._level if consistency is None else level_of(consistency)

    # --- writing

    async def _write(
        self, key: str, write: bytes, consistency: Consistency, timeout: Duration | None
    ) -> Stored:
        level = self._level if consistency is None else level_of(consistency)
        limit = self._timeout if timeout is None else seconds_of(timeout)
        executor = self._opened()
        began, now, once = monotonic(), executor.time(), self._once()
        node, outcome = executor.routing.pick(key), None
        if node is not None:
            item = marked(write, once, 0) if once else write
            outcome = await node.write(key, item, bool(once), level, limit)
            if isinstance(outcome, Stored):
                return outcome
        job = PendingCall(key, write, once, began)
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
) -> Outcome:
    """Return the outcome of a read whose first try, if there was a way, did not return text."""
    job = PendingCall(key)
    if outcome is not None:
        job.outcome = outcome
    if not isinstance(outcome, bytes):
        await executor.carry_on(job, node, level, deadline)
    if (error := job.error()) is not None:
        raise error
    return job.outcome
