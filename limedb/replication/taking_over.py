"""Brings the keys of a file of another program to their owners, whichever nodes these are.

It owns the order and the repetition. It must never count a key as done that an owner lacks, and never
overrule a later write: each record has the version of the time when it was written, and replicas merge it.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence

from limedb.core.problems import Problem
from limedb.core.record import Record, value_size
from limedb.errors import LimeDBError, StaleEpochError
from limedb.ports import Clock, Inheritance, Placement, Replicas
from limedb.replication.stale_epoch import follow_topology

log = logging.getLogger(__name__)

PAGE_RECORDS = 1000
PAGE_BYTES = 2 << 20
SEND_SECONDS = 10.0
"""How long an owner may take for a page."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.25, 5.0


class TakeOver:
    """Stores the inherited keys, once. found: None: there are none."""

    def __init__(
        self, found: Inheritance | None, replicas: Replicas, placement: Placement, clock: Clock
    ) -> None:
        self._found, self._replicas, self._placement, self._clock = found, replicas, placement, clock
        self._stored, self._trouble = 0, ""

    async def run(self) -> None:
        """Bring every record to all its owners; then wait until cancelled."""
        if (found := self._found) is not None:
            count, self._stored = len(found.records), 0
            for page in _pages(found.records):
                await self._bring(page)
                self._stored += len(page)
            await found.done()
            self._found = None
            log.info("took over %d keys of %s, which stays as it is", count, found.name)
        await asyncio.Event().wait()

    def problems(self) -> Iterator[Problem]:
        """The warning that reads may miss keys, while some are not at their owners."""
        if self._found is not None:
            left, why = len(self._found.records) - self._stored, f": {self._trouble}" if self._trouble else ""
            yield Problem(
                f"{left} keys of {self._found.name} are not at their owners yet, so reads may miss them{why}",
                is_private=True,
            )

    async def _bring(self, page: Sequence[Record]) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            layout = self._placement.layout
            try:
                if not layout.topology.is_fresh:
                    await self._send(page)
                    self._trouble = ""
                    return
            except StaleEpochError as error:
                follow_topology(self._placement, error, layout)
            except LimeDBError as error:
                if not self._trouble:
                    log.info("%s waits: %s", self._found.name if self._found else "", error)
                self._trouble = str(error)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            await asyncio.sleep(pause)

    async def _send(self, page: Sequence[Record]) -> None:
        layout = self._placement.layout
        by_owner = defaultdict[str, list[Record]](list)
        for record in page:
            for url in layout.of_key(record.key).write_set:
                by_owner[url].append(record)
        for url, records in by_owner.items():
            deadline = self._clock.monotonic() + SEND_SECONDS
            await self._replicas.at(url).apply(records, layout.topology.fence, deadline, copied=True)


def _pages(records: Sequence[Record]) -> Iterator[list[Record]]:
    page, size = list[Record](), 0
    for record in records:
        page.append(record)
        size += value_size(record.key) + (0 if record.value is None else value_size(record.value))
        if len(page) == PAGE_RECORDS or size >= PAGE_BYTES:
            yield page
            page, size = [], 0
    if page:
        yield page
