"""Clients that write to a real cluster while it is broken, and what they saw.

It owns the load and its records. A client is as simple as they come: it asks one node, and another one when
that fails; it never tries an operation again.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from random import Random

import grpc

from limedb.wire import status
from limedbpb.v1 import kv_pb2, kv_pb2_grpc, record_pb2
from tests.scenarios.history import History, Ledger, Outcome, outcome_of
from tests.support.linearizable import Kind, Value

CHANNEL_OPTIONS = [
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),  # the time that a connection has to come about
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.use_local_subchannel_pool", 1),
]
QUORUM = record_pb2.CONSISTENCY_QUORUM
LINEARIZABLE = record_pb2.CONSISTENCY_LINEARIZABLE
BATCH = 500
NEVER_SENT = "failed to connect to all addresses"
"""How gRPC begins to tell of a request that no connection could take: nobody has seen it."""
PATIENCE = 1.0
"""Seconds that a client waits for an answer: as long as a node takes to say that it can't."""


@dataclass(frozen=True, slots=True)
class Done:
    """An operation of a client. value: None for a delete. start, end: seconds of time.monotonic. version: of
    the receipt, 0 without one. error: what the client was told, as text; empty when it was done.
    """

    client: int
    address: str
    key: str
    value: str | None
    start: float
    end: float
    outcome: Outcome
    version: int = 0
    error: str = ""


@dataclass
class Load:
    """What clients did. operations: in the order of their ends."""

    operations: list[Done] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)

    def note(self, done: Done) -> None:
        """Keep an operation."""
        self.operations.append(done)
        self.ledger.note(done.key, done.value, done.outcome)

    def longest_outage(self) -> float:
        """The longest time, in seconds, that a client was without success: from the start of its first failed
        operation to the end of the next one that was done, or of the load.
        """
        last = max((done.end for done in self.operations), default=0.0)
        return max((_outage(self._of(client), last) for client in self._clients()), default=0.0)

    def report(self) -> str:
        """The figures in a line."""
        counts = Counter(done.outcome for done in self.operations)
        return (
            f"{len(self.operations)} writes: {counts[Outcome.DONE]} acknowledged, {counts[Outcome.FAILED]}"
            f" failed, {counts[Outcome.UNKNOWN]} unknown; longest outage {self.longest_outage():.2f} s"
        )

    def _clients(self) -> set[int]:
        return {done.client for done in self.operations}

    def _of(self, client: int) -> list[Done]:
        return [done for done in self.operations if done.client == client]


def _outage(operations: Sequence[Done], last: float) -> float:
    longest, since = 0.0, None
    for done in operations:
        if done.outcome is not Outcome.DONE:
            since = done.start if since is None else since
        elif since is not None:
            longest, since = max(longest, done.end - since), None
    return longest if since is None else max(longest, last - since)


class Nodes:
    """Channels to nodes by address (host:port)."""

    def __init__(self, stubs: "dict[str, kv_pb2_grpc.KVServiceAsyncStub]") -> None:
        self.stubs = stubs
        self.addresses = list(stubs)

    def only(self, addresses: Iterable[str]) -> "Nodes":
        """Some of them, over the same channels."""
        return Nodes({address: self.stubs[address] for address in addresses})

    async def set(
        self, address: str, key: str, value: Value, level: int = QUORUM, timeout: float = PATIENCE
    ) -> int:
        """Write or delete (None); the version. LimeDBError as RemoteError; ConnectionError: no answer."""
        stub = self.stubs[address]
        try:
            if value is None:
                request = kv_pb2.DeleteRequest(key=key, consistency=level)  # type: ignore[arg-type]
                return (await stub.Delete(request, timeout=timeout)).receipt.version
            content = {"value": value} if isinstance(value, str) else {"blob": value}
            setting = kv_pb2.SetRequest(key=key, consistency=level, **content)  # type: ignore[arg-type]
            return (await stub.Set(setting, timeout=timeout)).receipt.version
        except grpc.aio.AioRpcError as error:
            raise _error_of(address, error) from None

    async def get(self, address: str, key: str, level: int = QUORUM, timeout: float = PATIENCE) -> Value:
        """The value of a key; None: it has none. Errors as `set`."""
        try:
            request = kv_pb2.GetRequest(key=key, consistency=level)  # type: ignore[arg-type]
            response = await self.stubs[address].Get(request, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return None
            raise _error_of(address, error) from None
        return response.blob if response.WhichOneof("content") == "blob" else response.value

    async def get_many(self, address: str, keys: Sequence[str], timeout: float = 20.0) -> dict[str, Value]:
        """The values of keys at QUORUM. Errors as `set`; RuntimeError: a key could not be read."""
        found: dict[str, Value] = {}
        for first in range(0, len(keys), BATCH):
            chunk = keys[first : first + BATCH]
            request = kv_pb2.BatchGetRequest(keys=chunk, consistency=QUORUM)
            try:
                response = await self.stubs[address].BatchGet(request, timeout=timeout)
            except grpc.aio.AioRpcError as error:
                raise _error_of(address, error) from None
            found |= {key: _content(key, one) for key, one in zip(chunk, response.results, strict=True)}
        return found


def _content(key: str, result: kv_pb2.BatchGetResult) -> Value:
    if result.HasField("error"):
        raise RuntimeError(f"{key} can't be read: {result.error.message}")
    if not result.found:
        return None
    return result.blob if result.WhichOneof("content") == "blob" else result.value


def _error_of(address: str, error: grpc.aio.AioRpcError) -> Exception:
    told = status.remote_error(address, error)
    if told is not None:
        return told
    if (error.details() or "").startswith(NEVER_SENT):
        return ConnectionRefusedError(f"{address}: {error.details()}")
    return ConnectionResetError(f"{address}: {error.code().name}")


@asynccontextmanager
async def nodes(addresses: Sequence[str]) -> AsyncIterator[Nodes]:
    """Channels to nodes, for the time of the block."""
    channels = {address: grpc.aio.insecure_channel(address, CHANNEL_OPTIONS) for address in addresses}
    try:
        yield Nodes({address: kv_pb2_grpc.KVServiceStub(channel) for address, channel in channels.items()})
    finally:
        for channel in channels.values():
            await channel.close()


async def write_unique(
    cluster: Nodes,
    load: Load,
    stop: asyncio.Event,
    *,
    writers: int = 20,
    seed: int = 1,
    delete_each: int = 5,
    name: str = "load",
    pause: float = 0.0,
) -> None:
    """Writers of keys of their own, one write after another each, until `stop`; each fifth is deleted.

    name: starts the keys. pause: seconds that a writer rests after each key.
    """

    async def work(writer: int) -> None:
        addresses, rng = cluster.addresses, Random(f"{seed} {writer}")
        at, count = rng.randrange(len(addresses)), 0
        while not stop.is_set():
            count += 1
            key = f"{name}-{writer}-{count}"
            for value in (f"value of {key}", None) if count % delete_each == 0 else (f"value of {key}",):
                done = await write_one(cluster, writer, addresses[at], key, value)
                load.note(done)
                if done.outcome is not Outcome.DONE:
                    at = (at + 1) % len(addresses)
                    await asyncio.sleep(0.02)  # as a client would, that doesn't spin
            await asyncio.sleep(pause)

    async with asyncio.TaskGroup() as group:
        for writer in range(writers):
            group.create_task(work(writer))


async def write_one(
    cluster: Nodes, client: int, address: str, key: str, value: str | None, timeout: float = PATIENCE
) -> Done:
    """Write or delete (None) a key at QUORUM through a node, once; what came of it."""
    start, version, text = time.monotonic(), 0, ""
    try:
        version = await cluster.set(address, key, value, timeout=timeout)
        outcome = Outcome.DONE
    except Exception as error:
        outcome, text = outcome_of(error), str(error)
    return Done(client, address, key, value, start, time.monotonic(), outcome, version, text)


async def complaints(cluster: Nodes, ledger: Ledger) -> list[str]:
    """What every node, asked at QUORUM, holds otherwise than the ledger says; empty: nothing."""
    keys = list(ledger.keys)
    told = []
    for address in cluster.addresses:
        found = await cluster.get_many(address, keys)
        told += [f"{address}: {text}" for key in keys if (text := ledger.complaint(key, found[key]))]
    return told


async def use_registers(
    cluster: Nodes, history: History, stop: asyncio.Event, *, clients: int = 10, keys: int = 4, seed: int = 1
) -> None:
    """Clients that read, write and delete few keys at LINEARIZABLE through any node, until `stop`."""

    async def use(client: int) -> None:
        rng, count = Random(f"{seed} {client}"), 0
        while not stop.is_set():
            count += 1
            key, address = f"register-{seed}-{rng.randrange(keys)}", rng.choice(cluster.addresses)
            kind = rng.choices([Kind.READ, Kind.WRITE, Kind.DELETE], [5, 4, 1])[0]
            if kind is Kind.READ:
                await history.read(str(client), key, partial(cluster.get, address, key, LINEARIZABLE))
            else:
                value = f"{client}.{count}" if kind is Kind.WRITE else None
                ask = partial(cluster.set, address, key, value, LINEARIZABLE)
                await history.write(str(client), key, value, ask)
            await asyncio.sleep(rng.uniform(0, 0.05))  # so that a key's history stays some hundred long

    async with asyncio.TaskGroup() as group:
        for client in range(clients):
            group.create_task(use(client))
