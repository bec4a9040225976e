"""The replicas of peers, whose answers are checked before anybody counts them.

It owns the form of a valid answer: as many items as requested, of the requested keys and ranges, in their
order, without a version of an impossible time. Any other answer fails the replica (RemoteError; a write to it
is in doubt), never the request: other replicas have the answer too. It doesn't believe a peer that claims a
newer topology: it first follows the claim as far as it can be proven (`cluster/topology/verifier.py`); then
the caller hears of it and starts over. An unproven claim fails the replica.

It must never judge stored content: it can't detect a replica that forges a record of a key that it holds, or
its own acknowledgement.
"""

from bisect import bisect_right
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import TypeVar

from limedb.core.hlc import COUNTER_BITS
from limedb.core.idempotency import Proposal, State
from limedb.core.key_range import KeyRange
from limedb.core.layout import Span
from limedb.core.limits import ABSURD_AHEAD_MS, record_flaw
from limedb.core.promises import MAX_BALLOTS
from limedb.core.record import Record
from limedb.core.ring import token_of
from limedb.core.selection import WatchFilter
from limedb.core.topology import Fence, Topology
from limedb.errors import OutcomeUnknownError, RemoteError, StaleEpochError
from limedb.ports import (
    Applied,
    ChangeBatch,
    Held,
    IndexEntry,
    KeyPromises,
    Placement,
    Promised,
    RangePage,
    Replica,
    Replicas,
)
from limedb.ports.applied_columns import AppliedColumns, columns_of

T = TypeVar("T")

Follow = Callable[[Topology], Awaitable[None]]


class CheckedReplicas:
    """`ports.Replicas`; the own replica is passed on as it is. follow: proves claims of newer topologies.
    now_ms: the cluster's time, milliseconds since 1970.
    """

    def __init__(
        self,
        own_url: str,
        replicas: Replicas,
        placement: Placement,
        follow: Follow,
        now_ms: Callable[[], int],
    ) -> None:
        self._own_url, self._replicas, self._now_ms = own_url, replicas, now_ms
        self._placement, self._follow = placement, follow
        self._checked: dict[str, CheckedReplica] = {}

    def at(self, node_url: str) -> Replica:
        """See ports.Replicas."""
        peer = self._replicas.at(node_url)
        if node_url == self._own_url:
            return peer
        kept = self._checked.get(node_url)
        if kept is None or kept.peer is not peer:
            kept = CheckedReplica(node_url, peer, self._placement, self._follow, self._now_ms)
            self._checked[node_url] = kept
        return kept

    def is_reachable(self, node_url: str) -> bool:
        """See ports.Replicas."""
        return self._replicas.is_reachable(node_url)

    def absence(self, node_url: str) -> str:
        """See ports.Replicas."""
        return self._replicas.absence(node_url)


class CheckedReplica:
    """See ports.Replica. RemoteError also for an invalid answer of the peer."""

    def __init__(
        self, url: str, peer: Replica, placement: Placement, follow: Follow, now_ms: Callable[[], int]
    ) -> None:
        self.peer = peer
        self._url, self._placement, self._follow, self._now_ms = url, placement, follow, now_ms

    async def read(
        self, keys: Sequence[str], fence: Fence, deadline: float, most: int | None = None
    ) -> list[Held]:
        """See ports.Replica."""
        try:
            records = await self.peer.read(keys, fence, deadline, most)
        except StaleEpochError as stale:
            await self._heed(stale, fence)
            raise
        most = self._latest()
        if len(records) != len(keys) or any(
            isinstance(record, Record) and (record[0] != key or record[2] > most)
            for key, record in zip(keys, records, strict=True)
        ):
            self._check(False, "records of other keys than were asked for, or of a time that can't be")
        return records

    async def compare(self, keys: Sequence[str], sums: bytes, fence: Fence, deadline: float) -> Sequence[int]:
        """See ports.Replica."""
        places = await self._asked(self.peer.compare(keys, sums, fence, deadline), fence)
        if places:
            self._check(max(places) < len(keys), "places of keys that were not asked for")
        return places

    async def apply(
        self, records: Sequence[Record], fence: Fence, deadline: float, copied: bool = False
    ) -> Sequence[Applied]:
        """See ports.Replica."""
        try:
            applied = await self.peer.apply(records, fence, deadline, copied)
        except StaleEpochError as stale:
            await self._heed(stale, fence)
            raise
        columns = columns_of(applied)
        if len(columns) != len(records) or self._is_absurd(columns):
            wrong = f"{len(applied)} outcomes of {len(records)} records, or of a time that can't be"
            raise OutcomeUnknownError(records[0].key, 1, 0, {self._url: wrong})
        return columns

    def _is_absurd(self, columns: AppliedColumns) -> bool:
        """Whether a peer claims a stored record of an impossible time. A record that it refuses for such a
        one fails alone (`fanout.py`), and definitely: it must not leave others in doubt.
        """
        most = self._latest()
        if max(columns.previous, default=0) <= most:
            return False
        return any(
            previous > most and place not in columns.superseded
            for place, previous in enumerate(columns.previous)
        )

    async def scan(self, span: Span, limit: int, fence: Fence, deadline: float) -> list[Record]:
        """See ports.Replica."""
        records = await self._asked(self.peer.scan(span, limit, fence, deadline), fence)
        last = span.first
        for i, record in enumerate(records):
            token = token_of(record.key)
            self._check(last <= token <= span.last, "records out of the range or of their order")
            self._check(i < limit or token == last, f"more than the {limit} records asked for")
            self._check_record(record)
            last = token
        return records

    async def scan_range(
        self, keys: KeyRange, limit: int, fence: Fence, deadline: float, keys_only: bool = False
    ) -> RangePage:
        """See ports.Replica."""
        page = await self._asked(self.peer.scan_range(keys, limit, fence, deadline, keys_only), fence)
        names = [record.key for record in page.records]
        self._check(names == sorted(set(names)), "keys out of their order")
        self._check(len(names) <= limit, f"{len(names)} records instead of {limit}")
        self._check(bool(names) or page.is_end, "an empty page that is no end")
        if names:
            self._check(keys.holds(names[0]) and keys.holds(names[-1]), "keys out of the range")
        for record in page.records:
            self._check_version(record.version)
        return page

    async def watch(
        self, what: WatchFilter, since_ms: int | None, fence: Fence
    ) -> AsyncGenerator[ChangeBatch, None]:
        """See ports.Replica."""
        try:
            async with aclosing(self.peer.watch(what, since_ms, fence)) as batches:
                async for batch in batches:
                    self._check_batch(what, batch)
                    yield batch
        except StaleEpochError as stale:
            await self._heed(stale, fence)
            raise

    async def digests(
        self, spans: Sequence[Span], cutoff_ms: int, fence: Fence, deadline: float
    ) -> list[int]:
        """See ports.Replica."""
        digests = await self._asked(self.peer.digests(spans, cutoff_ms, fence, deadline), fence)
        self._check(len(digests) == len(spans), f"{len(digests)} digests of {len(spans)} ranges")
        return digests

    async def entries(self, spans: Sequence[Span], fence: Fence, deadline: float) -> list[IndexEntry]:
        """See ports.Replica."""
        entries = await self._asked(self.peer.entries(spans, fence, deadline), fence)
        ordered = sorted(spans)
        firsts, most = [span.first for span in ordered], self._latest()
        for entry in entries:
            token = token_of(entry.key)
            at = bisect_right(firsts, token) - 1
            if at < 0 or token > ordered[at].last or entry.version > most:
                self._check(False, "entries out of the ranges, or of a time that can't be")
        return entries

    async def agree(self, proposals: Sequence[Proposal], fence: Fence, deadline: float) -> list[State | None]:
        """See ports.Replica."""
        states = await self._asked(self.peer.agree(proposals, fence, deadline), fence)
        self._check(len(states) == len(proposals), f"{len(states)} answers to {len(proposals)} proposals")
        for state in states:
            if state is not None and state.value is not None:
                self._check_version(state.value.version)
        return states

    async def promise(self, key: str, ballot: int, fence: Fence, deadline: float) -> Promised:
        """See ports.Replica. The held record must be below the promised ballot."""
        promised = await self._asked(self.peer.promise(key, ballot, fence, deadline), fence)
        self._check_version(promised.highest)
        if (record := promised.record) is not None:
            self._check_record(record)
            self._check(record.key == key and record.version < ballot, "a record that it can't be below")
        self._check(promised.is_promised or promised.highest >= ballot, "a refusal without a reason")
        return promised

    async def release(self, key: str, ballot: int, fence: Fence, deadline: float) -> None:
        """See ports.Replica."""
        await self.peer.release(key, ballot, fence, deadline)

    async def promises(self, spans: Sequence[Span], fence: Fence, deadline: float) -> list[KeyPromises]:
        """See ports.Replica."""
        promises = await self._asked(self.peer.promises(spans, fence, deadline), fence)
        for key, ballots in promises:
            token = token_of(key)
            self._check(any(s.first <= token <= s.last for s in spans), "promises out of the ranges")
            self._check(len(ballots) <= MAX_BALLOTS and [*ballots] == sorted(ballots), "ballots out of order")
            self._check_version(ballots[-1] if ballots else 0)
        return promises

    # --- how

    async def _asked(self, answer: Awaitable[T], fence: Fence) -> T:
        try:
            return await answer
        except StaleEpochError as stale:
            await self._heed(stale, fence)
            raise

    async def _heed(self, stale: StaleEpochError, fence: Fence) -> None:
        """Follow a claim of a newer topology. RemoteError: it isn't proven, so that only this replica fails,
        and not the request.
        """
        await self._follow(stale.topology)
        known = self._placement.layout.topology.fence
        if known.cluster_id == fence.cluster_id and known.epoch <= fence.epoch:
            claim = f"it claims epoch {stale.topology.epoch}, which isn't proven to this node"
            raise RemoteError(self._url, "UNPROVEN_EPOCH", "UNAVAILABLE", claim)

    def _check_batch(self, what: WatchFilter, batch: ChangeBatch) -> None:
        most = self._now_ms() + ABSURD_AHEAD_MS
        self._check(batch.until_ms <= most and batch.complete_since_ms <= most, "a time that can't be")
        for record in batch.records:
            self._check(what.holds(record.key), "a change of another key")
            self._check_record(record)

    def _check_record(self, record: Record) -> None:
        wrong = record_flaw(record)
        self._check(not wrong, wrong)
        self._check_version(record.version)

    def _check_version(self, version: int) -> None:
        if version > self._latest():
            self._check(False, f"version {version}, of a time that can't be")

    def _latest(self) -> int:
        """The highest version that is a clock's."""
        return (self._now_ms() + ABSURD_AHEAD_MS) << COUNTER_BITS

    def _check(self, is_sound: bool, wrong: str) -> None:
        if not is_sound:
            raise RemoteError(
                self._url, "INVALID_ANSWER", "INTERNAL", f"its answer can't be: it holds {wrong}"
            )
