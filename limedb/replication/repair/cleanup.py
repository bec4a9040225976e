"""Drops records that a node holds but doesn't own.

It owns the leftovers of former ownership. It must never drop the possibly last copy of a valid write, nor
bring back to owners a value that they have deleted and purged.

The age of a version decides. Owners purge a tombstone only when it is older than TOMBSTONE_GRACE and
none of them holds anything older under its key. So a leftover younger than that may be brought to any owner
that lacks it: no tombstone that would overrule it was purged. An older leftover that no owner has was
overruled (a valid acknowledged write is on a majority of the owners) or never acknowledged, so it is dropped.
Values from before versions existed (version 0) never count as old in that sense, since no other node may have
them.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence

from limedb.core.digest import is_behind
from limedb.core.hlc import wall_ms_of
from limedb.core.layout import Layout, Span
from limedb.core.quorum import majority
from limedb.core.ring import TOKENS
from limedb.errors import LimeDBError, StaleEpochError, is_too_large
from limedb.ports import Clock, IndexEntry, Placement, Replicas, Store
from limedb.replication.repair.range_sync import LISTED_LEAVES, ReplicaCalls, Scope, smaller
from limedb.replication.repair.ranges import Section, foreign, gained
from limedb.replication.stale_epoch import follow_topology

log = logging.getLogger(__name__)

_Handle = Callable[[Sequence[Span], Sequence[str], ReplicaCalls], Awaitable[None]]


class Dropper:
    """Works under the newest topology; when that changes meanwhile it stops, and must be called again.

    grace: TOMBSTONE_GRACE in seconds. dropped: records that were removed. pushed: records that were
    brought to their owners before.
    """

    def __init__(
        self,
        own_url: str,
        store: Store,
        replicas: Replicas,
        placement: Placement,
        clock: Clock,
        grace: float,
    ) -> None:
        self._own_url, self._store, self._replicas = own_url, store, replicas
        self._placement, self._clock, self._grace_ms = placement, clock, int(grace * 1000)
        self.dropped = self.pushed = 0

    async def drop_foreign(self) -> bool:
        """Bring records that this node doesn't own to their owners, and drop them; return whether all are
        gone.

        Call it only in a steady topology, in which the node takes no writes for those ranges. It drops a
        record when it has seen that every owner has it, or that one owner has a newer one.
        """
        return await self._through(foreign, self._give_back)

    async def drop_stale(self) -> bool:
        """Drop stale records in ranges that this node is about to fetch: leftovers of an earlier ownership,
        of keys whose tombstones may have been purged since; return whether all were checked.

        Call it in a topology that streams, before anything is fetched.
        """
        return await self._through(gained, self._forget_stale)

    async def _through(self, divide: Callable[[Layout, str, float], list[Section]], handle: _Handle) -> bool:
        """Do the same with all records in some sections; return whether it was possible in each."""
        layout = self._placement.layout
        replica_calls = ReplicaCalls(Scope(layout.topology.fence, self._cutoff_ms()), self._clock)
        is_done = True
        for section in divide(layout, self._own_url, self._store.count() / TOKENS):
            try:
                await self._clear(section, layout, handle, replica_calls)
            except StaleEpochError as error:
                follow_topology(self._placement, error, layout)
                return False
            except LimeDBError as error:
                log.info("what isn't owned can't be dropped yet: %s", error)
                is_done = False
            if self._placement.layout is not layout:
                return False
        return is_done

    async def _clear(
        self, section: Section, layout: Layout, handle: _Handle, replica_calls: ReplicaCalls
    ) -> None:
        digests = await self._store.digests(section.leaves, 0)
        filled = [leaf for leaf, digest in zip(section.leaves, digests, strict=True) if digest]
        for start in range(0, len(filled), LISTED_LEAVES):
            if self._placement.layout is not layout:
                return
            await self._handle(handle, filled[start : start + LISTED_LEAVES], section.urls, replica_calls)

    async def _handle(
        self, handle: _Handle, spans: Sequence[Span], urls: Sequence[str], replica_calls: ReplicaCalls
    ) -> None:
        try:
            await handle(spans, urls, replica_calls)
        except LimeDBError as error:
            if not is_too_large(error) or spans[0].size == 1:
                raise
            for part in smaller(spans):
                await self._handle(handle, part, urls, replica_calls)

    async def _give_back(
        self, spans: Sequence[Span], urls: Sequence[str], replica_calls: ReplicaCalls
    ) -> None:
        own = await self._store.entries(spans)
        theirs = {url: await self._listed(url, spans, replica_calls) for url in urls}
        wanted = [entry for entry in own if self._is_wanted(entry, [*theirs.values()])]
        for url, listed in theirs.items():
            keys = [entry.key for entry in wanted if is_behind(listed.get(entry.key), entry)]
            await replica_calls.copy(self._replicas.at(self._own_url), self._replicas.at(url), keys)
            self.pushed += len(keys)
        self.dropped += await self._store.purge(own)

    def _is_wanted(self, entry: IndexEntry, theirs: Sequence[dict[str, IndexEntry]]) -> bool:
        """Whether to bring an entry to owners that are behind it."""
        known = [listed[entry.key] for listed in theirs if entry.key in listed]
        if any(other.version > entry.version for other in known):
            return False
        return bool(known) or not self._is_old(entry)

    async def _forget_stale(
        self, spans: Sequence[Span], urls: Sequence[str], replica_calls: ReplicaCalls
    ) -> None:
        old = [entry for entry in await self._store.entries(spans) if self._is_old(entry)]
        if not old:
            return
        theirs = await self._of_majority(spans, urls, replica_calls)
        stale = [
            e for e in old if not any(e.key in each and each[e.key].version <= e.version for each in theirs)
        ]
        self.dropped += await self._store.purge(stale)

    async def _of_majority(
        self, spans: Sequence[Span], urls: Sequence[str], replica_calls: ReplicaCalls
    ) -> list[dict[str, IndexEntry]]:
        """The records that a majority of the owners hold. LimeDBError: too few answer."""
        need = majority(self._placement.layout.of(spans[0].first).replicas)
        found: list[dict[str, IndexEntry]] = []
        for i, url in enumerate(urls):
            try:
                found.append(await self._listed(url, spans, replica_calls))
            except LimeDBError as error:
                is_hopeless = len(found) + len(urls) - i - 1 < need
                if is_hopeless or isinstance(error, StaleEpochError) or is_too_large(error):
                    raise
        return found

    async def _listed(
        self, url: str, spans: Sequence[Span], replica_calls: ReplicaCalls
    ) -> dict[str, IndexEntry]:
        return {entry.key: entry for entry in await replica_calls.entries(self._replicas.at(url), spans)}

    def _is_old(self, entry: IndexEntry) -> bool:
        return entry.version > 0 and wall_ms_of(entry.version) < self._cutoff_ms()

    def _cutoff_ms(self) -> int:
        return self._clock.wall_ms() - self._grace_ms
