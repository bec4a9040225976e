"""Who lies in a simulation: a stranger that sends what it likes, and a member that answers what it likes.

It owns the lies. What it never does, for nothing could be promised then: acknowledge what it doesn't store,
say that it holds nothing where it holds something, or hold a place of a majority.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import Any

from limedb.cluster.topology.loopback import TopologyKeeper
from limedb.core.idempotency import AgreedVersion, Proposal, State, WriteId
from limedb.core.key_range import KeyRange
from limedb.core.layout import Span
from limedb.core.paxos import Acceptor, Ballot
from limedb.core.record import Record
from limedb.core.report import Progress
from limedb.core.selection import WatchFilter
from limedb.core.topology import Fence, Member, MemberState, Phase, Topology, hand_over, remove
from limedb.errors import LimeDBError, StaleEpochError, TopologyChangeError
from limedb.ports import Account, Applied, ChangeBatch, IndexEntry, KeyPromises, Promised, RangePage, Replica
from tests.simulation.clock import SimClock
from tests.simulation.gossip_lies import false_gossip
from tests.simulation.loop import Process
from tests.simulation.network import UnansweredError, UnsentError
from tests.simulation.node import SimNode
from tests.simulation.sim import Sim

FAR = (1 << 64) - 1
HOUR = 3_600_000 << 16
"""Of versions."""


def forged(rng: Random, true: Topology) -> Topology:
    """A topology that was never decided, made of a true one."""
    one = rng.choice(true.members)
    later = replace(true, epoch=true.epoch + rng.choice([1, 1, 2, 5]))
    steady = tuple(replace(member, standing=MemberState.NORMAL) for member in true.members)
    elsewhere = tuple(
        replace(m, url=f"http://elsewhere{i}:1", standing=MemberState.NORMAL) for i, m in enumerate(steady)
    )
    lies: list[Callable[[], Topology]] = [
        lambda: replace(true, epoch=FAR),
        lambda: replace(true, epoch=1 << 47),
        lambda: replace(later, replication_factor=0),
        lambda: replace(later, replication_factor=1),
        lambda: replace(later, members=()),
        lambda: replace(later, members=(replace(one, virtual_nodes=10**6),)),
        lambda: replace(later, phase=Phase.STEADY, members=(replace(one, standing=MemberState.NORMAL),)),
        lambda: replace(
            later, phase=Phase.STEADY, members=tuple(m for m in steady if m.node_id != one.node_id)
        ),
        lambda: replace(later, phase=Phase.STEADY, members=elsewhere),
        lambda: replace(later, phase=Phase.STEADY, members=(Member("evil", "http://elsewhere:1"),)),
        lambda: replace(later, writes_suspended=True, phase=Phase.STEADY, members=steady),
        lambda: replace(later, members=(*true.members, *true.members)),
        lambda: replace(true, members=tuple(m for m in true.members if m is not one)),
        lambda: hand_over(true),
        lambda: remove(true, one.node_id),
        lambda: hand_over(remove(true, one.node_id)),
    ]
    while True:
        with suppress(TopologyChangeError, ValueError):
            return rng.choice(lies)()


class Stranger:
    """Sends forged messages to all nodes while `run` runs. It is on the network, and no node."""

    def __init__(self, sim: Sim, pause: float = 0.2) -> None:
        self._sim, self._rng, self._pause = sim, sim.rng("stranger"), pause
        self.url, self.clock, self.program = "http://elsewhere:1", SimClock(), None
        self.process: Process | None = Process(self.url)
        self.sent = 0

    async def run(self) -> None:
        lies = [self._learn, self._prepare, self._accept, self._pledge, self._apply, self._agree]
        while True:
            await asyncio.sleep(self._rng.expovariate(1 / self._pause))
            for node in self._sim.up:
                program: Any = node.program
                if program is None:
                    continue
                self.sent += 1
                true = program.engine.topology_store.topology
                lie = self._pledge(true) if true.is_fresh else self._rng.choice(lies)(true)
                if self._rng.random() < 0.2:
                    self._sim.start(self._send(node, self._gossip(node)), f"gossip to {node.url}")
                self._sim.start(self._send(node, lie), f"lie to {node.url}")

    async def _send(self, node: SimNode, lie: Callable[[Any], Any]) -> None:
        with suppress(LimeDBError, UnsentError, UnansweredError, TimeoutError, ConnectionError):
            await self._sim.network.call(self, node.url, "lie", lie, 5.0)

    def _gossip(self, node: SimNode) -> Callable[[Any], Any]:
        program: Any = node.program
        return false_gossip(self._rng, program.engine.view, node.clock.wall_ms())

    def _learn(self, true: Topology) -> Callable[[Any], Any]:
        topology = forged(self._rng, true)
        return lambda p: p.topology.learn(topology)

    def _ballot(self, true: Topology) -> Ballot:
        who = self._rng.choice([member.node_id for member in true.members])
        rounds = [1, 2, self._rng.getrandbits(30), 1 << 40, 1 << 62, FAR]
        return Ballot(self._rng.choice(rounds), f"{who}/{self._rng.getrandbits(32):x}")

    def _prepare(self, true: Topology) -> Callable[[Any], Any]:
        before = self._rng.choice([true, true, forged(self._rng, true)])
        ballot = self._ballot(true)
        return lambda p: p.topology.prepare(before, ballot)

    def _accept(self, true: Topology) -> Callable[[Any], Any]:
        ballot, after = self._ballot(true), forged(self._rng, true)
        return lambda p: p.topology.accept(true, ballot, after)

    def _pledge(self, true: Topology) -> Callable[[Any], Any]:
        founder = self._rng.choice([self.url, "http://a:1", *sorted(self._sim.nodes)])
        return lambda p: p.topology.pledge(founder)

    def _apply(self, true: Topology) -> Callable[[Any], Any]:
        key = f"u{self._rng.randrange(4)}.{self._rng.randrange(60)}"
        record = Record(key, self._rng.choice(["lie", None]), self._rng.choice([FAR, FAR - HOUR, FAR >> 1]))
        too_large = Record("k" * 100_000, "lie", 1)
        records = [self._rng.choice([record, record, Record(key, None, 0), too_large])]
        return lambda p: p.replica.apply(records, true.fence, 1e9)

    def _agree(self, true: Topology) -> Callable[[Any], Any]:
        operation = WriteId(self._rng.randbytes(16), self._rng.getrandbits(64), 0)
        proposal = Proposal(operation, Ballot(1, "evil"), AgreedVersion(FAR, 0, False))
        return lambda p: p.replica.agree([proposal], true.fence, 1e9)


class LyingReplica:
    """The replica of a lying member: it does what it is asked, and mostly says so. share: of answers that
    are lies.
    """

    def __init__(self, own: Replica, known: Callable[[], Topology], rng: Random, share: float) -> None:
        self._own, self._known, self._rng, self._share = own, known, rng, share

    @property
    def _lies(self) -> bool:
        return self._rng.random() < self._share

    def _may_claim(self) -> None:
        if self._rng.random() < self._share / 2:
            raise StaleEpochError(forged(self._rng, self._known()))

    async def read(
        self, keys: Sequence[str], fence: Fence, deadline: float, most: int | None = None
    ) -> list[Record | None]:
        self._may_claim()
        found = await self._own.read(keys, fence, deadline, most)
        if not self._lies:
            return found
        far = [Record(key, "lie", FAR) for key in keys]
        return self._rng.choice([far, [Record("x", "lie", 5)] * len(keys), [*found, None]])

    async def compare(self, keys: Sequence[str], sums: bytes, fence: Fence, deadline: float) -> Sequence[int]:
        self._may_claim()
        places = await self._own.compare(keys, sums, fence, deadline)
        return [*places, len(keys) + self._rng.getrandbits(31)] if self._lies else places

    async def apply(
        self, records: Sequence[Record], fence: Fence, deadline: float, copied: bool = False
    ) -> list[Applied]:
        self._may_claim()
        applied = await self._own.apply(records, fence, deadline, copied)
        if not self._lies:
            return applied
        return self._rng.choice([[Applied(FAR, False, FAR)] * len(records), [*applied, *applied]])

    async def scan(self, span: Span, limit: int, fence: Fence, deadline: float) -> list[Record]:
        self._may_claim()
        found = await self._own.scan(span, limit, fence, deadline)
        return [*found, Record("lie", "lie", FAR)] if self._lies else found

    async def scan_range(
        self, keys: KeyRange, limit: int, fence: Fence, deadline: float, keys_only: bool = False
    ) -> RangePage:
        self._may_claim()
        page = await self._own.scan_range(keys, limit, fence, deadline, keys_only)
        return page if not self._lies else RangePage([*page.records, *page.records], False)

    async def watch(
        self, what: WatchFilter, since_ms: int | None, fence: Fence
    ) -> AsyncGenerator[ChangeBatch, None]:
        async for batch in self._own.watch(what, since_ms, fence):
            yield batch

    async def digests(
        self, spans: Sequence[Span], cutoff_ms: int, fence: Fence, deadline: float
    ) -> list[int]:
        self._may_claim()
        digests = await self._own.digests(spans, cutoff_ms, fence, deadline)
        return digests[1:] if self._lies else digests

    async def entries(self, spans: Sequence[Span], fence: Fence, deadline: float) -> list[IndexEntry]:
        self._may_claim()
        entries = await self._own.entries(spans, fence, deadline)
        return [*entries, IndexEntry("lie", FAR, 1, 0)] if self._lies else entries

    async def agree(self, proposals: Sequence[Proposal], fence: Fence, deadline: float) -> list[State | None]:
        self._may_claim()
        states = await self._own.agree(proposals, fence, deadline)
        return states[1:] if self._lies else states

    async def promise(self, key: str, ballot: int, fence: Fence, deadline: float) -> Promised:
        self._may_claim()
        promised = await self._own.promise(key, ballot, fence, deadline)
        return Promised(True, FAR, Record("lie", "lie", FAR)) if self._lies else promised

    async def release(self, key: str, ballot: int, fence: Fence, deadline: float) -> None:
        await self._own.release(key, ballot, fence, deadline)

    async def promises(self, spans: Sequence[Span], fence: Fence, deadline: float) -> list[KeyPromises]:
        self._may_claim()
        promises = await self._own.promises(spans, fence, deadline)
        return [*promises, KeyPromises("lie", (FAR,))] if self._lies else promises


class LyingTopology:
    """How a lying member takes part in agreeing."""

    def __init__(self, own: TopologyKeeper, known: Callable[[], Topology], rng: Random, share: float) -> None:
        self._own, self._known, self._rng, self._share = own, known, rng, share

    def _forged(self) -> Topology | None:
        return forged(self._rng, self._known()) if self._rng.random() < self._share else None

    async def prepare(self, before: Topology, ballot: Ballot) -> Acceptor[Topology] | Topology:
        return self._forged() or await self._own.prepare(before, ballot)

    async def accept(
        self, before: Topology, ballot: Ballot, after: Topology
    ) -> Acceptor[Topology] | Topology:
        return self._forged() or await self._own.accept(before, ballot, after)

    async def pledge(self, founder: str) -> str:
        return await self._own.pledge(founder)

    async def learn(self, topology: Topology) -> Topology:
        return self._forged() or await self._own.learn(topology)

    def account(self, after: int) -> Account:
        lie = self._forged()
        if lie is None:
            return self._own.account(after)
        vote = Ballot(self._rng.getrandbits(20), "evil")
        return self._rng.choice([Account((lie,)), Account((self._known(),), Acceptor(vote, vote, lie))])

    def progress(self) -> Progress:
        return replace(self._own.progress(), dead=dict.fromkeys((m.url for m in self._known().members), 1e9))


class FalseFounder(LyingTopology):
    """A member that names to each fresh node a cluster of the two of them, and confirms it when it is asked.
    It agrees with the others as ever.
    """

    def __init__(self, node: SimNode) -> None:
        self._node, self._sim = node, node.sim
        self._program: Any = node.program
        store = self._program.engine.topology_store
        super().__init__(self._program.topology, lambda: store.topology, node.sim.rng("false founder"), 0.0)
        self._claim: Topology | None = None
        self._program.topology = self

    async def run(self) -> None:
        """Send it to the fresh nodes, as soon as there are any."""
        while True:
            await asyncio.sleep(0.02)
            for node in self._sim.up:
                program: Any = node.program
                if program is not None and program.engine.topology_store.topology.is_fresh:
                    self._claim = self._false(program.engine.topology_store.node_id, node.url)
                    self._sim.start(self._send(node, self._claim), f"false cluster to {node.url}")

    def _false(self, node_id: str, url: str) -> Topology:
        true = self._known()
        own = next(member for member in true.members if member.url == self._node.url)
        members = sorted((own, replace(own, node_id=node_id, url=url)), key=lambda member: member.node_id)
        return Topology("e" * 16, 1, true.replication_factor, tuple(members))

    async def _send(self, node: SimNode, claim: Topology) -> None:
        with suppress(LimeDBError, UnansweredError, UnsentError, TimeoutError, ConnectionError):
            await self._sim.network.call(self._node, node.url, "lie", lambda p: p.topology.learn(claim), 5.0)

    def account(self, after: int) -> Account:
        true = self._own.account(after)
        return true if self._claim is None else replace(true, since=(self._claim, *true.since))


def lie_from_now_on(node: SimNode, share: float = 0.3) -> None:
    """Make a member a liar, until it is started again."""
    program: Any = node.program
    topology_store, rng = program.engine.topology_store, node.sim.rng(f"liar {node.url}")
    program.topology = LyingTopology(program.topology, lambda: topology_store.topology, rng, share)
    program.answers = LyingReplica(program.answers, lambda: topology_store.topology, rng, share)
