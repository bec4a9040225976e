"""Faults of groups, each found by a search (`test_groups.py`)."""

from collections.abc import Container, Mapping, Sequence

from limedb.core.hlc import version_at
from limedb.core.quorum import Level
from limedb.core.record import Record
from limedb.core.transactions import Judged
from limedb.replication.conditional.operation import Ready
from limedb.replication.conditional.rounds import PromiseRound
from limedb.replication.coordinator import Coordinator, Write, Written
from limedb.replication.groups.groups import Groups
from limedb.replication.groups.operation import judge
from limedb.replication.groups.transaction import Transaction
from tests.simulation.faults import Fault, engine_with


def grouping(kind: type[Groups]) -> Fault:
    """A coordinator whose groups are of another kind."""
    coordinator = type("FaultyCoordinator", (Coordinator,), {"groups_class": kind})
    return engine_with(coordinator_class=coordinator)


class _StoresTheUndecided(Groups):
    async def ready(
        self, asked: PromiseRound, keys: Sequence[str], read_keys: Container[str], deadline: float
    ) -> Ready | Mapping[str, Record | None]:
        if self._is_open(asked.key, asked.newest):
            await self._end(asked.newest, deadline)
        return await super().ready(asked, keys, read_keys, deadline)


class _LeavesTheLastChange(Groups):
    async def ready(
        self, asked: PromiseRound, keys: Sequence[str], read_keys: Container[str], deadline: float
    ) -> Ready | Mapping[str, Record | None]:
        if asked.newest is not None:
            self._note(asked.key, asked.newest.version)
        return await super().ready(asked, keys, read_keys, deadline)


class _LooksOnce(Groups):
    async def _look(self, register: str, wanted: Transaction, deadline: float) -> Judged | None:
        return judge(wanted, await self._read(wanted.keys, wanted.read_keys, deadline), self._now_ms(), 0)[0]


class _StoresAnew(Groups):
    async def _store(self, records: Sequence[Record], level: Level, deadline: float) -> int:
        version = version_at(self._now_ms())
        anew = [r if r.version > version else Record(r.key, r.value, version, r.expires_at) for r in records]
        return await super()._store(anew, level, deadline)


class _PassesTheGroup(Coordinator):
    async def write(self, write: Write, level: Level | None, deadline: float) -> Written:
        if write.is_conditional:
            return await super().write(write, level, deadline)
        return await self._batcher.write(write, level or Level.QUORUM, deadline)  # type: ignore[return-value]


STORES_THE_UNDECIDED = grouping(_StoresTheUndecided)
"""What one replica of the register has is stored, though it may never be decided."""

LEAVES_THE_LAST_CHANGE = grouping(_LeavesTheLastChange)
"""A change is judged before the one that was decided before it is stored."""

LOOKS_ONCE = grouping(_LooksOnce)
"""A transaction that reads doesn't look whether something was decided meanwhile."""

STORES_ANEW = grouping(_StoresAnew)
"""What was decided is stored under a version of the moment."""

PASSES_THE_GROUP = engine_with(coordinator_class=_PassesTheGroup)
"""A write without a condition is stored without its group."""
