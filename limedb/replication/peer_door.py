"""The own replica as peers reach it: it checks the bounds of their messages first.

It owns the refusals. It must never pass on a message that the node itself would not have sent. Requests of
the own coordinator don't come this way: they were checked when the client made them.
"""

from collections.abc import AsyncGenerator, Iterable, Sequence

from limedb.core.hlc import COUNTER_BITS, is_ballot
from limedb.core.idempotency import Proposal, State
from limedb.core.key_range import KeyRange
from limedb.core.layout import Span
from limedb.core.limits import (
    MAX_KEY_SIZE,
    MAX_PAGE,
    MAX_RECORDS,
    MAX_SPANS,
    SURE_KEY,
    SURE_VALUE,
    record_flaw,
)
from limedb.core.record import Record, RecordBatch, versions_of
from limedb.core.selection import WatchFilter
from limedb.core.topology import Fence
from limedb.encoding.sums import SUM_SIZE
from limedb.errors import ClockSkewError, InvalidRequestError, RecordDamagedError
from limedb.ports import Applied, ChangeBatch, Held, IndexEntry, KeyPromises, Promised, RangePage
from limedb.replication.clock_guard import ClockSkewGuard
from limedb.replication.replica import LocalReplica


class PeerDoor:
    """`ports.Replica` for peers, with the short ways of `LocalReplica`.

    Each refusal is an InvalidRequestError, except for a version too far ahead: ClockSkewError. That binds
    peers also where the node is alone in its cluster, and its own clock may have been set back.
    """

    def __init__(self, own: LocalReplica, skew: ClockSkewGuard) -> None:
        self._own, self._skew = own, skew

    async def read(
        self, keys: Sequence[str], fence: Fence, deadline: float, most: int | None = None
    ) -> list[Held]:
        """See ports.Replica."""
        _check_count("keys", len(keys), MAX_RECORDS)
        return await self._own.read(keys, fence, deadline, most)

    def read_stored(
        self, keys: Sequence[str], fence: Fence, most: int | None = None
    ) -> list[bytes | RecordDamagedError | None] | None:
        """See LocalReplica."""
        _check_count("keys", len(keys), MAX_RECORDS)
        return self._own.read_stored(keys, fence, most)

    def compare_stored(self, keys: Sequence[str], sums: bytes, fence: Fence) -> list[int] | None:
        """See LocalReplica."""
        _check_sums(keys, sums)
        return self._own.compare_stored(keys, sums, fence)

    async def compare(self, keys: Sequence[str], sums: bytes, fence: Fence, deadline: float) -> Sequence[int]:
        """See ports.Replica."""
        _check_sums(keys, sums)
        return await self._own.compare(keys, sums, fence, deadline)

    async def apply(
        self, records: Sequence[Record], fence: Fence, deadline: float, copied: bool = False
    ) -> Sequence[Applied]:
        """See ports.Replica. All or none: the refusal names the record that is wrong."""
        _check_count("records", len(records), MAX_RECORDS)
        if not isinstance(records, RecordBatch):  # such a record is shorter than the limits
            _check_records(records)
        if records:
            self._check_version("the version of a record", max(versions_of(records)))
        return await self._own.apply(records, fence, deadline, copied)

    async def scan(self, span: Span, limit: int, fence: Fence, deadline: float) -> list[Record]:
        """See ports.Replica."""
        return await self._own.scan(span, min(limit, MAX_PAGE), fence, deadline)

    async def scan_stored(self, span: Span, limit: int, fence: Fence) -> list[bytes] | None:
        """See LocalReplica."""
        return await self._own.scan_stored(span, min(limit, MAX_PAGE), fence)

    async def scan_range(
        self, keys: KeyRange, limit: int, fence: Fence, deadline: float, keys_only: bool = False
    ) -> RangePage:
        """See ports.Replica."""
        return await self._own.scan_range(keys, min(limit, MAX_PAGE), fence, deadline, keys_only)

    def watch(
        self, what: WatchFilter, since_ms: int | None, fence: Fence
    ) -> AsyncGenerator[ChangeBatch, None]:
        """See ports.Replica."""
        return self._own.watch(what, since_ms, fence)

    async def digests(
        self, spans: Sequence[Span], cutoff_ms: int, fence: Fence, deadline: float
    ) -> list[int]:
        """See ports.Replica."""
        _check_count("ranges", len(spans), MAX_SPANS)
        return await self._own.digests(spans, cutoff_ms, fence, deadline)

    async def entries(self, spans: Sequence[Span], fence: Fence, deadline: float) -> list[IndexEntry]:
        """See ports.Replica."""
        _check_count("ranges", len(spans), MAX_SPANS)
        return await self._own.entries(spans, fence, deadline)

    async def agree(self, proposals: Sequence[Proposal], fence: Fence, deadline: float) -> list[State | None]:
        """See ports.Replica."""
        _check_count("proposals", len(proposals), MAX_RECORDS)
        for _, _, value in proposals:
            if value is not None:
                self._check_version("the version of a proposal", value.version)
        return await self._own.agree(proposals, fence, deadline)

    async def promise(self, key: str, ballot: int, fence: Fence, deadline: float) -> Promised:
        """See ports.Replica."""
        _check_key(key)
        self._check_version("a ballot", ballot)
        if not is_ballot(ballot):
            raise InvalidRequestError(f"{ballot} is no ballot: no node would send it")
        return await self._own.promise(key, ballot, fence, deadline)

    async def release(self, key: str, ballot: int, fence: Fence, deadline: float) -> None:
        """See ports.Replica."""
        await self._own.release(key, ballot, fence, deadline)

    async def promises(self, spans: Sequence[Span], fence: Fence, deadline: float) -> list[KeyPromises]:
        """See ports.Replica."""
        _check_count("ranges", len(spans), MAX_SPANS)
        return await self._own.promises(spans, fence, deadline)

    def _check_version(self, what: str, version: int) -> None:
        now = self._skew.now_ms()
        if self._skew.is_ahead(version, now):
            raise ClockSkewError(what, (version >> COUNTER_BITS) - now, self._skew.limit_ms)


def _check_records(records: Iterable[Record]) -> None:
    for record in records:
        key, value = record[0], record[1]
        if value is not None and len(key) <= SURE_KEY and len(value) <= SURE_VALUE:
            continue  # most are fine, and this check is quick
        if wrong := record_flaw(record):
            raise InvalidRequestError(f"the records hold {wrong}: no node would send it")


def _check_key(key: str) -> None:
    if not key or (len(key) > SURE_KEY and len(key.encode()) > MAX_KEY_SIZE):
        raise InvalidRequestError(f"a key of {len(key)} characters: no node would send it")


def _check_sums(keys: Sequence[str], sums: bytes) -> None:
    _check_count("keys", len(keys), MAX_RECORDS)
    if len(sums) != SUM_SIZE * len(keys):
        raise InvalidRequestError(f"{len(sums)} bytes of sums for {len(keys)} keys: no node would send it")


def _check_count(what: str, count: int, most: int) -> None:
    if count > most:
        raise InvalidRequestError(f"{count} {what} in one message: {most} at most")
