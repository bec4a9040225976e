"""The writes that the own store refused for lack of room: they are fetched as soon as it has room.

It owns the fact that there are some, not which, and the moment of the repair that brings them. It must never
judge whether there is room: the store does.

A coordinator keeps a hint for a replica that refuses, but not always: a node that is full itself has no room
for its own hints, hints are bounded, and another disk may be full too. What no hint brings would be lacking
until the ranges are compared the next time, at the end of REPAIR_INTERVAL, and so long the cluster would bear
one failure less than anybody knows. So the node compares all its ranges at once. It counts on them only when
each of their owners was asked, and nothing was refused meanwhile.
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
"""Between two looks whether there is room."""
LONGEST_PAUSE_SECONDS = 30.0
"""Between two repairs, while an owner is away or the room isn't enough."""

Repair = Callable[[], AsyncGenerator[RepairProgress, None]]
"""Compares all ranges of the node (`Repairer.repair_all`)."""


class RefusedMark(Protocol):
    """Where a node keeps that it lacks writes, over a restart."""

    def is_set(self) -> bool:
        """Whether it was set, and not cleared since."""

    async def set(self) -> None:
        """Set it. It may fail silently, as the disk is full."""

    async def clear(self) -> None:
        """Clear it. It may fail silently: then a repair is done in vain."""


class RefusedWrites:
    """Notes refusals, and runs the repair. has_room: whether the store would take writes now, as far as it
    knows. repair: see Repair. mark: None, what was refused before a restart is left to the usual repair.
    """

    def __init__(self, has_room: Callable[[], bool], repair: Repair, mark: RefusedMark | None = None) -> None:
        self._has_room, self._repair, self._mark = has_room, repair, mark
        self._refusals, self._is_lacking = 0, mark is not None and mark.is_set()
        self._is_marked, self._state = self._is_lacking, ""
        self._noted = asyncio.Event()
        if self._is_lacking:
            self._noted.set()

    def note(self) -> None:
        """A batch was refused for lack of room."""
        self._refusals += 1
        self._is_lacking = True
        self._noted.set()

    def problems(self) -> Iterator[Problem]:
        """That writes are lacking, as a source of `Problems`."""
        if self._is_lacking:
            yield Problem(
                "this node refused writes, since its disk or map was full, and lacks those until it has"
                f" compared its ranges with the other replicas: {self._state or 'it does so at once'}"
            )

    async def run(self) -> None:
        """Fetch what was refused, whenever there is some and there is room, until cancelled."""
        while True:
            await self._noted.wait()
            self._noted.clear()
            await self._keep_mark()
            pause = LOOK_SECONDS
            while self._is_lacking:
                await self._wait_for_room()
                if not await self._fetch():
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _wait_for_room(self) -> None:
        while not self._has_room():
            self._state = "make room, and it does so by itself"
            await asyncio.sleep(LOOK_SECONDS)

    async def _fetch(self) -> bool:
        """Compare everything; whether nothing is lacking any longer."""
        refusals, progress = self._refusals, RepairProgress()
        self._state = "there is room again, and it does so now"
        log.info("there is room again: the writes that were refused are fetched from the other replicas")
        try:
            async for now in self._repair():
                progress = now
        except LimeDBError as error:
            self._state = f"it is tried again, since it failed: {error}"
            return False
        if progress.missing or refusals != self._refusals:
            missing = "; ".join(f"{url}: {why}" for url, why in sorted(progress.missing.items()))
            self._state = f"it is tried again, since it failed: {missing or 'there was too little room'}"
            return False
        self._is_lacking, self._state = False, ""
        await self._keep_mark()
        log.info("the writes that were refused for lack of room are here: %d were fetched", progress.pulled)
        return True

    async def _keep_mark(self) -> None:
        if self._mark is None or self._is_marked == self._is_lacking:
            return
        self._is_marked = self._is_lacking
        await (self._mark.set() if self._is_marked else self._mark.clear())
