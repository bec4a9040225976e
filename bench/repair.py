"""The cost of comparing two replicas, and of mending them.

    python -m bench.repair [--keys 1000000] [--differing 1000]

Two nodes with STORE=lmdb in one process own all keys together. Their messages are serialized, counted and
parsed as by gRPC, but not sent. It reports the processor time of both nodes together and the bytes of all
messages, for one comparison of everything: when the replicas agree, when some keys differ (a third each is
missing here, missing there, older there), and once more afterwards.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from google.protobuf.message import Message

from limedb.core.hlc import version_at
from limedb.core.layout import EVERYTHING, Layout, Span
from limedb.core.record import Record
from limedb.core.topology import Fence, Member, Topology, initial_topology
from limedb.encoding.record import from_message
from limedb.ports import Applied, IndexEntry, Replica
from limedb.replication.clock_guard import ClockSkewGuard
from limedb.replication.in_flight import InFlight
from limedb.replication.repair.anti_entropy import Repairer
from limedb.replication.replica import LocalReplica
from limedb.storage.lmdb.store import LmdbStore
from limedb.storage.memory.operations import MemoryOperations
from limedb.wire import replica as convert
from limedbpb.v1 import replica_pb2 as pb

A, B = "http://a:1", "http://b:1"
BATCH = 2000
VALUE = "v" * 100

_M = TypeVar("_M", bound=Message)


class _RealClock:
    def wall_ms(self) -> int:
        return int(time.time() * 1000)

    def monotonic(self) -> float:
        return time.monotonic()

    def elapsed(self) -> float:
        return time.monotonic()

    def worked(self) -> float:
        return 0.0


class _Place:
    def __init__(self, topology: Topology) -> None:
        self.layout = Layout(topology)

    def adopt(self, topology: Topology) -> None:
        raise AssertionError("the topology doesn't change here")


class _Wire:
    """A replica as its peer sees it. sent: bytes of all messages so far."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self.sent = self.messages = 0

    def _pass(self, message: _M) -> _M:
        data = message.SerializeToString()
        self.sent += len(data)
        self.messages += 1
        return type(message).FromString(data)

    async def read(
        self, keys: Sequence[str], fence: Fence, deadline: float, most: int | None = None
    ) -> list[Record | None]:
        request = self._pass(convert.read_request(keys, fence))
        records = await self._replica.read(request.keys, fence, deadline)
        return convert.records_from(self._pass(convert.read_response(records, marks_damaged=False)))

    async def apply(self, records: Sequence[Record], fence: Fence, deadline: float) -> list[Applied]:
        request = self._pass(convert.apply_request(records, fence))
        applied = await self._replica.apply([from_message(m) for m in request.records], fence, deadline)
        return convert.applied_from(self._pass(convert.apply_response(applied)))

    async def digests(self, spans: Sequence[Span], cutoff: int, fence: Fence, deadline: float) -> list[int]:
        request = self._pass(convert.digest_request(spans, cutoff, fence))
        asked = [convert.span_from(span) for span in request.spans]
        digests = await self._replica.digests(asked, cutoff, fence, deadline)
        return convert.digests_from(self._pass(pb.DigestResponse(digests=digests)))

    async def entries(self, spans: Sequence[Span], fence: Fence, deadline: float) -> list[IndexEntry]:
        request = self._pass(convert.entries_request(spans, fence))
        asked = [convert.span_from(span) for span in request.spans]
        entries = await self._replica.entries(asked, fence, deadline)
        return convert.entries_from(self._pass(convert.entries_response(entries)))

    async def scan(self, span: Span, limit: int, fence: Fence, deadline: float) -> list[tuple[int, Record]]:
        raise AssertionError("repair scans nothing")


class _Directory:
    def __init__(self, own: Replica, other: _Wire) -> None:
        self._replicas: dict[str, Replica] = {A: own, B: other}

    def at(self, node_url: str) -> Replica:
        return self._replicas[node_url]

    def is_reachable(self, node_url: str) -> bool:
        return True

    def absence(self, node_url: str) -> str:
        return "it is known to be down"


async def fill(store: LmdbStore, records: Sequence[Record]) -> None:
    for start in range(0, len(records), BATCH):
        await store.apply(records[start : start + BATCH], 1)


async def differ(one: LmdbStore, other: LmdbStore, keys: int, count: int, version: int) -> None:
    """Make some keys differ: missing at one, missing at the other, older at the other."""
    third = count // 3
    await fill(one, [Record(f"one-{i}", VALUE, version) for i in range(third)])
    await fill(other, [Record(f"other-{i}", VALUE, version) for i in range(third)])
    chosen = random.Random(1).sample(range(keys), count - 2 * third)
    await fill(one, [Record(f"key-{i:09}", "newer", version) for i in chosen])


async def measure(what: str, repairer: Repairer, wire: _Wire) -> None:
    wire.sent = wire.messages = 0
    cpu, wall = time.process_time(), time.perf_counter()
    progress = None
    async for step in repairer.repair_all():
        progress = step
    assert progress is not None
    print(
        f"{what}: {time.process_time() - cpu:.2f} s of CPU, {time.perf_counter() - wall:.2f} s,"
        f" {wire.sent / 1e6:.2f} MB in {wire.messages} messages;"
        f" {progress.spans} leaves, {progress.pulled} pulled, {progress.pushed} pushed"
    )


async def run(folder: Path, keys: int, differing: int) -> None:
    clock, version = _RealClock(), version_at(int(time.time() * 1000) - 10_000)
    place = _Place(initial_topology("c1", 2, [Member("a", A), Member("b", B)]))
    stores = [LmdbStore(folder / name, "none", print) for name in "ab"]
    for store in stores:
        start = time.perf_counter()
        for first in range(0, keys, BATCH):
            batch = range(first, min(keys, first + BATCH))
            await store.apply([Record(f"key-{i:09}", VALUE, version + i % 9) for i in batch], 1)
        print(f"filled {keys} keys in {time.perf_counter() - start:.1f} s")
    own, other = (
        LocalReplica(store, clock, place, InFlight(), 4 << 20, ClockSkewGuard(clock, 500), MemoryOperations())
        for store in stores
    )
    wire = _Wire(other)

    async def remember(epoch: int) -> None:
        raise AssertionError("nothing is dropped here")

    repairer = Repairer(
        A,
        stores[0],
        _Directory(own, wire),
        place,
        clock,
        random.Random(1),
        interval=600,
        grace=86_400,
        cleaned_epoch=lambda: 1,
        remember_cleaned=remember,
    )
    await measure("equal replicas", repairer, wire)
    await differ(*stores, keys, differing, version + 100)
    await measure(f"{differing} differing keys", repairer, wire)
    assert await stores[0].digests([EVERYTHING], 0) == await stores[1].digests([EVERYTHING], 0)
    await measure("once more", repairer, wire)
    for store in stores:
        await store.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--differing", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as folder:
        asyncio.run(run(Path(folder), options.keys, options.differing))


if __name__ == "__main__":
    main()
