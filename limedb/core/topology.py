"""The topology: the numbered document that says which nodes own the ring.

It owns the document and which documents may follow it. It must never decide more: `core/layout.py` maps
tokens to owners under it, `core/paxos.py` has the rules of agreement. Gossip is an opinion about the existing
nodes; the topology is agreed.

A change takes three epochs after the steady one:

STEADY ──▶ STREAMING ──▶ HANDOVER ──▶ STEADY
                   └──▶ STEADY (cancelled)

STREAMING: reads ask the old owners, writes go to old and new ones, and the new ones fetch what they lack.
HANDOVER: reads ask the new owners, writes still go to both, so that a coordinator that still reads from the
old ones, since it has not heard of this epoch, misses nothing. Each step is taken only when every range has a
majority of old owners that know the one before (`cluster/topology/manager.py`). Source: Cassandra's CEP-21,
"Transactional Cluster Metadata" (start, mid and finish of a join).
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import NamedTuple

from limedb.errors import TopologyChangeError


class MemberState(StrEnum):
    """The state of a member."""

    JOINING = "joining"
    NORMAL = "normal"
    LEAVING = "leaving"
    REMOVING = "removing"


class Phase(StrEnum):
    """How far a change is."""

    STEADY = "steady"
    STREAMING = "streaming"
    HANDOVER = "handover"


class Fence(NamedTuple):
    """The topology under which a message between replicas was made. Epoch 0: none."""

    cluster_id: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Member:
    """A node of the topology."""

    node_id: str
    """A UUID that the node keeps with its data. The same URL with another id means a node that lost its
    data.
    """
    url: str
    """Its name on the ring."""
    zone: str = ""
    """Host or rack; empty if none was set."""
    virtual_nodes: int = 256
    """How many points it has."""
    standing: MemberState = MemberState.NORMAL


@dataclass(frozen=True, slots=True)
class Topology:
    """One epoch of a cluster."""

    cluster_id: str = ""
    """16 hex digits; empty with epoch 0: a fresh node, which belongs to no cluster."""
    epoch: int = 0
    replication_factor: int = 0
    members: tuple[Member, ...] = ()
    """Sorted by node_id."""
    phase: Phase = Phase.STEADY
    writes_suspended: bool = False
    """Whether the cluster, which never took a write, now refuses writes because it is about to join another
    one.
    """

    @property
    def fence(self) -> Fence:
        """The fence that messages made under this topology carry."""
        return Fence(self.cluster_id, self.epoch)

    @property
    def is_fresh(self) -> bool:
        """Whether it belongs to no cluster."""
        return self.epoch == 0

    @property
    def voters(self) -> tuple[Member, ...]:
        """The members that decide the next epoch: all but those that are joining."""
        return tuple(m for m in self.members if m.standing is not MemberState.JOINING)

    @property
    def old_owners(self) -> tuple[Member, ...]:
        """The owners of the ring before the running change; all members if none runs."""
        return self.voters

    @property
    def new_owners(self) -> tuple[Member, ...]:
        """The owners of the ring after the running change."""
        return tuple(m for m in self.members if m.standing in (MemberState.JOINING, MemberState.NORMAL))

    @property
    def changing(self) -> tuple[Member, ...]:
        """The members that the running change affects."""
        return tuple(m for m in self.members if m.standing is not MemberState.NORMAL)

    def member(self, node_id: str) -> Member | None:
        """The member with that id; None: there is none."""
        return next((m for m in self.members if m.node_id == node_id), None)

    def at(self, url: str) -> Member | None:
        """The member at a URL; if one replaces an older one of the same URL, the one that joins."""
        found = [m for m in self.members if m.url == url]
        return min(found, key=lambda m: m.standing is MemberState.REMOVING) if found else None


def initial_topology(cluster_id: str, replication_factor: int, members: Iterable[Member]) -> Topology:
    """The first epoch of a cluster: nothing is stored, so all members own their ranges at once."""
    normal = (replace(m, standing=MemberState.NORMAL) for m in members)
    return Topology(cluster_id, 1, replication_factor, _sorted(normal))


def join(before: Topology, node: Member) -> Topology:
    """The epoch in which a node joins; a member that already has the same URL counts as lost.

    TopologyChangeError: another change runs, or the node is a member.
    """
    _check_steady(before)
    if before.member(node.node_id):
        raise TopologyChangeError(f"node {node.node_id} at {node.url} is a member already")
    lost = before.at(node.url)
    kept = [m if m is not lost else replace(m, standing=MemberState.REMOVING) for m in before.members]
    return _next(before, [*kept, replace(node, standing=MemberState.JOINING)], Phase.STREAMING)


def leave(before: Topology, node_id: str) -> Topology:
    """The epoch in which a node begins to leave. TopologyChangeError."""
    return _depart(before, node_id, MemberState.LEAVING)


def remove(before: Topology, node_id: str) -> Topology:
    """The epoch in which a dead node begins to be removed. TopologyChangeError."""
    return _depart(before, node_id, MemberState.REMOVING)


def extend_removal(before: Topology, node_id: str) -> Topology:
    """The epoch in which a node that died during a removal is removed, too: it was one of the new owners,
    without which the removal can't finish. TopologyChangeError.
    """
    removing = all(m.standing is MemberState.REMOVING for m in before.changing)
    if before.phase is not Phase.STREAMING or not removing:
        raise TopologyChangeError("only a removal that is streaming can be extended to another dead node")
    return _next(before, _with(before, node_id, MemberState.REMOVING), Phase.STREAMING)


def hand_over(before: Topology) -> Topology:
    """The epoch in which reads move to the new owners. TopologyChangeError: nothing streams."""
    if before.phase is not Phase.STREAMING:
        raise TopologyChangeError(f"nothing streams in epoch {before.epoch}: there is nothing to hand over")
    return _next(before, before.members, Phase.HANDOVER)


def finish(before: Topology) -> Topology:
    """The epoch in which the change is done. TopologyChangeError: nothing was handed over."""
    if before.phase is not Phase.HANDOVER:
        raise TopologyChangeError(f"epoch {before.epoch} hands nothing over: there is nothing to finish")
    return _next(before, [replace(m, standing=MemberState.NORMAL) for m in before.new_owners], Phase.STEADY)


def cancel(before: Topology) -> Topology:
    """The epoch in which the change is given up: joining members are out, leaving members stay.

    TopologyChangeError: no change runs, or its reads have already moved and it only has to be finished.
    """
    if before.phase is Phase.STEADY:
        raise TopologyChangeError("no change runs: there is nothing to cancel")
    if before.phase is Phase.HANDOVER:
        raise TopologyChangeError("the new owners are being read already: the change can't be cancelled")
    return _next(before, [replace(m, standing=MemberState.NORMAL) for m in before.old_owners], Phase.STEADY)


def give_way(before: Topology, writes_suspended: bool) -> Topology:
    """The epoch in which a cluster without data stops taking writes, or takes them again.

    TopologyChangeError: a change runs, or the cluster is in that state already.
    """
    _check_steady(replace(before, writes_suspended=False))
    if before.writes_suspended is writes_suspended:
        raise TopologyChangeError(f"the cluster gives way already: {writes_suspended}")
    return replace(before, epoch=before.epoch + 1, writes_suspended=writes_suspended)


def is_successor(before: Topology, after: Topology) -> bool:
    """Whether an epoch may follow another: one of the steps above leads to it."""
    if after.epoch != before.epoch + 1 or after.cluster_id != before.cluster_id:
        return False
    return any(after == step for step in _steps(before, after))


def _steps(before: Topology, after: Topology) -> Iterator[Topology]:
    steps: list[Callable[[], Topology]] = [
        *(partial(step, before) for step in (cancel, hand_over, finish)),
        *(partial(give_way, before, flag) for flag in (True, False)),
    ]
    for member in after.changing:
        if member.standing is MemberState.JOINING:
            steps.append(partial(join, before, member))
        steps += [partial(depart, before, member.node_id) for depart in (leave, remove, extend_removal)]
    for step in steps:
        with suppress(TopologyChangeError):
            yield step()


def _check_steady(before: Topology) -> None:
    if before.phase is not Phase.STEADY:
        changing = ", ".join(f"{m.url} is {m.standing}" for m in before.changing)
        raise TopologyChangeError(f"another change runs: {changing}; wait for it, or cancel it")
    if before.writes_suspended:
        raise TopologyChangeError("the cluster is about to join another one")


def _depart(before: Topology, node_id: str, standing: MemberState) -> Topology:
    _check_steady(before)
    if len(before.members) == 1:
        raise TopologyChangeError("the last node can't go: nobody would keep its data")
    return _next(before, _with(before, node_id, standing), Phase.STREAMING)


def _with(before: Topology, node_id: str, standing: MemberState) -> list[Member]:
    node = before.member(node_id)
    if node is None or node.standing is not MemberState.NORMAL:
        raise TopologyChangeError(f"no normal member has the id {node_id}")
    if len(before.new_owners) == 1:
        raise TopologyChangeError("the last node can't go: nobody would keep its data")
    return [m if m.node_id != node_id else replace(m, standing=standing) for m in before.members]


def _next(before: Topology, members: Iterable[Member], phase: Phase) -> Topology:
    return replace(before, epoch=before.epoch + 1, members=_sorted(members), phase=phase)


def _sorted(members: Iterable[Member]) -> tuple[Member, ...]:
    return tuple(sorted(members, key=lambda m: m.node_id))
