"""Completes changes of groups that coordinators left half stored, without a request.

It owns the walk over the registers that this node holds. It must never decide the outcome of one: `groups.py`
does.

A coordinator that dies between the decision of a change and its records leaves it half stored: reads at
LINEARIZABLE and the next change store the rest, but reads at QUORUM would see a part until then. So the first
owner of a register stores a change that is QUIET_MS old, and any owner one that is OVERDUE_MS old. Then it
empties the register, since the records are stored under their keys, too.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from limedb.core.groups import REGISTERS, REGISTERS_END
from limedb.core.hlc import wall_ms_of
from limedb.core.key_range import KeyRange, behind
from limedb.core.record import Record
from limedb.errors import LimeDBError
from limedb.ports import Clock, Placement, RangePage

EVERY_SECONDS = 2.0
"""Between two looks at a page of registers."""
QUIET_MS, OVERDUE_MS = 4_000, 20_000
PAGE = 500
"""Registers that are looked at together."""
CLEAR_SECONDS = 5.0

log = logging.getLogger(__name__)


class Registers(Protocol):
    """Completes the change of a register."""

    async def clear(self, register: str, version: int, deadline: float) -> None:
        """See Groups.clear."""


class GroupUpkeep:
    """Looks at the own registers, a page at a time. read: reads a page of the node's own keys, from a range;
    now_ms: returns the cluster's time.
    """

    def __init__(
        self,
        node_url: str,
        placement: Placement,
        groups: Registers,
        read: Callable[[KeyRange, int], Awaitable[RangePage]],
        clock: Clock,
        now_ms: Callable[[], int],
    ) -> None:
        self._node_url, self._placement, self._groups = node_url, placement, groups
        self._read, self._clock, self._now_ms = read, clock, now_ms
        self._start = REGISTERS

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                await self.look()
            except LimeDBError as error:
                log.info("registers of groups could not be looked at: %s", error)

    async def look(self) -> None:
        """Complete the changes on the next page that are old enough."""
        page = await self._read(KeyRange(self._start, REGISTERS_END), PAGE)
        self._start = REGISTERS if page.is_end else behind(page.records[-1].key)
        for record in page.records:
            if record.value is not None and self._is_due(record):
                try:
                    await self._groups.clear(
                        record.key, record.version, self._clock.monotonic() + CLEAR_SECONDS
                    )
                except LimeDBError as error:
                    log.info("a change of a group could not be ended: %s", error)

    def _is_due(self, register: Record) -> bool:
        """Whether this node should complete the change of a register."""
        age_ms = self._now_ms() - wall_ms_of(register.version)
        if age_ms < QUIET_MS:
            return False
        owners = self._placement.layout.of_key(register.key).natural
        return age_ms >= OVERDUE_MS or owners[:1] == (self._node_url,)
