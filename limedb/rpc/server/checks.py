"""The checks of a request's content.

It owns the limits of the contract and the texts of the refusals, which name fields as JSON does. It must
never let a request through to the store before it has passed. The limits apply to clients, never to the
messages between peers.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar, cast

from limedb.cluster.gossip.bounds import MAX_ENTRIES
from limedb.core.edits import Increment, number_in
from limedb.core.history import DAY_SECONDS, STEP_SECONDS
from limedb.core.key_range import KeyRange, key_range
from limedb.core.leases import LEAST_TTL_MS, MAX_ID, MOST_TTL_MS
from limedb.core.limits import (
    DEFAULT_HISTORY_SECONDS,
    DEFAULT_PAGE_SIZE,
    DEFAULT_SCAN_SIZE,
    DEFAULT_WATCH_MS,
    MAX_ATTEMPT,
    MAX_BATCH,
    MAX_GOSSIP_SIZE,
    MAX_IDEMPOTENCY_KEY,
    MAX_KEY_SIZE,
    MAX_PAGE_SIZE,
    MAX_TTL_MS,
    MAX_WATCH_MS,
    MIN_IDEMPOTENCY_KEY,
    MIN_WATCH_MS,
    MOST_POINTS,
    USUAL_POINTS,
)
from limedb.core.moment import EXPIRY_RANGE, can_expire
from limedb.core.node_urls import address_of
from limedb.core.quorum import Level
from limedb.core.record import value_size
from limedb.core.reserved import is_reserved
from limedb.core.selection import WatchFilter
from limedb.errors import InvalidKeyError, InvalidRequestError, ReservedKeyError, ValueTooLargeError
from limedb.replication.coordinator import Write
from limedb.replication.groups.transaction import Step, Transaction
from limedb.wire.levels import LEVELS
from limedbpb.v1 import gossip_pb2, kv_pb2, record_pb2

T = TypeVar("T")
ContentMessage = (
    kv_pb2.SetRequest
    | kv_pb2.SetDirectRequest
    | kv_pb2.BatchWrite
    | kv_pb2.AppendRequest
    | kv_pb2.GetAndSetRequest
)


@dataclass(frozen=True, slots=True)
class ListPage:
    """A requested page of keys."""

    number: int
    """From 1."""
    size: int
    after: str | None
    """The key before the page, or None to use the number."""


@dataclass(frozen=True, slots=True)
class ScanOrder:
    """A requested scan."""

    keys: KeyRange
    limit: int | None
    """Keys in all; None for the whole range."""
    page_size: int
    """Keys of a message."""
    keys_only: bool
    level: Level | None
    """None for the default."""
    is_local: bool
    """Whether to scan only the own store."""

    @property
    def first(self) -> int:
        """How many records it wants at first: one more than it returns, which shows whether there are
        more.
        """
        return 1 + (self.page_size if self.limit is None else min(self.limit, self.page_size))


class Checks:
    """Refuses requests over the limits with an InvalidRequestError. max_value_size: bytes."""

    def __init__(self, max_value_size: int) -> None:
        self.max_value_size = self._max_value_size = max_value_size

    def key(self, key: str) -> str:
        """Return a key if it has 1 to 4096 bytes of UTF-8, and isn't LimeDB's own."""
        if not key or (len(key) > MAX_KEY_SIZE // 4 and len(key.encode()) > MAX_KEY_SIZE):
            raise InvalidKeyError(len(key.encode()), MAX_KEY_SIZE)
        if key[0] == "\0" and is_reserved(key):
            raise ReservedKeyError
        return key

    def content(self, request: ContentMessage) -> str:
        """The kind of a write's content: value, blob or delete. Refuse a write that has neither a value nor a
        delete.
        """
        if request.value:  # the usual case, with a cheaper check
            return "value"
        kind: str | None = request.WhichOneof("content")
        if kind is None:
            raise InvalidRequestError(f"no content for key {request.key!r}: set value (text) or blob (bytes)")
        if kind == "delete" and not cast("kv_pb2.BatchWrite", request).delete:
            raise InvalidRequestError(
                f"delete is false for key {request.key!r}: set it to true, or set a value"
            )
        return kind

    def write(self, write: Write) -> Write:
        """Return a write if its key, value and time to live are within the limits."""
        key, value, ttl_ms, idempotency_key, attempt, expires_at_ms, condition, keep_ttl, edit, lease = write
        self.key(key)
        most = self._max_value_size
        if value is not None and len(value) > most // 4 and (size := value_size(value)) > most:
            raise ValueTooLargeError(key, size, most)
        if ttl_ms or expires_at_ms:
            _check_life(write)
        if isinstance(edit, Increment) and number_in(value) is None:
            raise InvalidRequestError(f"by={edit.by} and initial for key {key!r}: their sum must be an int64")
        if idempotency_key or attempt:
            _check_attempt(write)
        if keep_ttl:
            _check_kept_life(write)
        if lease:
            _check_attached(write)
        if condition is not None and not any(named is not None for named in condition):
            raise InvalidRequestError(
                f"condition for key {key!r} is empty: set version (0: no value), value, blob or exists,"
                " in REST also ifVersion, ifAbsent, ifValue, ifBlob or ifExists instead of it"
            )
        return write

    def lease(self, lease: int) -> int:
        """Return a number if it can be the id of a lease."""
        if not 1 <= lease <= MAX_ID:
            raise InvalidRequestError(f"id={lease}: must be the id of a lease, 1 to {MAX_ID}")
        return lease

    def lease_ttl(self, ttl_ms: int) -> int:
        """Return the time to live of a lease, in milliseconds, if it is within the limits."""
        if not LEAST_TTL_MS <= ttl_ms <= MOST_TTL_MS:
            raise InvalidRequestError(f"ttlMs={ttl_ms}: a lease lives for {LEAST_TTL_MS} to {MOST_TTL_MS} ms")
        return ttl_ms

    def transaction(self, wanted: Transaction) -> Transaction:
        """Return a transaction if its keys are of one group, and all its parts within the limits."""
        writes = [Write(one.key, None, condition=one.condition) for one in wanted.comparisons]
        for name, parts in ("compare", writes), ("success", wanted.success), ("failure", wanted.failure):
            with self.each(name, parts, self._step):
                for part in parts:
                    self._step(part)
        if wanted.idempotency_key or wanted.attempt:
            _check_attempt(wanted)
        wanted.tag()
        return wanted

    def _step(self, step: Step) -> None:
        self.write(step) if isinstance(step, Write) else self.key(step.key)

    def consistency(self, level: record_pb2.Consistency) -> Level | None:
        """The requested level; None: the node's default."""
        try:
            return LEVELS[level]
        except KeyError:
            raise InvalidRequestError(
                f"consistency={level}: must be one of {', '.join(record_pb2.Consistency.keys())}"
            ) from None

    def watch_interval(self, interval_ms: int) -> float:
        """The seconds between two messages of a stream; 1 by default."""
        if interval_ms and not MIN_WATCH_MS <= interval_ms <= MAX_WATCH_MS:
            raise InvalidRequestError(
                f"intervalMs={interval_ms}: must be {MIN_WATCH_MS} to {MAX_WATCH_MS}, or 0 for"
                f" {DEFAULT_WATCH_MS}"
            )
        return (interval_ms or DEFAULT_WATCH_MS) / 1000

    def history(self, range_seconds: int, step_seconds: int) -> tuple[int, int]:
        """How far back a report goes, and its step, in seconds."""
        span = range_seconds or DEFAULT_HISTORY_SECONDS
        if not STEP_SECONDS <= span <= DAY_SECONDS:
            raise InvalidRequestError(
                f"rangeSeconds={range_seconds}: must be {STEP_SECONDS} to {DAY_SECONDS}, or 0 for"
                f" {DEFAULT_HISTORY_SECONDS}"
            )
        step = step_seconds or -(-span // (USUAL_POINTS * STEP_SECONDS)) * STEP_SECONDS
        if step % STEP_SECONDS or span > step * MOST_POINTS:
            raise InvalidRequestError(
                f"stepSeconds={step_seconds}: must be a multiple of {STEP_SECONDS}, of which {span} seconds"
                f" have {MOST_POINTS} at most, or 0 for about {USUAL_POINTS} steps"
            )
        return span, step

    def node_url(self, url: str, field: str = "url") -> str:
        """Return a text if it can be a node's URL."""
        _check_url(field, url)
        return url

    def batch(self, what: str, size: int) -> None:
        """Refuse a batch of no items or too many."""
        if not 1 <= size <= MAX_BATCH:
            raise InvalidRequestError(f"{what} holds {size} items: must be 1 to {MAX_BATCH}")

    @contextmanager
    def each(self, name: str, items: Sequence[T], check: Callable[[T], object]) -> Iterator[None]:
        """Check the items of a field within the block: a refusal there that names no key gets the place of
        the first item that `check` refuses.
        """
        try:
            yield
        except InvalidRequestError as error:
            if not hasattr(error, "key"):
                place = next(place for place, item in enumerate(items) if _is_refused(check, item))
                error.args = (f"{name}[{place}]: {error}",)
            raise

    def page(self, request: kv_pb2.ListKeysRequest) -> ListPage:
        """The requested page, with the defaults filled in. A page that is too large is made smaller, as the
        Go LimeDB does: the answer says how large it is.
        """
        size = min(request.page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
        after = request.after if request.HasField("after") else None
        if after is not None and request.page > 1:
            raise InvalidRequestError(f"page={request.page} and after={after!r}: give one of them")
        return ListPage(request.page or 1, size, after)

    def scan(self, request: kv_pb2.ScanRequest) -> ScanOrder:
        """The requested scan, with the defaults filled in."""
        if request.page_size > MAX_PAGE_SIZE:
            raise InvalidRequestError(
                f"pageSize={request.page_size}: must be 1 to {MAX_PAGE_SIZE}, or 0 for {DEFAULT_SCAN_SIZE}"
            )
        after = request.after if request.HasField("after") else None
        for bound in (request.prefix, request.start, request.end, after or ""):
            if bound:
                self.key(bound)
        return ScanOrder(
            keys=key_range(request.prefix, request.start, request.end, after),
            limit=request.limit or None,
            page_size=request.page_size or DEFAULT_SCAN_SIZE,
            keys_only=request.keys_only,
            level=self.consistency(request.consistency),
            is_local=request.local,
        )

    def watch(self, request: kv_pb2.WatchRequest) -> WatchFilter:
        """The keys to watch."""
        if request.WhichOneof("what") == "key":
            return WatchFilter(key=self.key(request.key))
        return WatchFilter(prefix=self.key(request.prefix) if request.prefix else "")

    def gossip(self, payload: gossip_pb2.GossipPayload) -> None:
        """Refuse a message that is larger than any node's; bad entries are left out later (`hearsay.py`)."""
        entries, size = max(len(payload.digests), len(payload.digests_update)), payload.ByteSize()
        if entries > MAX_ENTRIES or size > MAX_GOSSIP_SIZE:
            raise InvalidRequestError(
                f"payload holds {entries} entries in {size} bytes: must be at most {MAX_ENTRIES} in"
                f" {MAX_GOSSIP_SIZE}"
            )


def _is_refused(check: Callable[[T], object], item: T) -> bool:
    try:
        check(item)
    except InvalidRequestError:
        return True
    return False


def _check_life(write: Write) -> None:
    key, ttl_ms, moment = write.key, write.ttl_ms, write.expires_at_ms
    if ttl_ms and moment:
        raise InvalidRequestError(
            f"ttlMs={ttl_ms} and expiresAtMs={moment} for key {key!r}: give one of them"
        )
    if write.value is None:
        given = f"ttlMs={ttl_ms}" if ttl_ms else f"expiresAtMs={moment}"
        raise InvalidRequestError(f"{given} for key {key!r}: a delete has none; leave it out")
    if ttl_ms > MAX_TTL_MS:
        raise InvalidRequestError(f"ttlMs={ttl_ms}: must be 0 to {MAX_TTL_MS} (100 years)")
    if moment and not can_expire(moment):
        raise InvalidRequestError(f"expiresAtMs={moment}: {EXPIRY_RANGE}, or 0 for never")


def _check_kept_life(write: Write) -> None:
    key, ttl_ms, moment = write.key, write.ttl_ms, write.expires_at_ms
    if ttl_ms or moment:
        given = f"ttlMs={ttl_ms}" if ttl_ms else f"expiresAtMs={moment}"
        raise InvalidRequestError(f"keepTtl and {given} for key {key!r}: give one of them")
    if write.value is None:
        raise InvalidRequestError(f"keepTtl for key {key!r}: a delete has none; leave it out")


def _check_attempt(write: Write | Transaction) -> None:
    size = len(write.idempotency_key)
    if not MIN_IDEMPOTENCY_KEY <= size <= MAX_IDEMPOTENCY_KEY:
        raise InvalidRequestError(
            f"idempotencyKey of {size} bytes: must be {MIN_IDEMPOTENCY_KEY} to {MAX_IDEMPOTENCY_KEY} bytes,"
            " such as a UUID version 7"
        )
    if write.attempt > MAX_ATTEMPT:
        raise InvalidRequestError(f"attempt={write.attempt}: must be 0 to {MAX_ATTEMPT}")


def _check_attached(write: Write) -> None:
    if write.ttl_ms or write.expires_at_ms or write.keep_ttl:
        raise InvalidRequestError(
            f"key {write.key!r} has a lease and ttlMs, expiresAtMs or keepTtl: it lives as long as the lease"
        )
    if write.lease > MAX_ID:
        raise InvalidRequestError(f"lease={write.lease}: no lease has a greater id than {MAX_ID}")
    if write.value is None or write.edit is not None:
        raise InvalidRequestError(f"key {write.key!r} has a lease: only a value that is set can have one")


def _check_url(field: str, url: str) -> None:
    try:
        address_of(url)
    except ValueError as allowed:
        raise InvalidRequestError(f"{field}={url!r}: must be {allowed}") from None
