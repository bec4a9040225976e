"""Nodes with stores in memory, a wire that fails as told, and coordinators on them, in virtual time.

It owns the wire. What runs behind it is the real replica, store and coordinator.
"""

import asyncio
import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, ParamSpec

import pytest

from limedb.core.hlc import HybridClock, version_at
from limedb.core.idempotency import Proposal, State
from limedb.core.key_range import KeyRange
from limedb.core.layout import Layout, Span
from limedb.core.quorum import Level
from limedb.core.record import Record
from limedb.core.selection import WatchFilter
from limedb.core.topology import Fence, Member, Topology, initial_topology
from limedb.encoding.groups import GroupMessages
from limedb.encoding.record import encode, stored_form
from limedb.errors import (
    LimeDBError,
    OutcomeUnknownError,
    RecordDamagedError,
    ReplicaUnreachableError,
    RequestTimeoutError,
)
from limedb.ports import Applied, ChangeBatch, Held, IndexEntry, KeyPromises, Promised, RangePage, Replica
from limedb.replication.clock_guard import ClockSkewGuard
from limedb.replication.coordinator import Coordinator
from limedb.replication.in_flight import InFlight
from limedb.replication.replica import LocalReplica
from limedb.replication.scan.scanner import Scanner
from limedb.replication.watch.watcher import Watcher
from limedb.storage.memory.hints import MemoryHints
from limedb.storage.memory.operations import MemoryOperations
from limedb.storage.memory.store import MemoryStore
from tests.cluster.virtual import START_MS, VirtualClock, run_virtual

P = ParamSpec("P")

A, B, C, D = (f"http://{name}:1" for name in "abcd")
SKEW_MS = 500
SOON = 5.0  # virtual seconds
OLD, NEW = version_at(START_MS), version_at(START_MS + 1)
BOTH = pytest.mark.parametrize("level", [Level.QUORUM, Level.LINEARIZABLE])


def virtual(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """A test that runs in virtual time."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        run_virtual(test(*args, **kwargs))

    run.__signature__ = inspect.signature(test)  # type: ignore[attr-defined]  # for parameters
    del run.__wrapped__  # or it is taken for a coroutine
    return run


def member(url: str) -> Member:
    return Member(f"id-{url[7:-2]}", url, virtual_nodes=16)


class Place:
    """What a node knows of the topology."""

    def __init__(self, topology: Topology) -> None:
        self.layout = Layout(topology)

    def adopt(self, topology: Topology) -> None:
        if topology.epoch > self.layout.topology.epoch:
            self.layout = Layout(topology)


@dataclass
class Fault:
    """What happens to messages to a node. Each is a number of seconds or a flag.

    is_down: known beforehand. refuses: the connection fails. error: what the replica answers. swallows: no
    answer comes until the deadline; is_lost: and the write takes effect. delay: of the answer.
    """

    is_down: bool = False
    refuses: bool = False
    error: LimeDBError | None = None
    swallows: bool = False
    is_lost: bool = False
    delay: float = 0.0


FINE = Fault()


class Line:
    """The replica of a node behind the wire."""

    def __init__(self, wire: "Wire", url: str) -> None:
        self._wire, self._url = wire, url

    async def read(
        self, keys: Sequence[str], fence: Fence, deadline: float, most: int | None = None
    ) -> list[Record | None]:
        await self._begin("read", keys, deadline)
        return await self._replica.read(keys, fence, deadline, most)

    async def compare(self, keys: Sequence[str], sums: bytes, fence: Fence, deadline: float) -> Sequence[int]:
        await self._begin("compare", keys, deadline)
        return await self._replica.compare(keys, sums, fence, deadline)

    async def apply(
        self, records: Sequence[Record], fence: Fence, deadline: float, copied: bool = False
    ) -> list[Applied]:
        fault = self._wire.faults.get(self._url, FINE)
        try:
            await self._begin("apply", [record.key for record in records], deadline)
        except RequestTimeoutError:
            if fault.is_lost:
                await self._replica.apply(records, fence, deadline, copied)
            raise OutcomeUnknownError(records[0].key, 1, 0, {self._url: "no answer"}) from None
        return await self._replica.apply(records, fence, deadline, copied)

    async def scan(self, span: Span, limit: int, fence: Fence, deadline: float) -> list[Record]:
        return await self._replica.scan(span, limit, fence, deadline)

    async def scan_range(
        self, keys: KeyRange, limit: int, fence: Fence, deadline: float, keys_only: bool = False
    ) -> RangePage:
        await self._begin("range", (keys.start,), deadline)
        return await self._replica.scan_range(keys, limit, fence, deadline, keys_only)

    async def watch(
        self, what: WatchFilter, since_ms: int | None, fence: Fence
    ) -> AsyncGenerator[ChangeBatch, None]:
        await self._begin("watch", (), asyncio.get_running_loop().time() + 1.0)
        async with aclosing(self._replica.watch(what, since_ms, fence)) as batches:
            async for batch in batches:
                await self._begin("batch", (), asyncio.get_running_loop().time() + 1.0)
                yield batch

    async def agree(
        self, proposals: Sequence[Proposal], fence: Fence, deadline: float
    ) -> "list[State | None]":
        fault = self._wire.faults.get(self._url, FINE)
        try:
            await self._begin("agree", (), deadline)
        except RequestTimeoutError:
            if fault.is_lost:
                await self._replica.agree(proposals, fence, deadline)
            raise
        return await self._replica.agree(proposals, fence, deadline)

    async def promise(self, key: str, ballot: int, fence: Fence, deadline: float) -> Promised:
        fault = self._wire.faults.get(self._url, FINE)
        try:
            await self._begin("promise", (key,), deadline)
        except RequestTimeoutError:
            if fault.is_lost:
                await self._replica.promise(key, ballot, fence, deadline)
            raise
        return await self._replica.promise(key, ballot, fence, deadline)

    async def release(self, key: str, ballot: int, fence: Fence, deadline: float) -> None:
        await self._begin("release", (key,), deadline)
        await self._replica.release(key, ballot, fence, deadline)

    async def promises(self, spans: Sequence[Span], fence: Fence, deadline: float) -> list[KeyPromises]:
        return await self._replica.promises(spans, fence, deadline)

    async def digests(self, spans: Sequence[Span], cutoff: int, fence: Fence, deadline: float) -> list[int]:
        return await self._replica.digests(spans, cutoff, fence, deadline)

    async def entries(self, spans: Sequence[Span], fence: Fence, deadline: float) -> list[IndexEntry]:
        return await self._replica.entries(spans, fence, deadline)

    @property
    def _replica(self) -> Replica:
        return self._wire.nodes.replicas[self._url]

    async def _begin(self, kind: str, keys: Sequence[str], deadline: float) -> None:
        self._wire.note(kind, self._url, tuple(keys))
        fault = self._wire.faults.get(self._url, FINE)
        if fault.refuses or fault.is_down:
            raise ReplicaUnreachableError(self._url, "connection refused")
        if fault.error is not None:
            raise fault.error
        left = deadline - asyncio.get_running_loop().time()
        if fault.swallows or fault.delay >= left:
            await asyncio.sleep(left * 0.99)
            raise RequestTimeoutError(left, self._url)
        await asyncio.sleep(fault.delay)


class Wire:
    """The directory of replicas of one node, with faults by URL; it keeps each call."""

    def __init__(self, nodes: "Nodes") -> None:
        self.nodes = nodes
        self.faults: dict[str, Fault] = {}
        self.calls: list[tuple[str, str, tuple[str, ...]]] = []
        self._awaited: list[tuple[str, str, asyncio.Event]] = []

    def note(self, kind: str, node_url: str, keys: tuple[str, ...]) -> None:
        """A call begins."""
        self.calls.append((kind, node_url, keys))
        for wanted, key, event in self._awaited:
            if kind == wanted and key in keys:
                event.set()

    async def begun(self, kind: str, key: str) -> None:
        """Return when the next call of a kind that has a key has begun."""
        event = asyncio.Event()
        self._awaited.append((kind, key, event))
        await event.wait()

    def at(self, node_url: str) -> Replica:
        return Line(self, node_url)

    def is_reachable(self, node_url: str) -> bool:
        return not self.faults.get(node_url, FINE).is_down

    def absence(self, node_url: str) -> str:
        return "it is known to be down"

    def called(self, kind: str) -> list[str]:
        """Whom calls of a kind went to."""
        return [url for what, url, _ in self.calls if what == kind]


class AtHand(MemoryStore):
    """A store that has its records at hand. rot: keys whose records are damaged."""

    def __init__(self) -> None:
        super().__init__()
        self.rot: set[str] = set()

    async def get_many(self, keys: Sequence[str]) -> list[Held]:
        return [
            RecordDamagedError((key,), "rot") if key in self.rot else held
            for key, held in zip(keys, await super().get_many(keys), strict=True)
        ]

    def stored_at(self, key: str) -> bytes | None:
        (found,) = self.stored([key])
        if isinstance(found, RecordDamagedError):
            raise found
        return found

    def stored(self, keys: Sequence[str]) -> list[bytes | RecordDamagedError | None]:
        return [
            RecordDamagedError((key,), "rot") if key in self.rot else stored_form(self._find(key))
            for key in keys
        ]

    async def stored_tokens(self, start: int, end: int, limit: int) -> list[tuple[int, bytes]]:
        return [(token, encode(record)) for token, record in await self.scan_tokens(start, end, limit)]


class Nodes:
    """Some nodes. The topology is found by those named, and each knows it by itself. at_hand: stores have
    their records at hand, and coordinators begin reads there.
    """

    def __init__(self, *urls: str, replication_factor: int = 3, at_hand: bool = False) -> None:
        self.at_hand = at_hand
        self.topology = initial_topology("c1", replication_factor, [member(url) for url in urls or (A, B, C)])
        self.clock = VirtualClock()
        self.stores: dict[str, MemoryStore] = {}
        self.replicas: dict[str, LocalReplica] = {}
        self.places: dict[str, Place] = {}
        for node in self.topology.members:
            self.start(node.url)
            self.replicas[node.url].follow(Topology(), self.topology)

    def start(self, url: str) -> None:
        place = self.places[url] = Place(self.topology)
        store = self.stores[url] = AtHand() if self.at_hand else MemoryStore()
        guard = ClockSkewGuard(self.clock, SKEW_MS)
        self.replicas[url] = LocalReplica(
            store, self.clock, place, InFlight(), 1 << 20, guard, MemoryOperations()
        )

    def spread(self, topology: Topology, *urls: str) -> None:
        """Let nodes know a topology; all when none is named."""
        self.topology = topology
        for url in urls or tuple(self.places):
            before = self.places[url].layout.topology
            self.places[url].adopt(topology)
            self.replicas[url].follow(before, topology)

    async def put(self, record: Record, *urls: str) -> None:
        """Store a record at some nodes, past everything."""
        for url in urls:
            await self.stores[url].apply([record], self.clock.wall_ms())

    async def versions(self, key: str) -> dict[str, int]:
        """The version of a key at each node that has it."""
        initial_topology = {url: await store.get(key) for url, store in self.stores.items()}
        return {url: record.version for url, record in initial_topology.items() if record is not None}

    async def values(self, key: str) -> dict[str, str | bytes | None]:
        """The value of a key at each node that has it."""
        initial_topology = {url: await store.get(key) for url, store in self.stores.items()}
        return {url: record.value for url, record in initial_topology.items() if record is not None}

    def key(self, wanted: Callable[[tuple[str, ...], tuple[str, ...]], bool]) -> str:
        """A key whose current and extra owners are as wanted."""
        layout = Layout(self.topology)
        owners = ((f"key{i}", layout.of_key(f"key{i}")) for i in range(10_000))
        return next(key for key, of in owners if wanted(of.natural, of.pending))

    def key_of(self, url: str) -> str:
        """A key that a node alone owns."""
        return self.key(lambda current, _: current == (url,))

    def coordinator(
        self,
        at: str = A,
        level: Level = Level.QUORUM,
        clock: VirtualClock | None = None,
        skew_ms: Callable[[], int] = lambda: 0,
        problem: Callable[[], str] = lambda: "",
    ) -> "Seat":
        return Seat(self, at, level, clock or self.clock, skew_ms, problem)


class Seat:
    """A coordinator at a node, with its wire and its hints."""

    def __init__(
        self,
        nodes: Nodes,
        at: str,
        level: Level,
        clock: VirtualClock,
        skew_ms: Callable[[], int],
        problem: Callable[[], str],
    ) -> None:
        self.wire, self.hints, self.versions = Wire(nodes), MemoryHints(), HybridClock()
        self.place = nodes.places[at]
        guard = ClockSkewGuard(clock, SKEW_MS, skew_ms, problem)
        self.coordinator = Coordinator(
            self.place,
            self.wire,
            clock,
            self.versions,
            self.hints,
            guard,
            GroupMessages(),
            default_level=level,
            name=at,
            own=nodes.replicas[at] if nodes.at_hand else None,
        )
        self.clock = clock
        self.watcher = Watcher(self.place, self.wire, clock, SKEW_MS)
        self.scanner = Scanner(self.place, self.wire, nodes.replicas[at], guard.now_ms, level)

    def fail(self, *urls: str, **fault: Any) -> None:
        """From now on messages to nodes fail so."""
        for url in urls:
            self.wire.faults[url] = Fault(**fault)

    async def hinted(self, url: str) -> list[str]:
        """The keys of the hints for a node."""
        return [record.key for record in await self.hints.oldest(url, 1000, 0)]


def left_tasks() -> list[str]:
    """What runs besides the test."""
    return [str(task) for task in asyncio.all_tasks() if task is not asyncio.current_task()]
