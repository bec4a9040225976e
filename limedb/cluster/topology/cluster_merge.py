"""When two clusters meet, one that never took a write gives way to the other.

It owns that decision and its rules. It must never let a node with data leave, nor any node before all nodes
of its cluster are known to hold no data and to take none.

A cluster first decides that it gives way: from then on its replicas refuse writes. Gossip shows a node's
epoch only when that is on its disk and no write made under an older one runs there; so a node that shows that
epoch and no data stays empty, and when all nodes show that, all leave. Of two clusters with data neither
gives way.
"""

import logging
from collections.abc import Callable
from functools import partial
from random import Random

from limedb.cluster.gossip.view import ClusterView
from limedb.cluster.topology.liveness import Liveness
from limedb.cluster.topology.proposer import TopologyProposer, only_after
from limedb.cluster.topology.store import TopologyStore, new_id
from limedb.core.membership import NodeState
from limedb.core.topology import Member, Phase, Topology, give_way
from limedb.ports import Clock

log = logging.getLogger(__name__)

LONELY_SECONDS = 30.0
"""How long a cluster that gives way waits for one that is out of sight, before it takes writes again."""


class ClusterMerge:
    """A node's part in the merge. has_data: whether the own store ever took a write."""

    def __init__(
        self,
        topology_store: TopologyStore,
        topology_proposer: TopologyProposer,
        view: ClusterView,
        liveness: Liveness,
        clock: Clock,
        rng: Random,
        has_data: Callable[[], bool],
    ) -> None:
        self._topology_store, self._topology_proposer, self._view = topology_store, topology_proposer, view
        self._liveness, self._clock, self._rng = liveness, clock, rng
        self._has_data = has_data
        self._seen_at = clock.monotonic()
        self.conflict = ""

    async def step(self, leads: bool) -> None:
        """Look at the other clusters that gossip shows, and act. leads: whether this node should propose."""
        others = self._others()
        if others:
            self._seen_at = self._clock.monotonic()
        self._judge(others)
        if self._may_go(others):
            self._go()
        elif leads and (proposal := self._proposal(others)) is not None:
            await self._topology_proposer.decide(
                only_after(self._topology_store.topology, partial(_give_way, proposal))
            )

    # --- what there is

    def _others(self) -> dict[str, list[NodeState]]:
        """The living nodes of other clusters, by cluster."""
        own = self._topology_store.topology.cluster_id
        others: dict[str, list[NodeState]] = {}
        for state in self._view.living():
            if state.cluster_id and state.cluster_id != own and not state.has_left:
                others.setdefault(state.cluster_id, []).append(state)
        return others

    def _judge(self, others: dict[str, list[NodeState]]) -> None:
        """Report the problem if both hold data or can't become one."""
        conflict = ""
        for cluster_id, states in others.items():
            if self._holds_data() and any(state.has_data for state in states):
                urls, own = ", ".join(state.url for state in states), self._topology_store.topology
                conflict = (
                    f"cluster {cluster_id} ({urls}) and this one, {own.cluster_id}, both hold data and can't"
                    " become one: keep one, and start the other's nodes with empty data folders"
                )
        if conflict and conflict != self.conflict:
            log.error("%s", conflict)
        self.conflict = conflict

    def _holds_data(self) -> bool:
        """Whether any member is known to hold data."""
        return self._has_data() or any(state.has_data for state in self._member_states().values() if state)

    def _member_states(self) -> dict[Member, NodeState | None]:
        """The state of each other member by gossip."""
        others = [m for m in self._topology_store.topology.members if not self._liveness.is_self(m)]
        return {member: self._liveness.own_state_of(member) for member in others}

    # --- what to propose

    def _proposal(self, others: dict[str, list[NodeState]]) -> bool | None:
        """Whether to give way from now on; None: no change."""
        topology = self._topology_store.topology
        if topology.writes_suspended:
            is_lonely = self._clock.monotonic() - self._seen_at >= LONELY_SECONDS
            return False if is_lonely or self._holds_data() else None
        is_empty = not self._has_data() and all(s and not s.has_data for s in self._member_states().values())
        if topology.phase is not Phase.STEADY or not is_empty:
            return None
        return True if any(self._yields_to(i, states) for i, states in others.items()) else None

    def _yields_to(self, cluster_id: str, states: list[NodeState]) -> bool:
        """Whether this cluster, when it is empty, should give way to that one."""
        wanted = self._topology_store.topology.replication_factor
        if all(state.replication_factor != wanted for state in states):
            return False  # it would not be let in
        has_data = any(state.has_data for state in states)
        return has_data or cluster_id < self._topology_store.topology.cluster_id

    # --- going

    def _may_go(self, others: dict[str, list[NodeState]]) -> bool:
        """Whether this node may leave its cluster: nothing is in it, or nobody else."""
        if self._has_data() or self._topology_store.confirmed != self._topology_store.topology.fence:
            return False
        states = self._member_states()
        are_gone = {member: self._is_gone(member, others) for member in states}
        if states and all(are_gone.values()):
            return True
        if not self._topology_store.topology.writes_suspended or not others:
            return False
        return all(are_gone[m] or (s is not None and self._is_empty(s)) for m, s in states.items())

    def _is_empty(self, state: NodeState) -> bool:
        return state.epoch >= self._topology_store.topology.epoch and not state.has_data

    def _is_gone(self, member: Member, others: dict[str, list[NodeState]]) -> bool:
        """Whether the member's node is in another cluster now."""
        return any(state.url == member.url for states in others.values() for state in states)

    def _go(self) -> None:
        log.warning(
            "leaving cluster %s, which gives way to another", self._topology_store.topology.cluster_id
        )
        self._topology_store.forget(new_id(self._rng))


def _give_way(flag: bool, before: Topology) -> Topology:
    return give_way(before, flag)
