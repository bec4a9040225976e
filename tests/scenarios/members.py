"""What a test asks of a real cluster whose members change, and the keys that it holds meanwhile.

It owns the questions and the load: many keys that never change, read and written around. It must never change
the cluster.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import grpc

from limedb.errors import LimeDBError
from limedb.rpc.admin_calls import AdminStatus, admin_client
from limedbpb.v1 import cluster_pb2, cluster_pb2_grpc, kv_pb2, record_pb2
from tests.scenarios.load import QUORUM, Nodes
from tests.support.clusters import Node, RunningCluster

SECONDS = 10.0
WRITES = 1000  # in a batch
READS = 5000
AT_ONCE = 4  # batches under way


def status(node: Node) -> AdminStatus:
    """The cluster as a node tells its administrator."""
    with admin_client(node.address, SECONDS) as admin:
        return admin.status()


def health(node: Node) -> cluster_pb2.GetHealthResponse:
    """How a node does."""
    with grpc.insecure_channel(node.address) as channel:
        stub = cluster_pb2_grpc.ClusterServiceStub(channel)
        return stub.GetHealth(cluster_pb2.GetHealthRequest(), timeout=SECONDS)


def state(node: Node) -> cluster_pb2.GetStateResponse:
    """The cluster in short, as a node sees it."""
    with grpc.insecure_channel(node.address) as channel:
        stub = cluster_pb2_grpc.ClusterServiceStub(channel)
        return stub.GetState(cluster_pb2.GetStateRequest(), timeout=SECONDS)


def locate(node: Node, key: str) -> list[cluster_pb2.KeyOwner]:
    """Who owns a key, and what each owner holds of it, as a node finds out."""
    with grpc.insecure_channel(node.address) as channel:
        stub = cluster_pb2_grpc.ClusterServiceStub(channel)
        return list(stub.LocateKey(cluster_pb2.LocateKeyRequest(key=key), timeout=SECONDS).owners)


def stored(node: Node) -> int:
    """How many keys with a value a node holds."""
    return health(node).storage.keys


def is_settled(told: AdminStatus, members: Sequence[Node]) -> bool:
    """Whether these nodes are the members, and no change runs."""
    urls = {node.url for node in told.nodes if node.standing == "normal"}
    return told.phase == "steady" and urls == {node.url for node in members}


def node_id(running: RunningCluster, node: Node, asked: Node) -> str:
    """The id of a member; empty: it is none."""
    return next((m.node_id for m in state(asked).members if m.url == node.url), "")


async def fill(cluster: Nodes, keys: Sequence[str], level: int = QUORUM) -> None:
    """Store each key under itself, in batches through all nodes. AssertionError: one was not written."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def write(number: int, chunk: Sequence[str]) -> None:
        async with gate:
            writes = [kv_pb2.BatchWrite(key=key, value=key) for key in chunk]
            request = kv_pb2.BatchSetRequest(writes=writes, consistency=_level(level))
            answer = await cluster.stubs[_one(cluster, number)].BatchSet(request, timeout=60)
            assert [result.error.message for result in answer.results if result.HasField("error")] == []

    async with asyncio.TaskGroup() as group:
        for number, start in enumerate(range(0, len(keys), WRITES)):
            group.create_task(write(number, keys[start : start + WRITES]))


async def missing(cluster: Nodes, address: str, keys: Sequence[str], level: int = QUORUM) -> list[str]:
    """Keys that don't hold themselves, read through one node."""
    gate, found = asyncio.Semaphore(AT_ONCE), []

    async def read(chunk: Sequence[str]) -> None:
        async with gate:
            request = kv_pb2.BatchGetRequest(keys=chunk, consistency=_level(level))
            answer = await cluster.stubs[address].BatchGet(request, timeout=60)
        for key, result in zip(chunk, answer.results, strict=True):
            if result.value != key:
                found.append(f"{key}: {result}")

    async with asyncio.TaskGroup() as group:
        for start in range(0, len(keys), READS):
            group.create_task(read(keys[start : start + READS]))
    return found


@dataclass
class Readers:
    """What readers of keys that never change saw. misses: a key that was answered otherwise than it is stored;
    there must be none. failures: reads that were told to be impossible now.
    """

    reads: int = 0
    misses: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    async def run(
        self, cluster: Nodes, keys: Sequence[str], stop: asyncio.Event, *, readers: int = 8, seed: int = 1
    ) -> None:
        """Read random keys at QUORUM through all nodes until `stop`."""
        async with asyncio.TaskGroup() as group:
            for reader in range(readers):
                group.create_task(self._read(cluster, keys, stop, Random(f"{seed} {reader}")))

    async def _read(self, cluster: Nodes, keys: Sequence[str], stop: asyncio.Event, rng: Random) -> None:
        while not stop.is_set():
            key, address = rng.choice(keys), rng.choice(cluster.addresses)
            try:
                value = await cluster.get(address, key, timeout=SECONDS)
            except (LimeDBError, ConnectionError) as error:
                self.failures.append(f"{address}: {error}")
                await asyncio.sleep(0.05)  # as a client would, that doesn't spin
                continue
            self.reads += 1
            if value != key:
                self.misses.append(f"{address}: {key} is {value!r}")


def _one(cluster: Nodes, number: int) -> str:
    return cluster.addresses[number % len(cluster.addresses)]


def _level(level: int) -> record_pb2.Consistency:
    return record_pb2.Consistency.Name(level) and level  # type: ignore[return-value]
