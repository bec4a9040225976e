"""A replicated register in a few lines, to show that the simulation finds what it should.

It owns nothing of LimeDB: every node is a replica of every key, for ever. Its faults are planted by options.
Source: Attiya, Bar-Noy, Dolev 1995, "Sharing Memory Robustly in Message-Passing Systems".
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from limedb.core.hlc import HybridClock
from limedb.core.quorum import Level, majority
from limedb.core.record import Record, merge
from limedb.core.topology import Fence
from limedb.errors import LevelUnreachableError, LimeDBError, OutcomeUnknownError
from limedb.ports import Applied
from tests.simulation.node import SimNode, Value

FENCE = Fence("0000000000000707", 1)


class _Replica:
    def __init__(self, node: SimNode) -> None:
        self._node = node

    async def read(
        self, keys: Sequence[str], fence: Fence, deadline: float, most: int | None = None
    ) -> list[Record | None]:
        return await self._node.store.get_many(keys)

    async def apply(
        self, records: Sequence[Record], fence: Fence, deadline: float, copied: bool = False
    ) -> list[Applied]:
        return await self._node.store.apply(records, self._node.clock.wall_ms())


class Toy:
    """writes_back: whether a linearizable read writes what it returns. asks_first: whether a linearizable
    write learns the highest version. acks: how many replicas are enough, a majority when 0.
    """

    def __init__(
        self, node: SimNode, *, writes_back: bool = True, asks_first: bool = True, acks: int = 0
    ) -> None:
        self._node = node
        self.replica: Any = _Replica(node)
        self._replicas = node.connect(self.replica)
        self._versions = HybridClock(node.store.high_water())
        self._urls = sorted(node.sim.nodes)
        self._writes_back, self._asks_first = writes_back, asks_first
        self._need = acks or majority(len(self._urls))

    def check_meant(self, url: str) -> None:
        """A toy is never led astray."""

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def read(self, key: str, level: Level, deadline: float) -> Value:
        found = await self._read(key, deadline)
        if found is not None and level is Level.LINEARIZABLE and self._writes_back:
            await self._apply(found, deadline)
        return found.value if found is not None else None

    async def write(self, key: str, value: Value, level: Level, deadline: float) -> int:
        if level is Level.LINEARIZABLE and self._asks_first:
            found = await self._read(key, deadline)
            self._versions.observe(found.version if found is not None else 0)
        for _ in range(8):
            record = Record(key, value, self._versions.tick(self._node.clock.wall_ms()))
            newer = max(a.superseded_by for a in await self._apply(record, deadline))
            if not newer or level is Level.LINEARIZABLE:
                break
            self._versions.observe(newer)
        return record.version

    async def _read(self, key: str, deadline: float) -> Record | None:
        answers = await self._ask(key, lambda r: r.read((key,), FENCE, deadline))
        records = [record for (record,) in answers if record is not None]
        best: Record | None = None
        for record in records:
            best = record if best is None else merge(best, record)
        return best

    async def _apply(self, record: Record, deadline: float) -> list[Applied]:
        answers = await self._ask(record.key, lambda r: r.apply((record,), FENCE, deadline))
        return [applied for (applied,) in answers]

    async def _ask(self, key: str, ask: Callable[[Any], Awaitable[Any]]) -> list[Any]:
        """The answers of enough replicas; the others are not waited for."""
        urls = [url for url in self._urls if self._replicas.is_reachable(url)]
        if len(urls) < self._need:
            raise LevelUnreachableError(key, "toy", self._need, len(urls), len(self._urls), {})
        pending = {asyncio.ensure_future(_guard(ask(self._replicas.at(url)))) for url in urls}
        answers: list[Any] = []
        while pending and len(answers) < self._need:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            answers += [answer for task in done if (answer := task.result()) is not None]
        if len(answers) < self._need:
            raise OutcomeUnknownError(key, self._need, len(answers), {})
        return answers


async def _guard(answer: Awaitable[Any]) -> Any:
    try:
        return await answer
    except LimeDBError:
        return None
