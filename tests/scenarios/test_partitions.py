"""The network between nodes breaks: a majority continues, a minority reports failures, nothing is lost."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

import grpc
import pytest

from limedb.core.quorum import majority
from limedb.errors import LimeDBError, RemoteError
from limedbpb.v1 import cluster_pb2, cluster_pb2_grpc, topology_pb2, topology_pb2_grpc
from tests.scenarios.history import Outcome, outcome_of
from tests.scenarios.load import CHANNEL_OPTIONS, Load, Nodes, complaints, nodes, write_one, write_unique
from tests.support.netns_clusters import NetnsCluster, netns_cluster

MAJORITY, MINORITY = ("node1", "node2", "node3"), ("node4", "node5")
LASTS = [15.0, pytest.param(60.0, marks=pytest.mark.torture)]
WORST_SECONDS = 3.0
"""What a refusal may take at most; less than a second is usual."""
PATIENCE = 10.0
"""A client's, that wants to hear the node's own word."""
AT_ONCE = 32
LOOK_SECONDS = 0.2
FAST = {"GOSSIP_INTERVAL": "200ms", "REPAIR_INTERVAL": "5s"}

pytestmark = [pytest.mark.root, pytest.mark.long]


@pytest.mark.parametrize("seconds", LASTS)
async def test_the_majority_serves_meanwhile_and_the_minority_says_at_once_that_it_cannot(
    tmp_path: Path, seconds: float
) -> None:
    env = {"REPLICATION_FACTOR": "5", "REPAIR_INTERVAL": "5s"}  # so that the majority is each key's
    with netns_cluster(tmp_path, 5, env) as cluster:
        async with observed(cluster) as (clients, topologies):
            load, refusals = Load(), Refusals()
            async with loaded(clients.only(addresses(cluster, MAJORITY)), load):
                await split(cluster, topologies)
                began = time.monotonic()
                async with refused(clients.only(addresses(cluster, MINORITY)), load, refusals):
                    await asyncio.sleep(seconds)  # as long as the failure lasts
                ended = time.monotonic()
                await heal(cluster, topologies)
            after = await wait_replicas_agree(cluster, load.ledger.keys)
            _tell(f"majority: {load.report()}; minority: {refusals.report()}")
            _tell(f"all {len(load.ledger.keys)} keys on all replicas {after:.1f} s after healing")
            assert await complaints(clients, load.ledger) == []
        meanwhile = [done for done in load.operations if began <= done.start and done.end <= ended]
        for address in addresses(cluster, MAJORITY):
            assert sum(d.address == address and d.outcome is Outcome.DONE for d in meanwhile) > 3 * seconds
        assert load.ledger.counts[Outcome.DONE] > 0.9 * len(load.operations)
        assert len(refusals.given) > 3 * seconds
        refusals.check()
        topologies.check_one_history()
        assert topologies.fences() == topologies.fences("start")


async def test_a_majority_removes_those_cut_off_and_lets_them_in_again(tmp_path: Path) -> None:
    env = FAST | {"REPLICATION_FACTOR": "5", "DEAD_NODE_TIMEOUT": "3s"}
    with netns_cluster(tmp_path, 5, env) as cluster:
        async with observed(cluster) as (clients, topologies):
            load, refusals = Load(), Refusals()
            async with loaded(clients.only(addresses(cluster, MAJORITY)), load):
                await split(cluster, topologies)
                async with refused(clients.only(addresses(cluster, MINORITY)), load, refusals):
                    await wait_until("three are left", lambda: _have_members(cluster, MAJORITY, 3), 60)
                await heal(cluster, topologies)
            seconds = await wait_replicas_agree(cluster, load.ledger.keys)
            _tell(f"majority: {load.report()}; minority: {refusals.report()}")
            _tell(f"all {len(load.ledger.keys)} keys on all replicas {seconds:.1f} s after all were in again")
            assert await complaints(clients, load.ledger) == []
        refusals.check()
        topologies.check_one_history()
        minority = topologies.fences("split", addresses(cluster, MINORITY))
        assert minority == topologies.fences("start")  # it decided nothing
        assert len(topologies.fences("split", addresses(cluster, MAJORITY)) - minority) >= 2
        for name in MINORITY:
            assert list((tmp_path / "cluster").glob(f"{name}/*.removed-*")), f"{name} set its data aside"


async def test_with_three_replicas_each_key_is_served_on_one_side_and_nobody_is_removed(
    tmp_path: Path,
) -> None:
    keys = [f"split-{number}" for number in range(40)]
    with netns_cluster(tmp_path, 5, FAST | {"DEAD_NODE_TIMEOUT": "2s"}) as cluster:
        async with observed(cluster) as (clients, topologies):
            load = Load()
            owners = {key: [owner.url for owner in await locate(cluster, key)] for key in keys}
            await split(cluster, topologies)
            for key in keys:
                assert await _sides_that_serve(cluster, clients, load, key) == {_side(owners[key], cluster)}
            assert {_side(urls, cluster) for urls in owners.values()} == {MAJORITY, MINORITY}
            await wait_until("they are dead for long enough", lambda: _are_dead_for(cluster, 4.0))
            await heal(cluster, topologies)
            seconds = await wait_replicas_agree(cluster, keys)
            _tell(f"{load.report()}; all keys on all replicas {seconds:.1f} s after healing")
            assert await complaints(clients, load.ledger) == []
        topologies.check_one_history()
        assert topologies.fences() == topologies.fences("start")


async def test_nothing_is_lost_when_one_node_is_heard_by_nobody_and_then_hears_nobody(tmp_path: Path) -> None:
    with netns_cluster(tmp_path, 5, {"REPAIR_INTERVAL": "5s"}) as cluster:
        others = [name for name in cluster.nodes if name != "node3"]
        async with observed(cluster) as (clients, topologies):
            load = Load()
            async with loaded(clients, load):
                for cuts in ([("node3", other) for other in others], [(other, "node3") for other in others]):
                    for source, target in cuts:
                        await asyncio.to_thread(cluster.cut, source, target)
                    await asyncio.sleep(6)  # as long as the failure lasts
                    await heal(cluster, topologies)
            seconds = await wait_replicas_agree(cluster, load.ledger.keys)
            _tell(f"{load.report()}; all keys on all replicas {seconds:.1f} s after healing")
            assert load.ledger.counts[Outcome.DONE] > 300
            assert await complaints(clients, load.ledger) == []
        topologies.check_one_history()
        assert topologies.fences() == topologies.fences("start")


# --- the network


async def split(cluster: NetnsCluster, topologies: "Topologies") -> None:
    """Part the majority from the minority."""
    await asyncio.to_thread(cluster.partition, MAJORITY, MINORITY)
    topologies.stage = "split"


async def heal(cluster: NetnsCluster, topologies: "Topologies") -> None:
    """Let everything pass again; return when each node sees all of them."""
    topologies.stage = "healed"
    await asyncio.to_thread(cluster.heal)
    await asyncio.to_thread(cluster.wait_whole, limit=90.0)


# --- clients


@asynccontextmanager
async def loaded(clients: Nodes, load: Load) -> AsyncIterator[None]:
    """Writers of keys of their own for the time of the block."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(write_unique(clients, load, stop, writers=6, pause=0.05))
        try:
            yield
        finally:
            stop.set()


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a request got. seconds: until then. code: gRPC's, "OK" for what was served."""

    address: str
    seconds: float
    code: str
    text: str


@dataclass
class Refusals:
    """What nodes that can't serve answered."""

    given: list[Refusal] = field(default_factory=list)

    def check(self) -> None:
        """Each request was refused, and soon."""
        assert [one for one in self.given if one.code != "UNAVAILABLE"] == []
        assert max(one.seconds for one in self.given) < WORST_SECONDS

    def report(self) -> str:
        """The figures in a line."""
        seconds = [one.seconds for one in self.given]
        return (
            f"{len(seconds)} requests refused, half of them within {median(seconds) * 1000:.1f} ms,"
            f" the slowest within {max(seconds):.2f} s"
        )

    async def ask(self, address: str, request: Callable[[], Awaitable[object]]) -> Outcome:
        """Ask, and keep what came."""
        start, code, text, outcome = time.monotonic(), "OK", "", Outcome.DONE
        try:
            await request()
        except (LimeDBError, ConnectionError) as error:
            code = error.code if isinstance(error, RemoteError) else "no answer"
            text, outcome = str(error), outcome_of(error)
        self.given.append(Refusal(address, time.monotonic() - start, code, text))
        return outcome


@asynccontextmanager
async def refused(clients: Nodes, load: Load, refusals: Refusals) -> AsyncIterator[None]:
    """A client of each of some nodes that can't serve: it writes a key, reads it, and so on."""
    stop = asyncio.Event()

    async def use(address: str) -> None:
        count = 0
        while not stop.is_set():
            count += 1
            key = f"refused-{address}-{count}"
            write = partial(clients.set, address, key, "v", timeout=PATIENCE)
            load.ledger.note(key, "v", await refusals.ask(address, write))
            await refusals.ask(address, partial(clients.get, address, key, timeout=PATIENCE))
            await asyncio.sleep(0.1)  # between two keys

    async with asyncio.TaskGroup() as group:
        for address in clients.addresses:
            group.create_task(use(address))
        try:
            yield
        finally:
            stop.set()


async def _sides_that_serve(
    cluster: NetnsCluster, clients: Nodes, load: Load, key: str
) -> set[Sequence[str]]:
    """Write a key through each node, and read it where that went well."""
    served = set()
    for name, node in cluster.nodes.items():
        done = await write_one(clients, 0, node.address, key, f"{key} by {name}", PATIENCE)
        load.note(done)
        if done.outcome is Outcome.DONE:
            assert await clients.get(node.address, key, timeout=PATIENCE) == done.value
            served.add(MAJORITY if name in MAJORITY else MINORITY)
    return served


def _side(owners: Sequence[str], cluster: NetnsCluster) -> Sequence[str]:
    """The side that has a majority of a key's owners."""
    here = sum(cluster.nodes[name].url in owners for name in MAJORITY)
    return MAJORITY if here >= majority(len(owners)) else MINORITY


# --- what nodes hold


async def locate(cluster: NetnsCluster, key: str) -> Sequence[cluster_pb2.KeyOwner]:
    """Who owns a key, and what they hold of it."""
    (owners,) = await _locate(cluster, [key])
    return owners


async def wait_replicas_agree(cluster: NetnsCluster, keys: Collection[str], limit: float = 90.0) -> float:
    """Return when all replicas of each key hold the same, by no read that mends; after how many seconds."""
    left, start = list(keys), time.monotonic()
    while left:
        found = dict(zip(left, await _locate(cluster, left), strict=True))
        left = [key for key, owners in found.items() if not _agree(owners)]
        assert not left or time.monotonic() - start < limit, f"{len(left)} keys differ: {found[left[0]]}"
        await asyncio.sleep(LOOK_SECONDS)  # between two looks
    return time.monotonic() - start


async def _locate(cluster: NetnsCluster, keys: Sequence[str]) -> list[Sequence[cluster_pb2.KeyOwner]]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def ask(number: int, key: str) -> Sequence[cluster_pb2.KeyOwner]:
        async with gate:
            request = cluster_pb2.LocateKeyRequest(key=key)
            return (await stubs[number % len(stubs)].LocateKey(request, timeout=PATIENCE)).owners

    async with channels(addresses(cluster)) as by_address:
        stubs = [cluster_pb2_grpc.ClusterServiceStub(channel) for channel in by_address.values()]
        return await asyncio.gather(*(ask(number, key) for number, key in enumerate(keys)))


def _agree(owners: Sequence[cluster_pb2.KeyOwner]) -> bool:
    told = {(owner.has_record, owner.version, owner.tombstone) for owner in owners}
    return len(told) == 1 and not any(owner.error for owner in owners)


# --- what nodes know of the topology


@dataclass
class Topologies:
    """What was seen of the topology: at which stage of the test, where, its fence and content."""

    stage: str = "start"
    seen: set[tuple[str, str, tuple[int, int], bytes]] = field(default_factory=set)

    def note(self, address: str, topology: topology_pb2.Topology) -> None:
        """A node knows this one."""
        content = topology.SerializeToString(deterministic=True)
        self.seen.add((self.stage, address, (topology.cluster_id, topology.epoch), content))

    def fences(self, stage: str = "", at: Collection[str] = ()) -> set[tuple[int, int]]:
        """Cluster id and epoch of what was seen at a stage (any) by some nodes (any)."""
        return {
            fence
            for when, address, fence, _ in self.seen
            if stage in ("", when) and (not at or address in at)
        }

    def check_one_history(self) -> None:
        """Never two clusters, nor two contents of one epoch. A node that is to rejoin knows none."""
        contents: dict[tuple[int, int], set[bytes]] = defaultdict(set)
        for _, _, fence, content in self.seen:
            contents[fence].add(content)
        assert {fence: told for fence, told in contents.items() if len(told) > 1} == {}
        assert len({cluster_id for cluster_id, epoch in contents if epoch}) == 1


@asynccontextmanager
async def observed(cluster: NetnsCluster) -> AsyncIterator[tuple[Nodes, Topologies]]:
    """Clients of all nodes, and the topologies that the nodes know, for the time of the block."""
    topologies = Topologies()
    async with nodes(addresses(cluster)) as clients, channels(addresses(cluster)) as by_address:
        stubs = {at: topology_pb2_grpc.TopologyServiceStub(channel) for at, channel in by_address.items()}
        watch = [asyncio.create_task(_watch(address, stub, topologies)) for address, stub in stubs.items()]
        await wait_until("all tell their topology", lambda: _has_seen(topologies, len(watch)))
        try:
            yield clients, topologies
        finally:
            for task in watch:
                task.cancel()
            ends = await asyncio.gather(*watch, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ends), ends


async def _watch(
    address: str, stub: "topology_pb2_grpc.TopologyServiceAsyncStub", topologies: Topologies
) -> None:
    while True:
        stage = topologies.stage
        try:
            answer = await stub.Fetch(topology_pb2.FetchRequest(), timeout=PATIENCE)
        except grpc.aio.AioRpcError:
            answer = None  # it starts anew
        if answer is not None and stage == topologies.stage:
            topologies.note(address, answer.topology)
        await asyncio.sleep(LOOK_SECONDS)  # between two looks


async def _has_seen(topologies: Topologies, count: int) -> bool:
    return len({address for _, address, _, _ in topologies.seen}) == count


async def _have_members(cluster: NetnsCluster, names: Iterable[str], count: int) -> bool:
    """Whether nodes know a settled topology of so many members."""
    async with channels(addresses(cluster, names)) as by_address:
        stubs = [cluster_pb2_grpc.ClusterServiceStub(channel) for channel in by_address.values()]
        request = cluster_pb2.GetStateRequest()
        states = [await stub.GetState(request, timeout=PATIENCE) for stub in stubs]
    return all(state.total_nodes == count and state.phase == "steady" for state in states)


async def _are_dead_for(cluster: NetnsCluster, seconds: float) -> bool:
    """Whether each node of the majority has taken the minority for dead for so long."""
    async with channels(addresses(cluster, MAJORITY)) as by_address:
        stubs = [topology_pb2_grpc.TopologyServiceStub(channel) for channel in by_address.values()]
        request = topology_pb2.GetProgressRequest()
        told = [(await stub.GetProgress(request, timeout=PATIENCE)).dead for stub in stubs]
    return all(dead.get(cluster.nodes[name].url, 0.0) >= seconds for dead in told for name in MINORITY)


# --- small things


def addresses(cluster: NetnsCluster, names: Iterable[str] | None = None) -> list[str]:
    """The addresses of some nodes, or of all."""
    return [cluster.nodes[name].address for name in (cluster.nodes if names is None else names)]


@asynccontextmanager
async def channels(of: Iterable[str]) -> "AsyncIterator[dict[str, grpc.aio.Channel]]":
    """Channels by address, for the time of the block."""
    made = {address: grpc.aio.insecure_channel(address, CHANNEL_OPTIONS) for address in of}
    try:
        yield made
    finally:
        for channel in made.values():
            await channel.close()


async def wait_until(what: str, look: Callable[[], Awaitable[bool]], limit: float = 30.0) -> None:
    """Look again and again until it is so. AssertionError: not within the limit, in seconds."""
    end = time.monotonic() + limit
    while not await look():
        assert time.monotonic() < end, f"{what}: not within {limit} s"
        await asyncio.sleep(LOOK_SECONDS)  # between two looks


def _tell(text: str) -> None:
    print(text)  # noqa: T201 (shown by pytest -s)
