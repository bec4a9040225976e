"""Which members of the topology are there, by this node's gossip.

It owns the combination of the two: the members, and the node that gossip finds at each member's URL. It must
never change either.

Tested in tests/cluster/topology/test_change_driver.py.
"""

from limedb.cluster.gossip.view import ClusterView
from limedb.cluster.topology.store import TopologyStore
from limedb.core.detector import Status
from limedb.core.membership import NodeState
from limedb.core.topology import Member
from limedb.ports import Clock


class Liveness:
    """Judges which members live. `observe` is called each interval."""

    def __init__(self, topology_store: TopologyStore, view: ClusterView, clock: Clock) -> None:
        self._topology_store, self._view, self._clock = topology_store, view, clock
        self._elsewhere_since: dict[str, float] = {}

    def observe(self) -> None:
        """Make the members known to gossip, and note since when one's URL is another node's."""
        members = self._topology_store.topology.members
        self._view.add(member.url for member in members)
        now = self._clock.monotonic()
        gone = {m.node_id for m in members if self.was_replaced(m)}
        self._elsewhere_since = {i: self._elsewhere_since.get(i, now) for i in sorted(gone)}

    def is_self(self, member: Member) -> bool:
        """Whether the member is this node."""
        return member.node_id == self._topology_store.node_id

    def is_alive(self, member: Member) -> bool:
        """Whether the member lives, as far as this node knows."""
        if self.is_self(member):
            return True
        return self._is_alive(member.url) and not self.was_replaced(member)

    def was_replaced(self, member: Member) -> bool:
        """Whether the member's URL is now that of another node, or its node belongs to another cluster, or
        may only join another one: it won't return.
        """
        if self.is_self(member) or member.url == self._view.own_url:
            return not self.is_self(member)
        state = self._view.state(member.url)
        if not state.node_id or not self._is_alive(member.url):
            return False
        own = self._topology_store.topology.cluster_id
        is_other_cluster = bool(state.cluster_id) and state.cluster_id != own
        return state.node_id != member.node_id or is_other_cluster or not state.may_join(own)

    def absent_for(self, member: Member) -> float:
        """For how many seconds a member has not been there; 0: it is."""
        since = self._elsewhere_since.get(member.node_id)
        if since is not None:
            return self._clock.monotonic() - since
        return 0.0 if self.is_self(member) else self._view.dead_for(member.url)

    def absent(self) -> dict[str, float]:
        """For how many seconds members have not been there, by URL; those that are there are left out.

        Of two members at one URL it counts the one that is there.
        """
        topology = self._topology_store.topology
        members = [m for m in topology.members if topology.at(m.url) is m]
        absent = {member.url: self.absent_for(member) for member in members}
        return {url: seconds for url, seconds in absent.items() if seconds > 0}

    def own_state_of(self, member: Member) -> NodeState | None:
        """The state of a living member of this cluster, by its own word; None: it gave no valid one."""
        if member.url == self._view.own_url:
            return self._view.own if self.is_self(member) else None
        state = self._view.state(member.url)
        is_it = (
            state.node_id == member.node_id and state.cluster_id == self._topology_store.topology.cluster_id
        )
        return state if is_it and self._is_alive(member.url) else None

    def _is_alive(self, url: str) -> bool:
        return url in self._view.urls and self._view.status(url) is not Status.DEAD
