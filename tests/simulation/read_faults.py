"""Faults of reads that begin at the own store and that peers confirm.

It owns what the own node or a peer does wrong there; each is one step of the argument in
limedb/replication/read/confirmed_reads.py left out.
"""

import asyncio
from collections.abc import Sequence

from limedb.core.quorum import Level
from limedb.core.topology import Fence
from limedb.replication.coordinator import Coordinator
from limedb.replication.peer_door import PeerDoor
from limedb.replication.read.confirmed_reads import ConfirmedReads, OwnRead
from limedb.replication.read.get_batcher import GetBatcher
from tests.simulation.faults import Fault, engine_with


class _KeepsRecords(ConfirmedReads):
    """Reads a key here once in a second, and has that confirmed again and again."""

    def begin(
        self, keys: Sequence[str], level: Level, most: int | None = None, largest: int | None = None
    ) -> OwnRead | None:
        kept, now = self.__dict__.setdefault("kept", {}), asyncio.get_running_loop().time()
        own = self._own

        class Kept:
            def read_small(self, keys: Sequence[str], fence: Fence, most: int) -> object:
                assert own is not None
                for key in keys:
                    if key not in kept or kept[key][0] < now - 1.0:
                        kept[key] = (now, (own.read_stored([key], fence) or [None])[0])
                return [kept[key][1] for key in keys], []

        self._own = Kept()  # type: ignore[assignment]
        try:
            return super().begin(keys, level, most, largest)
        finally:
            self._own = own


class _Joins(GetBatcher):
    """A Get takes part in a comparison of its key that is on its way."""

    async def get(self, key: str, level: Level, deadline: float) -> bytes | None:
        under_way = self.__dict__.setdefault("under_way", {})
        if (first := under_way.get(key)) is not None:
            return await asyncio.shield(first)  # type: ignore[no-any-return]
        under_way[key] = asyncio.ensure_future(super().get(key, level, deadline))
        under_way[key].add_done_callback(lambda _: under_way.pop(key))
        return await asyncio.shield(under_way[key])  # type: ignore[no-any-return]


class _MissingIsSame(PeerDoor):
    async def compare(self, keys: Sequence[str], sums: bytes, fence: Fence, deadline: float) -> Sequence[int]:
        places = await super().compare(keys, sums, fence, deadline)
        held = await self._own.read(keys, fence, deadline)
        return [place for place in places if held[place] is not None]


class _AnyIsSame(PeerDoor):
    async def compare(self, keys: Sequence[str], sums: bytes, fence: Fence, deadline: float) -> Sequence[int]:
        held = await self._own.read(keys, fence, deadline)
        return [place for place, record in enumerate(held) if record is None]


def _coordinator_with(**classes: type) -> Fault:
    return engine_with(coordinator_class=type("FaultyCoordinator", (Coordinator,), classes))


THE_OWN_RECORD_IS_KEPT = _coordinator_with(confirmed_reads_class=_KeepsRecords)
"""The own record was read before the request came."""

A_GET_JOINS_WHAT_IS_ON_ITS_WAY = _coordinator_with(get_batcher_class=_Joins)
"""So was this one, for another request that came earlier."""

MISSING_IS_THE_SAME = engine_with(door_class=_MissingIsSame)
"""A peer that has no record says that it has the same."""

ANY_VERSION_IS_THE_SAME = engine_with(door_class=_AnyIsSame)
"""A peer says so whatever version it has."""
