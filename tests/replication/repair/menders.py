"""Nodes that repair one another, and records that are old or new to them."""

from collections.abc import Sequence
from random import Random

from limedb.core.hlc import version_at
from limedb.core.layout import EVERYTHING, Span
from limedb.core.record import Record
from limedb.core.report import RepairProgress
from limedb.core.topology import Fence
from limedb.ports import IndexEntry, Replica
from limedb.replication.repair.anti_entropy import Repairer
from tests.cluster.virtual import START_MS
from tests.replication.nodes import Fault, Line, Nodes, Wire

INTERVAL = 10.0
GRACE = 100.0
LONG_AGO = START_MS - int(GRACE * 1000) - 1


def old(key: str, value: str | None = "x", counter: int = 0) -> Record:
    """A record that was garbage at the start, if it is a tombstone."""
    return Record(key, value, version_at(LONG_AGO, counter))


def new(key: str, value: str | None = "x", counter: int = 0) -> Record:
    return Record(key, value, version_at(START_MS, counter))


class CountingLine(Line):
    """Counts what is asked of a replica but for reads and writes."""

    async def digests(self, spans: Sequence[Span], cutoff: int, fence: Fence, deadline: float) -> list[int]:
        await self._begin("digests", [], deadline)
        return await super().digests(spans, cutoff, fence, deadline)

    async def entries(self, spans: Sequence[Span], fence: Fence, deadline: float) -> list[IndexEntry]:
        await self._begin("entries", [], deadline)
        return await super().entries(spans, fence, deadline)


class CountingWire(Wire):
    def at(self, node_url: str) -> Replica:
        return CountingLine(self, node_url)


class Mender:
    """A node's repair."""

    def __init__(self, nodes: Nodes, url: str, grace: float = GRACE) -> None:
        self.wire = CountingWire(nodes)
        self.cleaned = 0
        self.repairer = Repairer(
            url,
            nodes.stores[url],
            self.wire,
            nodes.places[url],
            nodes.clock,
            Random(url),
            interval=INTERVAL,
            grace=grace,
            cleaned_epoch=lambda: self.cleaned,
            remember_cleaned=self._remember,
        )

    async def _remember(self, epoch: int) -> None:
        self.cleaned = epoch

    def fail(self, *urls: str, **fault: bool) -> None:
        for url in urls:
            self.wire.faults[url] = Fault(**fault)

    async def repair(self) -> RepairProgress:
        """Compare everything once."""
        *_, last = [progress async for progress in self.repairer.repair_all()]
        return last


async def put_many(nodes: Nodes, records: list[Record], *urls: str) -> None:
    for url in urls:
        await nodes.stores[url].apply(records, START_MS)


async def contents(nodes: Nodes, *urls: str) -> list[list[Record]]:
    return [[r for _, r in await nodes.stores[u].scan_tokens(*EVERYTHING, 99_999)] for u in urls]
