"""Anti-entropy: compares this node's records with the other replicas, all the time.

It owns the moment at which each range is compared. It must never write to a node a key that the node doesn't
own, nor delay a request: sections are spread over the interval.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from random import Random

from limedb.core.layout import Layout
from limedb.core.report import RepairProgress, RepairStats
from limedb.core.ring import TOKENS
from limedb.core.topology import Phase
from limedb.errors import LimeDBError
from limedb.ports import Clock, Placement, Replicas, Store
from limedb.replication.repair.cleanup import Dropper
from limedb.replication.repair.foreign_repair import ForeignRepairer
from limedb.replication.repair.range_repair import RangeRepairer, RangeRepairResult
from limedb.replication.repair.ranges import Section, foreign, owned

log = logging.getLogger(__name__)

DROP_SECONDS = 1.0
"""Between two looks for records that the node doesn't own."""
RETRY_SECONDS = 5.0
"""How long to wait before trying again to drop the rest."""


class Repairer:
    """Compares each range once in `interval` seconds, purges garbage, drops records that the node doesn't
    own.

    grace: TOMBSTONE_GRACE in seconds. cleaned_epoch: the last epoch under which the node has dropped what it
    doesn't own; remember_cleaned keeps that. is_settled: whether no write made under an older epoch runs
    here, which could leave something behind the places already visited.
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
        is_settled: Callable[[], bool] = lambda: True,
    ) -> None:
        self._own_url, self._store = own_url, store
        self._placement, self._clock, self._rng, self._interval = placement, clock, rng, interval
        self._cleaned_epoch, self._remember_cleaned = cleaned_epoch, remember_cleaned
        self._is_settled = is_settled
        self._range_repairer = RangeRepairer(own_url, store, replicas, placement, clock, grace)
        self._foreign_repairer = ForeignRepairer(replicas, placement, clock, grace)
        self._dropper = Dropper(own_url, store, replicas, placement, clock, grace)

    def stats(self) -> RepairStats:
        """What was done since the start."""
        return replace(self._range_repairer.stats, dropped=self._dropper.dropped)

    async def run(self) -> None:
        """Repair until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._compare_for_ever())
            tasks.create_task(self._drop_for_ever())

    async def repair_all(self, everywhere: bool = False) -> AsyncGenerator[RepairProgress, None]:
        """Compare everything now, and yield the progress, the first time before anything is done. After a
        change of the topology it starts over. everywhere: also compare ranges that the node doesn't own,
        among their owners. LimeDBError: the own store failed.
        """
        progress = RepairProgress()
        is_stale = True
        while is_stale:
            layout = self._placement.layout
            visits = [(section, self._range_repairer.visit) for section in self._sections(layout)]
            if everywhere:
                visits += [(section, self._foreign_repairer.visit) for section in self._foreign(layout)]
            progress = replace(progress, spans=sum(len(s.leaves) for s, _ in visits), spans_done=0)
            yield progress
            is_stale = False
            for section, visiting in visits:
                visit = await visiting(section, layout)
                if is_stale := visit.is_stale:
                    break
                progress = _advanced(progress, section, visit)
                yield progress

    async def drop_stale(self) -> bool:
        """As Dropper.drop_stale: to be called before the node fetches what it gains."""
        return await self._dropper.drop_stale()

    async def drop_foreign(self) -> bool:
        """Drop records that the node doesn't own, unless that is done for this epoch or a change runs; return
        whether none is left.
        """
        topology = self._placement.layout.topology
        if self._cleaned_epoch() >= topology.epoch:
            return True
        is_owner = topology.phase is Phase.STEADY and topology.at(self._own_url) is not None
        if not (is_owner and self._is_settled()):
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
            try:
                self._range_repairer.stats.passes += await self._pass()
            except LimeDBError as error:  # of the own store
                log.warning("repair can't continue: %s", error)
                await asyncio.sleep(RETRY_SECONDS)

    async def _pass(self) -> bool:
        """Compare all sections, spread over the interval; return whether the topology stayed the same."""
        layout = self._placement.layout
        sections = self._sections(layout)
        self._rng.shuffle(sections)
        if not sections:
            await asyncio.sleep(min(self._interval, RETRY_SECONDS))
            return False
        for section in sections:
            begun = self._clock.monotonic()
            await self._range_repairer.visit(section, layout)
            pause = self._interval / len(sections)
            await asyncio.sleep(max(0.0, begun + pause - self._clock.monotonic()))
            if self._placement.layout is not layout:
                return False
        return True

    def _sections(self, layout: Layout) -> list[Section]:
        return [] if layout.topology.is_fresh else owned(layout, self._own_url, self._store.count())

    def _foreign(self, layout: Layout) -> list[Section]:
        share = layout.share(self._own_url)
        density = self._store.count() / (share * TOKENS) if share else 0.0
        return [section for section in foreign(layout, self._own_url, density) if len(section.urls) > 1]


def _advanced(progress: RepairProgress, section: Section, visit: RangeRepairResult) -> RepairProgress:
    return replace(
        progress,
        spans_done=progress.spans_done + len(section.leaves),
        pulled=progress.pulled + visit.pulled,
        pushed=progress.pushed + visit.pushed,
        missing={**progress.missing, **visit.missing},
    )
