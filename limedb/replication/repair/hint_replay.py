"""Brings replicas the writes that they missed, when they return.

It owns the replay. A replay must never count as an acknowledgement, nor write to a node a key that the node
doesn't own.
"""

import asyncio
import logging
from collections.abc import Sequence

from limedb.aio.tasks import Tasks
from limedb.core.hlc import wall_ms_of
from limedb.core.layout import Layout
from limedb.core.record import Record, value_size
from limedb.errors import LimeDBError, StaleEpochError
from limedb.ports import Clock, HintLog, Placement, Replicas
from limedb.replication.stale_epoch import follow_topology

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
PAGE_RECORDS = 1000
PAGE_BYTES = 2 << 20
SEND_SECONDS = 10.0
"""How long a node may take for a page."""
MAX_AGE = 3 * 3600.0
"""Seconds for which a hint is kept: repair, which compares everything, mends longer outages."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0


class HintReplayer:
    """Replays hints, to each node one page at a time: it sends the next page when the last one is on the
    node's disk.

    tombstone_grace: seconds after which tombstones may be purged. It drops a hint that is older than half of
    that: if it arrived after the purge, a deleted key would reappear. replayed: records that were brought.
    """

    def __init__(
        self, hints: HintLog, replicas: Replicas, placement: Placement, clock: Clock, tombstone_grace: float
    ) -> None:
        self._hints, self._replicas, self._placement, self._clock = hints, replicas, placement, clock
        self._max_age_ms = int(min(MAX_AGE, tombstone_grace / 2) * 1000)
        self._tasks = Tasks()
        self._busy: set[str] = set()
        self._pauses: dict[str, tuple[float, float]] = {}  # until when, and how long
        self.replayed = 0

    async def run(self) -> None:
        """Replay until it is cancelled."""
        try:
            while True:
                self._look()
                await asyncio.sleep(POLL_SECONDS)
        finally:
            await self._tasks.close(grace=0)

    def _look(self) -> None:
        for node_url in self._hints.waiting():
            if node_url not in self._busy and self._is_due(node_url):
                self._busy.add(node_url)
                self._tasks.start(self._serve(node_url))

    def _is_due(self, node_url: str) -> bool:
        topology = self._placement.layout.topology
        if topology.is_fresh or topology.at(node_url) is None:
            return not topology.is_fresh
        until, _ = self._pauses.get(node_url, (0.0, 0.0))
        return until <= self._clock.monotonic() and self._replicas.is_reachable(node_url)

    async def _serve(self, node_url: str) -> None:
        try:
            if self._placement.layout.topology.at(node_url) is None:
                log.info("node %s is no longer a member: its hints are dropped", node_url)
                await self._hints.forget(node_url)
            else:
                await self._replay(node_url)
        except LimeDBError as error:
            self._pause(node_url, error)
        else:
            self._pauses.pop(node_url, None)
        finally:
            self._busy.discard(node_url)

    async def _replay(self, node_url: str) -> None:
        before = self.replayed
        while page := await self._page(node_url):
            layout = self._placement.layout
            try:
                await self._send(node_url, page, layout)
            except StaleEpochError as error:
                if not follow_topology(self._placement, error, layout):
                    raise
            else:
                await self._hints.done(node_url, page)
        if self.replayed > before:
            log.info("node %s was brought %d writes that it missed", node_url, self.replayed - before)

    async def _page(self, node_url: str) -> list[Record]:
        oldest = self._clock.wall_ms() - self._max_age_ms
        return _first_bytes(await self._hints.oldest(node_url, PAGE_RECORDS, oldest))

    async def _send(self, node_url: str, page: list[Record], layout: Layout) -> None:
        """Send the records of a page that the node owns and that are young enough."""
        oldest = self._clock.wall_ms() - self._max_age_ms
        wanted = [
            record
            for record in page
            if wall_ms_of(record.version) >= oldest and node_url in layout.of_key(record.key).write_set
        ]
        if wanted:
            deadline = self._clock.monotonic() + SEND_SECONDS
            await self._replicas.at(node_url).apply(wanted, layout.topology.fence, deadline, copied=True)
            self.replayed += len(wanted)

    def _pause(self, node_url: str, error: LimeDBError) -> None:
        _, last = self._pauses.get(node_url, (0.0, 0.0))
        pause = min(LONGEST_PAUSE, 2 * last) if last else FIRST_PAUSE
        self._pauses[node_url] = (self._clock.monotonic() + pause, pause)
        log.info("hints for node %s wait for %.0f s: %s", node_url, pause, error)


def _first_bytes(records: Sequence[Record]) -> list[Record]:
    """As many records as fit a page, one at least."""
    size = 0
    for i, record in enumerate(records):
        size += value_size(record.key) + (0 if record.value is None else value_size(record.value))
        if size > PAGE_BYTES and i:
            return list(records[:i])
    return list(records)
