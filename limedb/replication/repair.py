"""Anti-entropy: compares what this node holds with the other replicas of it, all the time, and purges garbage.

It owns when what is compared, and the rule under which a tombstone goes. It must never write to a node what
it isn't read for, and never purge what an older value may outlive.

**The rule.** A tombstone (or an expired value, alike) is removed here when
(1) it ended more than TOMBSTONE_GRACE ago;
(2) no change of the topology ran since (3) began;
(3) it has been in this store for SETTLE_SECONDS at least, seen by an earlier pass; and
(4) a pass that began afterwards compared its section with *every* other current owner, and had nothing to
bring to any of them, or from them, under its key.

Then a deleted key never comes back. Digests leave garbage out, but not the older value that it overrules, so
an owner that holds one has another digest; its leaf is listed whole, the tombstone is brought to it, and (4)
fails. So at (4) no owner holds an older value. What may still carry one is what was on its way: writes, read
repair, messages of repair. All of these end with their requests, within half of SETTLE_SECONDS; hints are
dropped at half the grace. Take the last owner to purge: whoever received the tombstone later than
SETTLE_SECONDS before would still hold it, by (3); so every older value was overruled before that, and its
copies that were on their way have arrived, at somebody who kept a tombstone then, or were found by (4). Nodes
that own the range no more are read by nobody; when they come to own it again, `dropping.py` sees to it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from random import Random

from limedb.core.layout import Layout, Span
from limedb.core.ring import TOKENS
from limedb.core.topology import Phase
from limedb.errors import LimeDBError, StaleEpochError
from limedb.ports import Clock, Entry, Placement, Replicas, Store
from limedb.replication.comparing import Courier, Scope, mend
from limedb.replication.dropping import Dropper
from limedb.replication.garbage import Garbage
from limedb.replication.sections import Section, owned

log = logging.getLogger(__name__)

SETTLE_SECONDS = 60.0
"""Twice the longest time that a request may be on its way; the grace, where that is shorter."""
GARBAGE_LIMIT = 2000
"""Garbage that is noted in one section at a time."""
DROP_SECONDS = 1.0
"""How often a node looks whether there is something that it doesn't own."""
RETRY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class RepairProgress:
    """How far a repair on demand is. spans, spans_done: ranges; pulled, pushed: records that were brought
    here and to others. missing: nodes that could not be compared, and why.
    """

    spans: int = 0
    spans_done: int = 0
    pulled: int = 0
    pushed: int = 0
    missing: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class RepairStats:
    """What repair did since the start. passes: whole ones; compared, differing: leaves, of about a hundred
    keys; pulled, pushed, purged, dropped: records; skipped: comparisons with nodes that were away.
    """

    passes: int = 0
    compared: int = 0
    differing: int = 0
    pulled: int = 0
    pushed: int = 0
    purged: int = 0
    dropped: int = 0
    skipped: int = 0


@dataclass(slots=True)
class _Visit:
    """What became of one section. is_stale: the topology has changed, so that it is to be divided anew."""

    touched: set[str]
    missing: dict[str, str]
    is_stale: bool = False
    pulled: int = 0
    pushed: int = 0


class Repairer:
    """Compares each range once in `interval` seconds, purges garbage, drops what isn't owned.

    grace: TOMBSTONE_GRACE in seconds. cleaned_epoch: tells up to which epoch the node has dropped what it
    doesn't own; remember_cleaned keeps that.
    """

    def __init__(
        self,
        own_url: str,
        store: Store,
        replicas: Replicas,
        placement: Placement,
        clock: Clock,
        rng: Random,
        *,
        interval: float,
        grace: float,
        cleaned_epoch: Callable[[], int],
        remember_cleaned: Callable[[int], Awaitable[None]],
    ) -> None:
        self._own_url, self._store, self._replicas = own_url, store, replicas
        self._placement, self._clock, self._rng = placement, clock, rng
        self._interval, self._grace_ms = interval, int(grace * 1000)
        self._settle = min(SETTLE_SECONDS, grace)
        self._cleaned_epoch, self._remember_cleaned = cleaned_epoch, remember_cleaned
        self._garbage = Garbage()
        self._stats = RepairStats()
        self._dropper = Dropper(own_url, store, replicas, placement, clock, grace)

    def stats(self) -> RepairStats:
        """What was done since the start."""
        return replace(self._stats, dropped=self._dropper.dropped)

    async def run(self) -> None:
        """Repair until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._compare_for_ever())
            tasks.create_task(self._drop_for_ever())

    async def repair_all(self) -> AsyncIterator[RepairProgress]:
        """Compare everything now; tells how far it is after each section. A change of the topology on the way
        starts it over.
        """
        progress = RepairProgress()
        is_stale = True
        while is_stale:
            layout = self._placement.layout
            sections = self._sections(layout)
            progress = replace(progress, spans=sum(len(s.leaves) for s in sections), spans_done=0)
            is_stale = False
            for section in sections:
                visit = await self._visit(section, layout)
                if is_stale := visit.is_stale:
                    break
                progress = _advanced(progress, section, visit)
                yield progress

    async def drop_stale(self) -> bool:
        """As Dropper.drop_stale: to be called before the node fetches what it gains."""
        return await self._dropper.drop_stale()

    async def drop_foreign(self) -> bool:
        """Drop what the node doesn't own, unless it is done for this epoch or a change runs; whether nothing
        is left.
        """
        topology = self._placement.layout.topology
        if self._cleaned_epoch() >= topology.epoch:
            return True
        if topology.phase is not Phase.STEADY or topology.at(self._own_url) is None:
            return False
        is_done = await self._dropper.drop_foreign()
        if is_done and self._placement.layout.topology.epoch == topology.epoch:
            await self._remember_cleaned(topology.epoch)
        return is_done

    # --- in the background

    async def _drop_for_ever(self) -> None:
        while True:
            try:
                is_done = await self.drop_foreign()
            except LimeDBError as error:
                log.warning("what isn't owned can't be dropped: %s", error)
                is_done = False
            steady = self._placement.layout.topology.phase is Phase.STEADY
            await asyncio.sleep(DROP_SECONDS if is_done or not steady else RETRY_SECONDS)

    async def _compare_for_ever(self) -> None:
        await asyncio.sleep(self._interval * self._rng.random())  # nodes that start together take turns
        while True:
            layout = self._placement.layout
            sections = self._sections(layout)
            self._rng.shuffle(sections)
            if not sections:
                await asyncio.sleep(self._interval)
            elif await self._pass(sections, layout):
                self._stats.passes += 1

    async def _pass(self, sections: list[Section], layout: Layout) -> bool:
        """Compare all sections, spread over the interval; whether the topology stayed the same."""
        pause = self._interval / len(sections)
        for section in sections:
            begun = self._clock.monotonic()
            try:
                visit = await self._visit(section, layout)
            except LimeDBError as error:  # of the own store
                log.warning("repair can't go on: %s", error)
                visit = _Visit(set(), {})
            await asyncio.sleep(max(0.0, begun + pause - self._clock.monotonic()))
            if visit.is_stale or self._placement.layout is not layout:
                return False
        return True

    def _sections(self, layout: Layout) -> list[Section]:
        return [] if layout.topology.is_fresh else owned(layout, self._own_url, self._store.count())

    # --- one section

    async def _visit(self, section: Section, layout: Layout) -> _Visit:
        """Compare a section with each of its other owners, then see to its garbage. LimeDBError: the own store
        failed.
        """
        fence = layout.topology.fence
        scope = Scope(fence, self._clock.wall_ms() - self._grace_ms)
        known = self._garbage.take(fence, section.leaves)
        visit = _Visit(set(), {})
        digests = await self._store.digests(section.leaves, scope.cutoff_ms)
        for url in section.urls:
            await self._compare(url, section, digests, scope, visit)
            if visit.is_stale:
                return visit
        if visit.missing or layout.topology.phase is not Phase.STEADY:
            self._garbage.see(fence, known)
        else:
            await self._purge(known, visit.touched, layout)
            self._garbage.see(fence, await self._found(section, scope.cutoff_ms, dict(known)))
        return visit

    async def _compare(
        self, url: str, section: Section, digests: list[int], scope: Scope, visit: _Visit
    ) -> None:
        if not self._replicas.is_reachable(url):
            visit.missing[url] = "it is away"
            self._stats.skipped += 1
            return
        own, other = self._replicas.at(self._own_url), self._replicas.at(url)
        try:
            done = await mend(own, other, section.leaves, digests, Courier(scope, self._clock))
        except StaleEpochError as error:
            self._placement.adopt(error.topology)
            visit.is_stale = True
        except LimeDBError as error:
            visit.missing[url] = str(error)
            self._stats.skipped += 1
        else:
            visit.touched.update(done.pulled, done.pushed)
            visit.pulled += len(done.pulled)
            visit.pushed += len(done.pushed)
            self._stats.compared += done.leaves
            self._stats.differing += done.differing
            self._stats.pulled += len(done.pulled)
            self._stats.pushed += len(done.pushed)

    async def _purge(self, known: list[tuple[Entry, float]], touched: set[str], layout: Layout) -> None:
        """Purge what the rule allows, after a section was compared with all its owners."""
