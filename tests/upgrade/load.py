"""What clients do while a cluster is upgraded: single and batched writes and reads, and a watch.

It owns the load, and what was seen of it. A client asks one node, and never tries an operation again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from itertools import count

import grpc
from google.rpc import status_pb2

import limedb
from limedb.errors import WatchGapError
from limedbpb.v1 import kv_pb2, kv_pb2_grpc, record_pb2
from tests.scenarios.history import Ledger, Outcome

PREFIX = "upgrade-"
PATIENCE = 20.0
"""Seconds that a client waits for an answer."""
BATCH = 20
PAUSE_SECONDS = 0.01
QUORUM = record_pb2.CONSISTENCY_QUORUM
Ask = Callable[["kv_pb2_grpc.KVServiceAsyncStub", str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Failure:
    """An operation that failed. start, end: seconds of time.monotonic."""

    what: str
    address: str
    start: float
    end: float
    code: grpc.StatusCode
    text: str


class _ItemError(Exception):
    """An error of one item of a batch, in the form of a call's."""

    def __init__(self, item: status_pb2.Status) -> None:
        super().__init__(item.message)
        self._item = item

    def code(self) -> grpc.StatusCode:
        return next(code for code in grpc.StatusCode if code.value[0] == self._item.code)

    def details(self) -> str:
        return self._item.message


def _check_items(results: "Iterable[kv_pb2.BatchSetResult | kv_pb2.BatchGetResult]") -> None:
    """_ItemError: one of the items failed."""
    for result in results:
        if result.HasField("error"):
            raise _ItemError(result.error)


@dataclass
class Load:
    """What was asked and what became of it. done: operations that succeeded, by their names. gaps: of the
    watch; repeated: versions that it reported twice between two gaps; seen: the keys that it reported, or
    that a scan found after a gap.
    """

    ledger: Ledger = field(default_factory=Ledger)
    done: dict[str, int] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    gaps: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    is_watched: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, stop: asyncio.Event, stubs: "dict[str, kv_pb2_grpc.KVServiceAsyncStub]") -> None:
        """Use each node by each kind of operation until `stop`."""
        asks: dict[str, Ask] = {
            "set": self._set,
            "get": self._get,
            "batch set": self._batch_set,
            "batch get": self._batch_get,
        }
        async with asyncio.TaskGroup() as group:
            for address, stub in stubs.items():
                for what, ask in asks.items():
                    group.create_task(self._repeat(stop, what, address, stub, ask))

    async def _repeat(
        self,
        stop: asyncio.Event,
        what: str,
        address: str,
        stub: "kv_pb2_grpc.KVServiceAsyncStub",
        ask: Ask,
    ) -> None:
        for number in count():
            if stop.is_set():
                return
            start = time.monotonic()
            try:
                await ask(stub, f"{PREFIX}{what}-{address}-{number}")
                self.done[what] = self.done.get(what, 0) + 1
            except (grpc.aio.AioRpcError, _ItemError) as error:
                code, text = error.code(), error.details() or ""
                self.failures.append(Failure(what, address, start, time.monotonic(), code, text))
            await asyncio.sleep(PAUSE_SECONDS)

    async def _set(self, stub: "kv_pb2_grpc.KVServiceAsyncStub", key: str) -> None:
        request = kv_pb2.SetRequest(key=key, value=key, consistency=QUORUM)
        self.ledger.note(key, key, Outcome.UNKNOWN)
        await stub.Set(request, timeout=PATIENCE)
        self._acknowledged(key)

    async def _batch_set(self, stub: "kv_pb2_grpc.KVServiceAsyncStub", name: str) -> None:
        keys = [f"{name}-{number}" for number in range(BATCH)]
        writes = [kv_pb2.BatchWrite(key=key, value=key) for key in keys]
        for key in keys:
            self.ledger.note(key, key, Outcome.UNKNOWN)
        request = kv_pb2.BatchSetRequest(writes=writes, consistency=QUORUM)
        answer = await stub.BatchSet(request, timeout=PATIENCE)
        for key, result in zip(keys, answer.results, strict=True):
            if not result.HasField("error"):
                self._acknowledged(key)
        _check_items(answer.results)

    def _acknowledged(self, key: str) -> None:
        self.ledger.note(key, key, Outcome.DONE)
        self.acknowledged.append(key)

    async def _get(self, stub: "kv_pb2_grpc.KVServiceAsyncStub", name: str) -> None:
        if self.acknowledged:
            key = self.acknowledged[hash(name) % len(self.acknowledged)]
            try:
                found = await stub.Get(kv_pb2.GetRequest(key=key, consistency=QUORUM), timeout=PATIENCE)
                value = found.value
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.NOT_FOUND:
                    raise
                value = ""
            self._check(key, value)

    async def _batch_get(self, stub: "kv_pb2_grpc.KVServiceAsyncStub", name: str) -> None:
        if not (keys := self.acknowledged[-BATCH:]):
            return
        answer = await stub.BatchGet(kv_pb2.BatchGetRequest(keys=keys, consistency=QUORUM), timeout=PATIENCE)
        _check_items(answer.results)
        for key, result in zip(keys, answer.results, strict=True):
            self._check(key, result.value)

    def _check(self, key: str, value: str) -> None:
        if value != key:
            self.wrong.append(f"{key} was acknowledged, and a read found {value!r}")

    async def watch(self, addresses: list[str]) -> None:
        """Follow all changes until cancelled; after a gap, scan as docs/client.md says."""
        async with limedb.connect(",".join(addresses)) as db:
            while True:
                versions: set[tuple[str, int]] = set()
                try:
                    async with db.watch(prefix=PREFIX) as changes:
                        await changes.begin()
                        self.is_watched.set()
                        if self.gaps:
                            async for entry in db.scan(prefix=PREFIX):
                                self.seen.add(entry.key)
                        async for change in changes:
                            place = (change.key, change.version)
                            self.repeated += [change.key] if place in versions else []
                            versions.add(place)
                            self.seen.add(change.key)
                except WatchGapError as error:
                    self.gaps.append(str(error))
