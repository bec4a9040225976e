"""This node's own replica: the one write door.

It owns the way to the store: client writes, hints, repair and handoff reach it only through
`LocalReplica.apply`. It must never route. It refuses messages made under an older topology, or for another
cluster, and records that would win over years of later writes.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from functools import partial
from itertools import compress

from limedb.aio.tasks import Tasks
from limedb.core.idempotency import Proposal, State
from limedb.core.key_range import KeyRange
from limedb.core.layout import Span
from limedb.core.limits import ENTRY_BYTES, MAX_ANSWER_BYTES
from limedb.core.record import Record, value_size, versions_of
from limedb.core.selection import WatchFilter
from limedb.core.topology import Fence, Topology
from limedb.encoding.sums import SUM_SIZE, differing
from limedb.errors import (
    ClockSkewError,
    LimeDBError,
    NotMemberError,
    RecordDamagedError,
    ResponseTooLargeError,
    StoreFullError,
)
from limedb.ports import (
    Applied,
    ChangeBatch,
    Clock,
    Held,
    IndexEntry,
    KeyPromises,
    OperationLog,
    Placement,
    Promised,
    RangePage,
    Store,
    StoredBytes,
)
from limedb.replication.change_log import ChangeLog
from limedb.replication.clock_guard import ClockSkewGuard
from limedb.replication.conditional.guard import Passing, PromiseGuard
from limedb.replication.idempotency.ownership_history import OwnershipHistory
from limedb.replication.in_flight import InFlight
from limedb.replication.own_keys import own_page
from limedb.replication.page import KeyPage, TokenPage
from limedb.replication.repair.heal_and_retry import HealAndRetry
from limedb.replication.stale_epoch import misfit

log = logging.getLogger(__name__)

READ_CHUNK = 64
"""Keys that are read at once, so that a batch of large values is refused before it fills the memory."""
RANGE_BYTES = 1 << 20
"""Bytes of records after which a page of a range is complete."""
LOG_SECONDS = 10.0
"""The log names refused versions at most this often."""


class LocalReplica:
    """A node's replica on its own store (`ports.Replica`).

    max_read_size: the most bytes of values that one read returns; it limits clients, never a scan.
    operations: its memory of agreements. changes: the records applied lately, for watches. skewed: how many
    batches were refused for a version too far in the future. healing: lets damaged records be mended first.
    on_refused: called when the store has no room for a batch.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        placement: Placement,
        in_flight: InFlight,
        max_read_size: int,
        skew: ClockSkewGuard,
        operations: OperationLog,
    ) -> None:
        self._store, self._clock, self._placement = store, clock, placement
        self._in_flight, self._max_read_size, self._skew = in_flight, max_read_size, skew
        self._bytes = store if isinstance(store, StoredBytes) else None
        self._operations = operations
        self.guard = PromiseGuard(store, operations, skew.now_ms())
        self._ownership = OwnershipHistory(placement, self._operations, skew.clients_ms)
        self.changes = ChangeLog(skew.now_ms, skew.now_ms(), is_fresh=store.high_water() == 0)
        self._tasks = Tasks()
        self._logged_at = float("-inf")
        self.healing = HealAndRetry(clock)
        self.on_refused: Callable[[], None] = lambda: None
        self.skewed = 0

    async def read(
        self, keys: Sequence[str], fence: Fence, deadline: float, most: int | None = None
    ) -> list[Held]:
        """See ports.Replica."""
        self._check(fence)
        if most is not None:
            self.check_size(keys, most)
        elif len(keys) == 1:
            return await self._store.get_many(keys)
        records: list[Held] = []
        size = 0
        for start in range(0, len(keys), READ_CHUNK):
            chunk = await self._store.get_many(keys[start : start + READ_CHUNK])
            size = self._checked_size(size, chunk, most)
            records += chunk
        return records

    def read_stored(
        self, keys: Sequence[str], fence: Fence, most: int | None = None
    ) -> list[bytes | RecordDamagedError | None] | None:
        """As `read`, at once and in stored form (see StoredBytes); None: the store can't, or they may be too
        large together.
        """
        self._check(fence)
        if self._bytes is None:
            return None
        if most is not None:
            self.check_size(keys, most)
        if len(keys) == 1:
            return self._bytes.stored(keys)
        found: list[bytes | RecordDamagedError | None] = []
        size = 0
        for start in range(0, len(keys), READ_CHUNK):
            chunk = self._bytes.stored(keys[start : start + READ_CHUNK])
            size += sum([len(data) for data in chunk if data.__class__ is bytes])
            if size > self._max_read_size:
                return None  # by their records; `read` counts only values, and refuses
            found += chunk
        return found

    def compare_stored(self, keys: Sequence[str], sums: bytes, fence: Fence) -> list[int] | None:
        """As `compare`, at once; None: the store can't. It reads the records again, and verifies them."""
        self._check(fence)
        if self._bytes is None:
            return None
        found: list[int] = []
        for start in range(0, len(keys), READ_CHUNK):
            chunk = self._bytes.stored(keys[start : start + READ_CHUNK])
            wanted = sums[SUM_SIZE * start : SUM_SIZE * (start + READ_CHUNK)]
            found += [start + place for place in differing(chunk, wanted)]
        return found

    async def compare(self, keys: Sequence[str], sums: bytes, fence: Fence, deadline: float) -> Sequence[int]:
        """See ports.Replica. All differ if the store hasn't its records at hand."""
        found = self.compare_stored(keys, sums, fence)
        return range(len(keys)) if found is None else found

    def read_small(
        self, keys: Sequence[str], fence: Fence, most: int
    ) -> tuple[list[bytes | RecordDamagedError | None], list[int]] | None:
        """As `read_stored`, one key after the other; and the places of records of more than `most` bytes, of
        which nothing is kept.
        """
        self._check(fence)
        if self._bytes is None:
            return None
        found, large = list[bytes | RecordDamagedError | None](), list[int]()
        for place, key in enumerate(keys):
            (data,) = self._bytes.stored((key,))
            if isinstance(data, bytes) and len(data) > most:
                large.append(place)
                data = None
            found.append(data)
        return found, large

    def check_size(self, keys: Sequence[str], most: int) -> None:
        """ResponseTooLargeError: the stored records of keys have more bytes than that, if the store has them
        at hand. It keeps nothing of them, and reads no more than necessary to know.
        """
        size = 0
        if self._bytes is None:
            return
        for key in keys:
            with suppress(RecordDamagedError):  # a read of it reports the damage
                size += len(self._bytes.stored_at(key) or b"")
            if size > most:
                raise ResponseTooLargeError(size, most, "ask for fewer keys at once")

    async def apply(
        self, records: Sequence[Record], fence: Fence, deadline: float, copied: bool = False
    ) -> Sequence[Applied]:
        """See ports.Replica. At the deadline gRPC aborts the call; the write continues all the same."""
        if self._check(fence).writes_suspended:
            raise NotMemberError("the cluster is about to join another; try again", fence.cluster_id)
        now = self._skew.now_ms()
        if records and self._skew.is_ahead(newest := max(versions_of(records)), now):
            self._refuse_skewed(newest)
        self._in_flight.enter(fence.epoch)
        passing = self.guard.enter(records)
        try:
            applied = await self.healing.run(
                lambda: self.guard.apply(passing, now, copied=copied), deadline, records
            )
        except asyncio.CancelledError:
            self._tasks.start(self._outlast(passing, now, fence.epoch, copied))
            raise
        except BaseException as error:
            if isinstance(error, StoreFullError):
                self.on_refused()
            else:
                self.changes.is_complete = False
            self._leave(passing, fence.epoch)
            raise
        self._leave(passing, fence.epoch)
        self.changes.add(records, applied, now, copied=copied)
        return applied

    async def scan(self, span: Span, limit: int, fence: Fence, deadline: float) -> list[Record]:
        """See ports.Replica. A page ends behind page.BYTES of values, and never between keys of one token."""
        self._check(fence)
        page = TokenPage[Record](span, limit, lambda r: 0 if r.value is None else value_size(r.value))
        while wanted := page.wanted:
            read = partial(self._store.scan_tokens, page.first, span.last, wanted)
            page.add(await self.healing.run(read, deadline), wanted)
        return page.items

    async def scan_stored(self, span: Span, limit: int, fence: Fence) -> list[bytes] | None:
        """As `scan`, in stored form; None: the store can't. The bytes of a page count whole records. It
        yields to the event loop.
        """
        self._check(fence)
        if self._bytes is None:
            return None
        page = TokenPage[bytes](span, limit, len)
        while wanted := page.wanted:
            read = partial(self._bytes.stored_tokens, page.first, span.last, wanted)
            page.add(await self.healing.run(read), wanted)
            await asyncio.sleep(0)
        return page.items

    async def scan_range(
        self, keys: KeyRange, limit: int, fence: Fence, deadline: float, keys_only: bool = False
    ) -> RangePage:
        """See ports.Replica."""
        self._check(fence)
        return await self.healing.run(partial(self._store.scan_range, keys, limit, RANGE_BYTES), deadline)

    async def own_range(self, keys: KeyRange, limit: int) -> RangePage:
        """As `scan_range`, whichever node owns what."""
        read = partial(self._store.scan_range, keys, limit, RANGE_BYTES)
        return await self.healing.run(read)

    async def watch(
        self, what: WatchFilter, since_ms: int | None, fence: Fence
    ) -> AsyncGenerator[ChangeBatch, None]:
        """See ports.Replica."""
        self._check(fence)
        async with aclosing(self.changes.follow(what, since_ms)) as batches:
            async for batch in batches:
                yield batch

    async def digests(
        self, spans: Sequence[Span], cutoff_ms: int, fence: Fence, deadline: float
    ) -> list[int]:
        """See ports.Replica."""
        self._check(fence)
        return await self._store.digests(spans, cutoff_ms)

    async def entries(self, spans: Sequence[Span], fence: Fence, deadline: float) -> list[IndexEntry]:
        """See ports.Replica."""
        self._check(fence)
        return await self.healing.run(partial(self._store.entries, spans), deadline)

    async def agree(self, proposals: Sequence[Proposal], fence: Fence, deadline: float) -> list[State | None]:
        """See ports.Replica."""
        if self._check(fence).writes_suspended:
            raise NotMemberError("the cluster is about to join another; try again", fence.cluster_id)
        can_tell = [self._ownership.can_tell(proposal.operation, fence.epoch) for proposal in proposals]
        known = [*compress(proposals, can_tell)]
        self._in_flight.enter(fence.epoch)
        try:
            states = iter(await self._operations.move(known, self._skew.clients_ms()))
        finally:
            self._in_flight.leave(fence.epoch)
        return [next(states) if can else None for can in can_tell]

    async def promise(self, key: str, ballot: int, fence: Fence, deadline: float) -> Promised:
        """See ports.Replica."""
        if self._check(fence).writes_suspended:
            raise NotMemberError("the cluster is about to join another; try again", fence.cluster_id)
        now = self._skew.now_ms()
        if self._skew.is_ahead(ballot, now):
            self._refuse_skewed(ballot)
        self._in_flight.enter(fence.epoch)
        try:
            return await self.healing.run(lambda: self.guard.promise(key, ballot, now), deadline)
        finally:
            self._in_flight.leave(fence.epoch)

    async def release(self, key: str, ballot: int, fence: Fence, deadline: float) -> None:
        """See ports.Replica."""
        if fence.cluster_id == self._placement.layout.topology.cluster_id:
            self.guard.release(key, ballot)

    async def promises(self, spans: Sequence[Span], fence: Fence, deadline: float) -> list[KeyPromises]:
        """See ports.Replica."""
        self._check(fence)
        return self.guard.listed(spans)

    def follow(self, before: Topology, after: Topology) -> None:
        """Note that the topology has changed; call it whenever it has."""
        self._ownership.follow(before, after)

    async def list_keys(self, page: int, page_size: int, after: str | None) -> KeyPage:
        """A page of live keys in the order of their UTF-8; `after` a key, or by its number from 1."""
        records, total = await own_page(self._store, page, page_size, after, self._skew.now_ms())
        _check_page(records, min(self._max_read_size, MAX_ANSWER_BYTES))
        return KeyPage(records, total, page, page_size)

    async def close(self) -> None:
        """Wait for writes whose callers are gone. The store stays open until then."""
        await self._tasks.close(grace=5.0)

    def _check(self, fence: Fence) -> Topology:
        """The own topology, if a message made under that fence may be served."""
        own = self._placement.layout.topology
        if fence[0] != own.cluster_id or not fence[1] >= own.epoch > 0:
            raise misfit(fence, own)
        return own

    def _leave(self, passing: Passing, epoch: int) -> None:
        self.guard.leave(passing)
        self._in_flight.leave(epoch)

    async def _outlast(self, passing: Passing, now_ms: int, epoch: int, copied: bool) -> None:
        """Stay in flight until a write whose caller was cancelled is done.

        A store doesn't take such a batch back. The same batch once more changes nothing, and since stores
        take batches in their order, the first is done when the second is.
        """
        is_known = False
        try:
            applied = await self._store.apply(passing.sent, now_ms)
            self.changes.add(passing.sent, applied, now_ms, again=True, copied=copied)
            is_known = True
        except LimeDBError as error:
            log.info("a write whose caller was gone failed: %s", error)
        finally:
            self.changes.is_complete &= is_known
            self._leave(passing, epoch)

    def _refuse_skewed(self, version: int) -> None:
        self.skewed += 1
        try:
            self._skew.check_version(version)
        except ClockSkewError as error:
            now = self._clock.monotonic()
            if now - self._logged_at >= LOG_SECONDS:
                self._logged_at = now
                log.warning("refused a write (%d so far): %s", self.skewed, error)
            raise

    def _checked_size(self, size: int, records: Sequence[Held], most: int | None = None) -> int:
        most = self._max_read_size if most is None else most
        size += sum(value_size(r.value) for r in records if isinstance(r, Record) and r.value is not None)
        if size > most:
            raise ResponseTooLargeError(size, most, "ask for fewer keys at once")
        return size


def _check_page(records: Sequence[Record], most: int) -> None:
    """Refuse a page that is too large, unless it has only one key: nobody could ask for a smaller one."""
    size = sum(ENTRY_BYTES + value_size(r.key) + value_size(r.value or "") for r in records)
    if len(records) > 1 and size > most:
        raise ResponseTooLargeError(size, most, "ask for fewer keys at once")
