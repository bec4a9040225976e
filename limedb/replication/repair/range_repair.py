"""One visit to a section of a node's records: compares it with every other owner, then purges its garbage.

It owns the rule under which a tombstone is purged. It must never purge one that an older value may outlive.

**The rule.** A tombstone (or an expired value, alike) is removed here when
(1) it was deleted or expired more than TOMBSTONE_GRACE ago;
(2) no change of the topology ran since (3) began;
(3) it has been in this store for SETTLE_SECONDS at least, seen by an earlier pass; and
(4) a pass that began afterwards compared its section with *every* other current owner, and had nothing to
bring to any of them, or from them, under its key.

Then a deleted key never reappears. Digests leave garbage out, but not the older value that it overrules. So
an owner that holds such a value has another digest: its leaf is listed whole, it gets the tombstone, and (4)
fails. So at (4) no owner holds an older value. Only messages that were on their way may still carry one:
writes, read repair, repair. All of these finish with their requests, within half of SETTLE_SECONDS; hints are
dropped at half the grace. Take the last owner to purge: an owner that received the tombstone less than
SETTLE_SECONDS before would still hold it, by (3). So every older value was overruled before that, and its
copies that were on their way have arrived at a node that still had the tombstone, or were found by (4). No
read asks former owners of the range; when they become owners again, `cleanup.py` drops what is stale.

Tested in tests/replication/repair/test_anti_entropy.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from limedb.core.layout import Layout, coalesce
from limedb.core.report import RepairStats
from limedb.core.topology import Phase
from limedb.errors import LimeDBError, ReplicaUnreachableError, StaleEpochError
from limedb.ports import Clock, IndexEntry, Placement, Replicas, Store
from limedb.replication.repair.range_sync import ReplicaCalls, Scope, SyncResult, sync_range
from limedb.replication.repair.ranges import Section
from limedb.replication.repair.tombstones import Garbage
from limedb.replication.stale_epoch import follow_topology

SETTLE_SECONDS = 60.0
"""Twice the longest time that a request may be on its way; the grace, where that is shorter."""
GARBAGE_LIMIT = 5000
"""Entries of garbage that are noted of one section at a time."""


@dataclass(slots=True)
class RangeRepairResult:
    """The outcome of one visit. is_stale: the topology has changed, so the ranges must be divided again.
    touched: keys that were brought here or elsewhere. missing: owners that could not be compared, and why.
    """

    is_stale: bool = False
    touched: set[str] = field(default_factory=set)
    missing: dict[str, str] = field(default_factory=dict)
    pulled: int = 0
    pushed: int = 0


class RangeRepairer:
    """Visits sections. grace: TOMBSTONE_GRACE in seconds. stats: kept up to date but for passes."""

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
        self._settle = min(SETTLE_SECONDS, grace)
        self._garbage = Garbage()
        self.stats = RepairStats()

    async def visit(self, section: Section, layout: Layout) -> RangeRepairResult:
        """Compare a section with each of its other owners, then handle its garbage.

        LimeDBError: the own store failed.
        """
        fence, visit = layout.topology.fence, RangeRepairResult()
        scope = Scope(fence, self._clock.wall_ms() - self._grace_ms)
        known = self._garbage.take(fence, section.leaves)
        digests: Sequence[int] = ()
        for url in section.urls:
            pulled = visit.pulled
            digests = digests or await self._store.digests(section.leaves, scope.cutoff_ms)
            await self._compare(url, section, digests, scope, visit)
            if visit.pulled > pulled:  # so that the next ones get it at once
                digests = ()
        if visit.missing or visit.is_stale or layout.topology.phase is not Phase.STEADY:
            self._garbage.see(fence, known)
        elif self._placement.layout is layout:
            await self._purge(known, visit.touched)
            await self._note(section, scope, dict(known))
        return visit

    async def _compare(
        self, url: str, section: Section, digests: Sequence[int], scope: Scope, visit: RangeRepairResult
    ) -> None:
        layout = self._placement.layout
        try:
            done = await self._mend(url, section, digests, scope)
            for key in sorted(set(done.pulled).intersection(done.pushed)):  # equal versions, unequal records
                self._store.damage.note_conflict(key, f"{self._own_url} and {url}")
            self._count(done, visit)
        except StaleEpochError as error:
            visit.is_stale = follow_topology(self._placement, error, layout) or visit.is_stale
            visit.missing[url] = str(error)
        except LimeDBError as error:
            visit.missing[url] = str(error)
            self.stats.skipped += 1

    async def _mend(self, url: str, section: Section, digests: Sequence[int], scope: Scope) -> SyncResult:
        if not self._replicas.is_reachable(url):
            raise ReplicaUnreachableError(url, "it is away")
        own, other = self._replicas.at(self._own_url), self._replicas.at(url)
        return await sync_range(own, other, section.leaves, digests, ReplicaCalls(scope, self._clock))

    def _count(self, done: SyncResult, visit: RangeRepairResult) -> None:
        visit.touched.update(done.pulled, done.pushed)
        for account in visit, self.stats:
            account.pulled += len(done.pulled)
            account.pushed += len(done.pushed)
        self.stats.compared += done.leaves
        self.stats.differing += done.differing

    async def _purge(self, known: Sequence[tuple[IndexEntry, float]], touched: set[str]) -> None:
        """Purge garbage that has been known for long enough, after a section was compared with all its
        owners.
        """
        latest = self._clock.monotonic() - self._settle
        ripe = [entry for entry, since in known if since <= latest and entry.key not in touched]
        self.stats.purged += await self._store.purge(ripe)

    async def _note(self, section: Section, scope: Scope, known: dict[IndexEntry, float]) -> None:
        """Keep the section's garbage in mind for the next visit."""
        now = self._clock.monotonic()
        left = GARBAGE_LIMIT
        for span in coalesce(section.leaves):
            found, _ = await self._store.garbage(span, scope.cutoff_ms, left)
            self._garbage.see(scope.fence, [(entry, known.get(entry, now)) for entry in found])
            left -= len(found)
            if left <= 0:
                return
