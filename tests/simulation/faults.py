"""Faults planted in the product, each of which a search must find.

It owns what is left out or done wrong. A fault is what the settings of a scenario give to all nodes:
an engine, of whose parts one is of another class, or another world. Nothing is patched.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from limedb.cluster.gossip.hearsay import Hearsay
from limedb.cluster.gossip.view import ClusterView
from limedb.cluster.topology.bootstrap import Bootstrap
from limedb.cluster.topology.first_claims import FirstClaims
from limedb.cluster.topology.manager import TopologyManager
from limedb.core.layout import Layout, Owners
from limedb.core.membership import Digest, NodeState
from limedb.core.quorum import Level
from limedb.core.record import Record
from limedb.core.slewed_time import SlewedTime
from limedb.core.topology import Fence, Topology
from limedb.engine import Engine, World
from limedb.errors import LimeDBError, OutcomeUnknownError, RemoteError, ReplicaUnreachableError
from limedb.ports import Applied, Held, Replica, Replicas, Saved
from limedb.ports.applied_columns import AppliedColumns, columns_of
from limedb.replication.checked_replicas import CheckedReplicas
from limedb.replication.clock_guard import ClockSkewGuard
from limedb.replication.coordinator import Coordinator, Write, Written
from limedb.replication.peer_door import PeerDoor
from limedb.replication.repair.range_sync import ReplicaCalls
from limedb.replication.replica import LocalReplica
from limedb.replication.streaming.handoff import Handoff, Part, StreamJob
from limedb.replication.streaming.transfer import Sources
from limedb.replication.write.batch_acks import BatchAcks
from limedb.replication.write.portions import is_large, portions
from limedb.replication.write.writer import Writer
from limedb.storage.memory.hints import MemoryHints
from tests.simulation.clock import SimClock
from tests.simulation.disk import SimStore
from tests.simulation.peers import Passing, among_peers

Fault = Mapping[str, Any]
"""Settings of a scenario."""


def engine_with(**classes: type) -> Fault:
    """An engine, of whose parts some are of other classes."""
    return {"engine": type("FaultyEngine", (Engine,), classes)}


def world_with(change: Callable[[World], World]) -> Fault:
    """A world that is changed before the engine has it."""
    return {"world": change}


# --- streaming


class _OneSource(Handoff):
    def sources(self, job: StreamJob, part: Part) -> Sources:
        return super().sources(job, part)._replace(others={}, needed=1)


ONE_SOURCE = engine_with(handoff_class=_OneSource)
"""A new owner fetches from one of the old ones only."""


def _fetching(calls: type[ReplicaCalls]) -> Fault:
    return engine_with(handoff_class=type("FaultyHandoff", (Handoff,), {"calls_class": calls}))


class _Missing(ReplicaCalls):
    async def copy(self, source: Replica, target: Replica, keys: Sequence[str]) -> None:
        held = await self.read(target, keys)
        await super().copy(source, target, [k for k, h in zip(keys, held, strict=True) if h is None])


class _FirstHalf(ReplicaCalls):
    async def copy(self, source: Replica, target: Replica, keys: Sequence[str]) -> None:
        try:
            await self.read(source, keys)
        except LimeDBError as error:
            if error.too_large:
                keys = keys[: len(keys) // 2]
        await super().copy(source, target, keys)


class _HereOnly(ReplicaCalls):
    async def read(self, replica: Replica, keys: Sequence[str]) -> list[Held]:
        try:
            return await super().read(replica, keys)
        except RemoteError as error:
            raise RemoteError("a peer", "ANY", "UNAVAILABLE", str(error)) from None


PULLS_WHAT_IS_MISSING = _fetching(_Missing)
"""A comparison brings what a side has nothing of, and not what it has older."""

HALF_OF_WHAT_IS_TOO_LARGE = _fetching(_FirstHalf)
"""Of keys that are too large together for one answer the second half is forgotten."""

TOO_LARGE_IS_KNOWN_HERE_ONLY = _fetching(_HereOnly)
"""A peer's answer that would be too large is taken for any other error."""


# --- hints and acknowledgements


class _NoHints(MemoryHints):
    def add(self, node_url: str, records: Sequence[Record], now_ms: int) -> bool:
        return False


NO_HINTS = world_with(lambda world: replace(world, hints=_NoHints()))
"""What a replica missed is never sent to it: no fault, for hints may be lost."""


class _AlwaysApplied(Passing):
    async def apply(
        self, records: Sequence[Record], fence: Fence, deadline: float, copied: bool = False
    ) -> list[Applied]:
        try:
            return await self.inner.apply(records, fence, deadline, copied)
        except (ReplicaUnreachableError, OutcomeUnknownError):
            return [Applied(0, False)] * len(records)


HINTS_ARE_ACKS = world_with(partial(among_peers, _AlwaysApplied))
"""A replica that is away counts as one that has the write: it is left a hint."""


# --- damage


def _believing(belief: Callable[[Record], Record | None]) -> Fault:
    def change(world: World) -> World:
        assert isinstance(world.store, SimStore)
        world.store.belief = belief
        return world

    return world_with(change)


NO_CHECKSUMS = _believing(lambda record: record)
"""What has rotted on a disk is taken for what was stored."""

ROT_IS_ABSENCE = _believing(lambda record: None)
"""A replica whose record is damaged answers that it has none, and takes any write in its place."""

SET_ASIDE_AND_STILL_A_MEMBER: Fault = {"successor": lambda saved, node_id: saved}
"""A node whose data was set aside remains who it was, instead of joining as a new one."""

SET_ASIDE_AND_FREE: Fault = {"successor": lambda saved, node_id: Saved(node_id)}
"""A node whose data was set aside begins as if there had never been a cluster."""


# --- who is who


class _AnyFounder(Bootstrap):
    def may_found(self, founder: str) -> bool:
        return True


PLEDGES_TO_ANYBODY = engine_with(
    topology_manager_class=type("FaultyManager", (TopologyManager,), {"bootstrap_class": _AnyFounder})
)
"""A fresh node pledges itself to whoever asks first."""


class _AnyCluster(FirstClaims):
    async def may_be_ours(self, claim: Topology) -> bool:
        return True


CLUSTERS_OF_ANYBODY = engine_with(first_claims_class=_AnyCluster)
"""A fresh node believes a first topology that any node confirms, whichever cluster the others are in."""

WHOEVER_ANSWERS: Fault = {"meant": lambda own_url, meant: None}
"""A node does what is meant for another, as if it were meant for it."""


# --- batches


class _AlwaysSucceeds(Coordinator):
    async def write_many(
        self, writes: Sequence[Write], level: Level | None, deadline: float
    ) -> list[Written | LimeDBError]:
        outcomes = await super().write_many(writes, level, deadline)
        if not is_large(writes, self.portion_bytes):
            return outcomes
        return [Written(1, False, 1, 1) if isinstance(o, LimeDBError) else o for o in outcomes]


class _LeavesOutTheLast(Coordinator):
    async def write_many(
        self, writes: Sequence[Write], level: Level | None, deadline: float
    ) -> list[Written | LimeDBError]:
        *kept, last = portions(writes, self.portion_bytes) if writes else [writes]
        if not kept:
            return await super().write_many(writes, level, deadline)
        outcomes = await super().write_many([write for p in kept for write in p], level, deadline)
        return outcomes + outcomes[-1:] * len(last)


class _FailsAll(Coordinator):
    async def write_many(
        self, writes: Sequence[Write], level: Level | None, deadline: float
    ) -> list[Written | LimeDBError]:
        outcomes = await super().write_many(writes, level, deadline)
        has_failed = outcomes and isinstance(outcomes[-1], LimeDBError)
        return outcomes[-1:] * len(outcomes) if has_failed else outcomes


class _AllShareOneCount(BatchAcks):
    def _part(self, answer: AppliedColumns) -> None:
        pass


class _AllApplied(Passing):
    async def apply(
        self, records: Sequence[Record], fence: Fence, deadline: float, copied: bool = False
    ) -> Sequence[Applied]:
        columns = columns_of(await self.inner.apply(records, fence, deadline, copied))
        return AppliedColumns(columns.existed, columns.previous)


class _FirstOwners(Writer):
    def _by_owners(
        self, layout: Layout, tokens: Iterable[int], count: int
    ) -> Sequence[tuple[Owners, Sequence[int]]]:
        ((owners, _), *_) = super()._by_owners(layout, tokens, count)
        return ((owners, range(count)),)


class _MoreIsNone(Passing):
    async def read(
        self, keys: Sequence[str], fence: Fence, deadline: float, most: int | None = None
    ) -> list[Held]:
        try:
            return await self.inner.read(keys, fence, deadline, most)
        except LimeDBError as error:
            if not error.too_large:
                raise
            return [None] * len(keys)


PORTIONS_THAT_ALWAYS_SUCCEED = engine_with(coordinator_class=_AlwaysSucceeds)
"""What fails a later portion of a batch is reported as success."""

PORTIONS_LEFT_OUT = engine_with(coordinator_class=_LeavesOutTheLast)
"""The last portion of a batch is dropped, and acknowledged with those before."""

FAILED_PORTIONS_FAIL_ALL = engine_with(coordinator_class=_FailsAll)
"""What fails a later portion is reported of those before, too."""

ALL_SHARE_ONE_COUNT = engine_with(
    coordinator_class=type(
        "FaultyCoordinator",
        (Coordinator,),
        {"writer_class": type("FaultyWriter", (Writer,), {"acks_class": _AllShareOneCount})},
    )
)
"""A replica that holds a newer record of one key counts as one that has all records of the batch."""

ALL_IS_APPLIED = world_with(partial(among_peers, _AllApplied))
"""A peer's answer in columns says that all is applied, whatever was refused."""

THE_FIRST_OWNERS = engine_with(
    coordinator_class=type("FaultyCoordinator", (Coordinator,), {"writer_class": _FirstOwners})
)
"""All records of a batch go to the owners of its first, whose acknowledgements count for all."""

MORE_IS_NONE = world_with(partial(among_peers, _MoreIsNone))
"""A replica that has more than it may answer is taken for one that has nothing."""


# --- time


def _unnoticed(world: World) -> World:
    assert isinstance(world.clock, SimClock)
    world.clock.notices_stops = False
    return world


TIME_OF_THE_MACHINE = world_with(_unnoticed)
"""A node takes the time in which it stood still for the others' silence."""


class _NoLead(SlewedTime):
    def lead(self, now_ms: float, at: float) -> float:
        return 0.0


TIME_STEPS_BACK = engine_with(
    skew_class=type("FaultyGuard", (ClockSkewGuard,), {"time_class": _NoLead}),
)
"""The cluster's time is that of its clocks, whatever happens to them."""
TIME_IS_FORGOTTEN = world_with(lambda world: replace(world, time_mark=None))
"""Nodes write no time down, so that after a restart they know only what their versions show."""


# --- what others say


class _AnyRecord(PeerDoor):
    def __init__(self, own: LocalReplica, skew: ClockSkewGuard) -> None:
        super().__init__(own, skew)
        self.inner = own

    async def apply(
        self, records: Sequence[Record], fence: Fence, deadline: float, copied: bool = False
    ) -> list[Applied]:
        return await self.inner.apply(records, fence, deadline, copied)


class _AnyAnswer(CheckedReplicas):
    def __init__(self, own_url: str, replicas: Replicas, *others: Any) -> None:
        super().__init__(own_url, replicas, *others)
        self.inner = replicas

    def at(self, node_url: str) -> Replica:
        return self.inner.at(node_url)


class _AnyGossip(Hearsay):
    def digests(self, digests: Iterable[Digest]) -> list[Digest]:
        return [digest for digest in digests if digest.url]

    def states(self, states: Iterable[NodeState]) -> list[NodeState]:
        return [state for state in states if state.url]


RECORDS_OF_ANY_TIME = engine_with(door_class=_AnyRecord)
"""What peers send is stored unseen."""

ANSWERS_OF_ANY_TIME = engine_with(replicas_class=_AnyAnswer)
"""What peers answer is counted unseen."""

GOSSIP_OF_ANYBODY = engine_with(view_class=type("FaultyView", (ClusterView,), {"hearsay_class": _AnyGossip}))
"""What anybody says of a node is taken for the node's own word."""
