"""A repair that a node owes, since writes are missing: it comes soon, not at the end of REPAIR_INTERVAL.

It owns the moment of that repair, and the account of it in status. It must never know why writes are missing:
its subclasses do (`refused.py`, `lost_hints.py`).

The node compares all ranges at once. It takes the writes for complete only when it has asked each of the
owners, and nothing more was noted meanwhile.

Tested in tests/replication/repair/test_refused.py and tests/replication/repair/test_lost_hints.py.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Protocol

from limedb.core.problems import Problem
from limedb.core.report import RepairProgress
from limedb.errors import LimeDBError

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""The time between two checks whether the repair may begin."""
LONGEST_PAUSE_SECONDS = 30.0
"""The time between two repairs, while an owner is away or the room isn't enough."""

Repair = Callable[[], AsyncGenerator[RepairProgress, None]]
"""Compares all ranges of the node, or of all nodes (`Repairer.repair_all`)."""


class OwedMark(Protocol):
    """Where a node keeps, across restarts, the fact that it owes a repair."""

    def is_set(self) -> bool:
        """Whether it was set, and not cleared since."""

    async def set(self) -> None:
        """Set it. It may fail silently, if the disk is full."""

    async def clear(self) -> None:
        """Clear it. It may fail silently: then a repair is done in vain."""


class OwedRepair:
    """Notes that writes are missing, and runs the repair. obstacle: the condition that must come first, in
    words; empty: none. repair: see Repair. mark: None: the usual repair handles notes from before a restart.
    """

    lacking = ""
    """The missing writes and their place, up to the end of the repair, as the beginning of a sentence."""
    cause = ""
    """The missing writes, in words."""

    def __init__(self, obstacle: Callable[[], str], repair: Repair, mark: OwedMark | None = None) -> None:
        self._obstacle, self._repair, self._mark = obstacle, repair, mark
        self._notes, self._is_lacking = 0, mark is not None and mark.is_set()
        self._is_marked, self._state = self._is_lacking, ""
        self._noted = asyncio.Event()
        if self._is_lacking:
            self._noted.set()

    def note(self) -> None:
        """Note that writes are missing from now on."""
        self._notes += 1
        self._is_lacking = True
        self._noted.set()

    def problems(self) -> Iterator[Problem]:
        """The warning that writes are missing, as a source of `Problems`."""
        if self._is_lacking:
            yield Problem(f"{self.lacking}: {self._state or 'it does so at once'}")

    async def run(self) -> None:
        """Repair whenever writes are missing and nothing is in the way, until cancelled."""
        while True:
            await self._noted.wait()
            self._noted.clear()
            await self._keep_mark()
            pause = LOOK_SECONDS
            while self._is_lacking:
                await self._wait_for_obstacle()
                if not await self._fetch():
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _wait_for_obstacle(self) -> None:
        while obstacle := self._obstacle():
            self._state = obstacle
            await asyncio.sleep(LOOK_SECONDS)

    async def _fetch(self) -> bool:
        """Compare everything; return whether nothing is missing any longer."""
        notes, progress = self._notes, RepairProgress()
        self._state = "it does so now"
        log.info("all ranges are compared with the other replicas, for the sake of %s", self.cause)
        try:
            async for now in self._repair():
                progress = now
        except LimeDBError as error:
            self._state = f"it is tried again, since it failed: {error.public_text}"
            return False
        if progress.missing or notes != self._notes:
            missing = "; ".join(f"{url}: {why}" for url, why in sorted(progress.missing.items()))
            self._state = f"it is tried again, since it failed: {missing or 'more is lacking now'}"
            return False
        self._is_lacking, self._state = False, ""
        await self._keep_mark()
        log.info(
            "all ranges were compared, for the sake of %s: %d records were fetched, %d sent to others",
            self.cause, progress.pulled, progress.pushed,
        )  # fmt: skip
        return True

    async def _keep_mark(self) -> None:
        if self._mark is None or self._is_marked == self._is_lacking:
            return
        self._is_marked = self._is_lacking
        await (self._mark.set() if self._is_marked else self._mark.clear())
