"""What a test asks of a real cluster whose members change, and the keys that it holds meanwhile.

It owns the questions and the load: many keys that never change, read all the time. It must never change the
cluster.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random

import grpc

from limedb.errors import LimeDBError
from limedb.operator.admin import AdminStatus, admin_client
from limedbpb.v1 import cluster_pb2, cluster_pb2_grpc, kv_pb2, record_pb2
from tests.scenarios.load import LINEARIZABLE, QUORUM, Nodes
from tests.support.clusters import Node

SECONDS = 10.0
WRITES = 1000  # in a batch
READS = 5000
AT_ONCE = 4  # batches under way
TRIES = 20

ONE = record_pb2.CONSISTENCY_ONE
ALL = record_pb2.CONSISTENCY_ALL
LEVELS = (ONE, QUORUM, ALL, LINEARIZABLE)


def status(node: Node) -> AdminStatus:
    """The cluster as a node reports it to its administrator."""
    with admin_client(node.address, SECONDS) as admin:
        return admin.status()


def state(node: Node) -> cluster_pb2.GetStateResponse:
    """The cluster in short, as a node sees it."""
    with grpc.insecure_channel(node.address) as channel:
        stub = cluster_pb2_grpc.ClusterServiceStub(channel)
        return stub.GetState(cluster_pb2.GetStateRequest(), timeout=SECONDS)


def stored(node: Node) -> int:
    """How many keys with a value a node holds."""
    with grpc.insecure_channel(node.address) as channel:
        stub = cluster_pb2_grpc.ClusterServiceStub(channel)
        return stub.GetHealth(cluster_pb2.GetHealthRequest(), timeout=SECONDS).storage.keys


def locate(node: Node, *keys: str) -> list[list[cluster_pb2.KeyOwner]]:
    """Who owns each key, and what each owner holds of it, as a node finds out."""
    with grpc.insecure_channel(node.address) as channel:
        stub = cluster_pb2_grpc.ClusterServiceStub(channel)
        asked = [cluster_pb2.LocateKeyRequest(key=key) for key in keys]
        return [list(stub.LocateKey(request, timeout=SECONDS).owners) for request in asked]


def is_settled(node: Node, members: Iterable[Node]) -> bool:
    """Whether these nodes are the members, as one of them sees it, and no change runs."""
    told = status(node)
    return told.phase == "steady" and {n.url for n in told.nodes if n.standing} == {m.url for m in members}


def is_whole(owners: Sequence[cluster_pb2.KeyOwner], replicas: int = 3) -> bool:
    """Whether a key is on as many living owners as it should be, the same on each."""
    kept = {owner.version for owner in owners if owner.has_record and owner.status == "active"}
    return len(owners) == replicas and len(kept) == 1 and all(owner.has_record for owner in owners)


async def fill(cluster: Nodes, keys: Sequence[str], level: record_pb2.Consistency = QUORUM) -> None:
    """Store each key under itself, in batches through all nodes.

    A node that gets no processor for most of a second is taken for hung, so what failed is written again:
    this is how a test gets its keys, not what it is about. AssertionError: some were not written.
    """
    gate = asyncio.Semaphore(AT_ONCE)

    async def write(number: int, chunk: Sequence[str]) -> None:
        failed = Counter[str]()
        for attempt in range(TRIES):
            address = cluster.addresses[(number + attempt) % len(cluster.addresses)]
            async with gate:
                answer = await cluster.stubs[address].BatchSet(
                    _batch(chunk, level), timeout=60, wait_for_ready=True
                )
            results = list(zip(chunk, answer.results, strict=True))
            failed = Counter(result.error.message for _, result in results if result.HasField("error"))
            chunk = [key for key, result in results if result.HasField("error")]
            if not chunk:
                return
            await asyncio.sleep(0.5)  # as a client would, that gives the cluster time
        raise AssertionError(f"{len(chunk)} keys were not written: {failed.most_common(3)}")

    async with asyncio.TaskGroup() as group:
        for number, start in enumerate(range(0, len(keys), WRITES)):
            group.create_task(write(number, keys[start : start + WRITES]))


def _batch(keys: Sequence[str], level: record_pb2.Consistency) -> kv_pb2.BatchSetRequest:
    writes = [kv_pb2.BatchWrite(key=key, value=key) for key in keys]
    return kv_pb2.BatchSetRequest(writes=writes, consistency=level)


async def missing(
    cluster: Nodes, address: str, keys: Sequence[str], level: record_pb2.Consistency = QUORUM
) -> list[str]:
    """Keys that don't hold themselves, read through one node in batches, with what came instead.

    What could not be read is read again, some times, as in `fill`.
    """
    gate, wrong = asyncio.Semaphore(AT_ONCE), []

    async def read(chunk: Sequence[str]) -> None:
        for attempt in range(TRIES):
            request = kv_pb2.BatchGetRequest(keys=chunk, consistency=level)
            async with gate:
                answer = await cluster.stubs[address].BatchGet(request, timeout=60, wait_for_ready=True)
            results = list(zip(chunk, answer.results, strict=True))
            failed = [key for key, result in results if result.HasField("error")]
            is_last = attempt == TRIES - 1
            bad = ((key, r) for key, r in results if r.value != key and (is_last or not r.HasField("error")))
            wrong.extend(f"{key}: {result}" for key, result in bad)
            if not failed:
                return
            chunk = failed
            await asyncio.sleep(0.5)  # as a client would, that gives the cluster time

    async with asyncio.TaskGroup() as group:
        for start in range(0, len(keys), READS):
            group.create_task(read(keys[start : start + READS]))
    return wrong


@dataclass
class Readers:
    """Readers of keys that hold themselves and never change, and what they saw. misses: keys that were
    answered otherwise; there must be none. failures: reads that were not answered.
    """

    cluster: Nodes
    keys: Sequence[str]
    level: record_pb2.Consistency = QUORUM
    reads: int = 0
    misses: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    async def run(self, stop: asyncio.Event, *, readers: int = 8, seed: int = 1) -> None:
        """Read random keys through random nodes until `stop`."""
        async with asyncio.TaskGroup() as group:
            for reader in range(readers):
                group.create_task(self._read(stop, Random(f"{seed} {reader}")))

    async def _read(self, stop: asyncio.Event, rng: Random) -> None:
        while not stop.is_set():
            key, address = rng.choice(self.keys), rng.choice(self.cluster.addresses)
            try:
                value = await self.cluster.get(address, key, self.level, timeout=SECONDS)
            except (LimeDBError, ConnectionError) as error:
                self.failures.append(f"{address}: {error}")
                await asyncio.sleep(0.05)  # as a client would, that doesn't spin
                continue
            self.reads += 1
            if value != key:
                self.misses.append(f"{address}: {key} is {value!r}")
