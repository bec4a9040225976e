"""The consequences of a node's standing in its cluster, in sentences.

It owns the problems of membership and of the topology. It must never change either.
"""

from collections.abc import Iterator

from limedb.cluster.gossip.view import ClusterView
from limedb.cluster.topology.manager import TopologyManager
from limedb.cluster.topology.rejoining import waits_for
from limedb.cluster.topology.store import TopologyStore
from limedb.cluster.topology.verifier import Verifier
from limedb.core.problems import Problem
from limedb.core.topology import MemberState


class Standing:
    """The problems of one node's membership."""

    def __init__(
        self, store: TopologyStore, manager: TopologyManager, verifier: Verifier, view: ClusterView
    ) -> None:
        self._store, self._manager, self._verifier, self._view = store, manager, verifier, view

    def problems(self) -> Iterator[Problem]:
        """The reason why the node takes no requests, and other problems between it and the others."""
        topology, conflict = self._store.topology, self._manager.conflict
        member = topology.member(self._store.node_id)
        if self._manager.departed:
            yield Problem(_DEPARTED[self._manager.departed], stops_serving=True)
        elif member is None:
            text = conflict or self._manager.lonely or self._why_outside()
            yield Problem(text, stops_serving=True)
        elif member.standing is MemberState.JOINING:
            yield Problem("the node is joining: it fetches its share of the keys", stops_serving=True)
        elif topology.writes_suspended:
            yield Problem("the cluster is about to join another", stops_serving=True)
        if conflict and member is not None:
            yield Problem(conflict)
        if self._store.is_behind and self._verifier.trouble:
            yield Problem(self._verifier.trouble)

    def _why_outside(self) -> str:
        if cluster_id := self._store.saved.rejoins:
            return waits_for(cluster_id, self._view.living())
        return "the node belongs to no cluster yet"


_DEPARTED = {
    "left": "the node was decommissioned; to let it rejoin, stop it and move its data folder away",
    "removed": "the node was removed while it was away; it sets its data aside and joins as a new one",
    "cancelled": "the join of this node was cancelled; restart it to try again",
}
