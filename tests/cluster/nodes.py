"""Whole nodes in memory: topology, handoff and replica over simulated wires, and clients that use them.

It owns the wires and the disks of a test. A disk keeps what was saved, and outlives its node.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar
from uuid import UUID

from limedb.cluster.gossip.clock_skew import ClockSkewMonitor
from limedb.cluster.gossip.gossiper import Gossiper
from limedb.cluster.gossip.view import ClusterView
from limedb.cluster.topology.answers import TopologyAnswers
from limedb.cluster.topology.first_claims import FirstClaims
from limedb.cluster.topology.loopback import AllNodes
from limedb.cluster.topology.manager import TopologyManager
from limedb.cluster.topology.proposer import TopologyProposer
from limedb.cluster.topology.store import TopologyStore
from limedb.cluster.topology.verifier import Verifier
from limedb.core.detector import Status
from limedb.core.hlc import HybridClock
from limedb.core.key_range import KeyRange
from limedb.core.layout import Span
from limedb.core.membership import NodeState
from limedb.core.paxos import Acceptor, Ballot
from limedb.core.record import Record
from limedb.core.report import Progress
from limedb.core.topology import Fence, Phase, Topology
from limedb.errors import (
    LimeDBError,
    RemoteError,
    RequestTimeoutError,
    UnavailableError,
)
from limedb.ports import Account, Applied, IndexEntry, RangePage, Saved
from limedb.replication.clock_guard import ClockSkewGuard
from limedb.replication.in_flight import InFlight
from limedb.replication.replica import LocalReplica
from limedb.replication.streaming.handoff import Handoff
from limedb.storage.memory.operations import MemoryOperations
from limedb.storage.memory.store import MemoryStore
from tests.cluster.network import Transport, Wires, url_of
from tests.cluster.virtual import VirtualClock, wait_until

T = TypeVar("T")


@dataclass
class Disk:
    """What a node has on disk. seconds: the longest that a save takes."""

    rng: Random
    saved: Saved | None = None
    store: MemoryStore = field(default_factory=MemoryStore)
    operations: MemoryOperations = field(default_factory=MemoryOperations)
    seconds: float = 0.01
    fails: bool = False

    def load(self) -> Saved | None:
        return self.saved

    async def save(self, saved: Saved) -> None:
        await asyncio.sleep(self.rng.uniform(0, self.seconds))
        if self.fails:
            raise UnavailableError("the disk fails")
        self.saved = saved


@dataclass(frozen=True)
class Setup:
    """How a node is set up."""

    seeds: tuple[str, ...] = ()
    zone: str = ""
    virtual_nodes: int = 8
    replication_factor: int = 3
    interval: float = 1.0
    dead_node_timeout: float = 60.0
    may_found: bool = True


class Node:
    """A node that runs while it lives."""

    def __init__(self, cluster: "Cluster", url: str, setup: Setup, disk: Disk) -> None:
        self.cluster, self.url, self.setup, self.disk = cluster, url, setup, disk
        self.clock = clock = VirtualClock()
        rng = Random(f"{cluster.seed} {url} {clock.wall_ms()}")
        self.in_flight = InFlight()
        saved = disk.load() or Saved(str(UUID(int=rng.getrandbits(128), version=4)))
        self.topology_store = TopologyStore(saved, disk, self.in_flight.drained, clock.wall_ms)
        own = NodeState(
            url,
            clock.wall_ms(),
            zone=setup.zone,
            virtual_nodes=setup.virtual_nodes,
            replication_factor=setup.replication_factor,
        )
        self.view = ClusterView(
            own, clock, gossip_interval=setup.interval, own_fields=self.own_fields, members=self.member_ids
        )
        self.clocks = ClockSkewMonitor(clock, max_skew_ms=500, interval=setup.interval, members=self.members)
        self.gossiper = Gossiper(
            self.view,
            Transport(cluster, url),
            clock,
            interval=setup.interval,
            seeds=setup.seeds,
            rng=rng,
            clocks=self.clocks,
        )
        self.answers = TopologyAnswers(self.topology_store, lambda: self.topology_manager)
        self.topology = AllNodes(url, self.answers, TopologyWire(cluster, url))
        self.replica = LocalReplica(
            disk.store,
            clock,
            self.topology_store,
            self.in_flight,
            4 << 20,
            ClockSkewGuard(clock, 500),
            disk.operations,
        )
        self.replicas = ReplicaWires(self)
        first_claims = FirstClaims(self.view, clock, setup.seeds)
        self.verifier = Verifier(self.topology_store, self.topology, clock, first_claims)
        self.topology_proposer = TopologyProposer(
            self.topology_store, self.topology, self.verifier, clock, rng
        )
        self.handoff = Handoff(
            url, self.topology_store, self.replicas, self.topology, clock, _nothing_is_stale
        )
        self.topology_manager = TopologyManager(
            self.topology_store,
            self.topology_proposer,
            self.verifier,
            self.view,
            self.handoff,
            self.topology,
            clock,
            rng,
            interval=setup.interval,
            seeds=setup.seeds,
            dead_node_timeout=setup.dead_node_timeout,
            may_found=setup.may_found,
            has_data=self.has_data,
            nudge=self.gossiper.nudge,
        )
        self.topology_store.subscribe(lambda _, after: cluster.remember(url, after))
        self.hybrid = HybridClock()
        self.task = asyncio.create_task(self._run(), name=url)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.gossiper.run())
            tasks.create_task(self.topology_manager.run())

    def has_data(self) -> bool:
        return self.disk.store.high_water() > 0

    def own_fields(self) -> dict[str, object]:
        return {
            **self.topology_store.gossiped(),
            "has_data": self.has_data(),
            "keys": self.disk.store.count(),
        }

    def member_ids(self) -> dict[str, str]:
        return {member.url: member.node_id for member in self.topology_store.topology.members}

    def members(self) -> set[str]:
        return {member.url for member in self.topology_store.topology.members}

    @property
    def is_serving(self) -> bool:
        return (
            self.topology_store.is_member
            and self.topology_store.confirmed == self.topology_store.topology.fence
        )

    async def stop(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


class Cluster(Wires[Node]):
    """Nodes, and all topologies that any of them ever had."""

    def __init__(self, seed: int = 1, delay: float = 0.01, loss: float = 0.0) -> None:
        super().__init__(seed, delay, loss)
        self.disks: dict[str, Disk] = {}
        self.history: dict[Fence, Topology] = {}

    def start(self, i: int, seeds: Iterable[int] = (), **setup: object) -> Node:
        """Start a node, on the disk that it has from before."""
        url = url_of(i)
        disk = self.disks.setdefault(url, Disk(self.rng))
        node = Node(self, url, Setup(seeds=tuple(url_of(s) for s in seeds), **setup), disk)  # type: ignore[arg-type]
        self.nodes[url] = node
        return node

    async def restart(self, node: Node, *, wiped: bool = False, aside: bool = False) -> Node:
        """Kill a node and start it again. wiped: its disk is lost; aside: its data is set aside."""
        if node.url in self.nodes:
            await self.kill(node.url)
        if wiped or aside:
            del self.disks[node.url]
        disk = self.disks.setdefault(node.url, Disk(self.rng))
        self.nodes[node.url] = again = Node(self, node.url, node.setup, disk)
        return again

    def remember(self, url: str, topology: Topology) -> None:
        """There is one history: each epoch of a cluster has one content, on all nodes that know it."""
        known = self.history.setdefault(topology.fence, topology)
        assert known == topology or topology.is_fresh, f"{url} knows another {topology.fence}"

    def members(self) -> list[set[str]]:
        return [node.members() for node in self.nodes.values()]

    def is_steady(self, *urls: str) -> bool:
        """Whether all nodes agree on one steady cluster of those nodes, all of them serving."""
        topologies = {node.topology_store.topology for node in self.nodes.values() if node.url in urls}
        if len(topologies) != 1 or not set(urls) <= set(self.nodes):
            return False
        [topology] = topologies
        members = {member.url for member in topology.members}
        serving = all(self.nodes[url].is_serving for url in urls)
        return (
            topology.phase is Phase.STEADY
            and not topology.writes_suspended
            and members == set(urls)
            and serving
        )

    async def call(
        self, source: str, target: str, work: Callable[[Node], Awaitable[T]], timeout: float = 5.0
    ) -> T:
        """A request over the wires; it or its answer may get lost."""
        try:
            async with asyncio.timeout(timeout):
                node = await self.carry(source, target)
                answer = await self._served(node, work)
                if target != source:
                    await self.carry(target, source)
                return answer
        except TimeoutError:
            raise RequestTimeoutError(timeout, target) from None

    async def _served(self, node: Node, work: Callable[[Node], Awaitable[T]]) -> T:
        """The node's work continues when the caller is gone."""
        try:
            return await asyncio.shield(asyncio.ensure_future(work(node)))
        except UnavailableError:
            raise
        except LimeDBError as error:
            raise RemoteError(node.url, error.reason, "UNKNOWN", str(error)) from error


async def formed(cluster: Cluster, count: int, **setup: object) -> list[Node]:
    """A steady cluster of nodes 1 to count."""
    nodes = [cluster.start(i, seeds=[1], **setup) for i in range(1, count + 1)]
    await wait_until(lambda: cluster.is_steady(*[n.url for n in nodes]), limit=10)
    return nodes


class TopologyWire:
    """A node's `TopologyTransport`."""

    def __init__(self, cluster: Cluster, url: str) -> None:
        self._cluster, self._url = cluster, url

    async def prepare(
        self, node_url: str, before: Topology, ballot: Ballot, timeout: float
    ) -> Acceptor[Topology] | Topology:
        return await self._cluster.call(
            self._url, node_url, lambda n: n.answers.prepare(before, ballot), timeout
        )

    async def accept(
        self, node_url: str, before: Topology, ballot: Ballot, after: Topology, timeout: float
    ) -> Acceptor[Topology] | Topology:
        return await self._cluster.call(
            self._url, node_url, lambda n: n.answers.accept(before, ballot, after), timeout
        )

    async def pledge(self, node_url: str, founder: str, timeout: float) -> str:
        return await self._cluster.call(self._url, node_url, lambda n: n.answers.pledge(founder), timeout)

    async def learn(self, node_url: str, topology: Topology, timeout: float) -> Topology:
        return await self._cluster.call(self._url, node_url, lambda n: n.answers.learn(topology), timeout)

    async def account(self, node_url: str, after: int, timeout: float) -> Account:
        async def account(node: Node) -> Account:
            return node.answers.account(after)

        return await self._cluster.call(self._url, node_url, account, timeout)

    async def progress(self, node_url: str, timeout: float) -> Progress:
        async def progress(node: Node) -> Progress:
            return node.answers.progress()

        return await self._cluster.call(self._url, node_url, progress, timeout)


class ReplicaWires:
    """A node's `Replicas`."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def at(self, node_url: str) -> "ReplicaWire":
        return ReplicaWire(self._node.cluster, self._node.url, node_url)

    def is_reachable(self, node_url: str) -> bool:
        cluster, view = self._node.cluster, self._node.view
        return node_url == view.own_url or (
            cluster.reaches(view.own_url, node_url) and view.status(node_url) is not Status.DEAD
        )

    def absence(self, node_url: str) -> str:
        return "it is known to be down"


class ReplicaWire:
    """A `Replica` over the wires."""

    def __init__(self, cluster: Cluster, source: str, target: str) -> None:
        self._cluster, self._source, self._target = cluster, source, target

    async def _call(self, work: Callable[[LocalReplica], Awaitable[T]]) -> T:
        if self._source == self._target:
            return await work(self._cluster.nodes[self._target].replica)
        return await self._cluster.call(self._source, self._target, lambda node: work(node.replica), 1.0)

    async def read(
        self, keys: Sequence[str], fence: Fence, deadline: float, most: int | None = None
    ) -> list[Record | None]:
        return await self._call(lambda r: r.read(keys, fence, deadline, most))

    async def apply(
        self, records: Sequence[Record], fence: Fence, deadline: float, copied: bool = False
    ) -> list[Applied]:
        return await self._call(lambda r: r.apply(records, fence, deadline, copied))

    async def scan(self, span: Span, limit: int, fence: Fence, deadline: float) -> list[Record]:
        return await self._call(lambda r: r.scan(span, limit, fence, deadline))

    async def scan_range(
        self, keys: KeyRange, limit: int, fence: Fence, deadline: float, keys_only: bool = False
    ) -> RangePage:
        return await self._call(lambda r: r.scan_range(keys, limit, fence, deadline, keys_only))

    async def digests(
        self, spans: Sequence[Span], cutoff_ms: int, fence: Fence, deadline: float
    ) -> list[int]:
        return await self._call(lambda r: r.digests(spans, cutoff_ms, fence, deadline))

    async def entries(self, spans: Sequence[Span], fence: Fence, deadline: float) -> list[IndexEntry]:
        return await self._call(lambda r: r.entries(spans, fence, deadline))


async def _nothing_is_stale() -> bool:
    return True
