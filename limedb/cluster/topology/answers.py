"""The own node's part in agreements, as the node itself and its peers use it: a `loopback.TopologyKeeper`.

It owns the choice of the part of the node that answers. It must never answer by itself.

Tested in tests/cluster/topology/test_manager.py.
"""

from collections.abc import Callable

from limedb.cluster.topology.manager import TopologyManager
from limedb.cluster.topology.store import TopologyStore
from limedb.core.paxos import Acceptor, Ballot
from limedb.core.report import Progress
from limedb.core.topology import Topology
from limedb.ports import Account


class TopologyAnswers:
    """Passes each call on. manager: returns the manager, which is made later, since it asks this node,
    too.
    """

    def __init__(self, store: TopologyStore, manager: Callable[[], TopologyManager]) -> None:
        self._store, self._manager = store, manager

    def account(self, after: int) -> Account:
        """As TopologyKeeper.account."""
        return self._store.account(after)

    async def prepare(self, before: Topology, ballot: Ballot) -> Acceptor[Topology] | Topology:
        """As TopologyKeeper.prepare."""
        return await self._store.prepare(before, ballot)

    async def accept(
        self, before: Topology, ballot: Ballot, after: Topology
    ) -> Acceptor[Topology] | Topology:
        """As TopologyKeeper.accept."""
        return await self._store.accept(before, ballot, after)

    async def pledge(self, founder: str) -> str:
        """As TopologyKeeper.pledge."""
        return self._manager().pledge(founder)

    async def learn(self, topology: Topology) -> Topology:
        """As TopologyKeeper.learn."""
        return await self._store.learn(topology)

    def progress(self) -> Progress:
        """As TopologyKeeper.progress."""
        return self._manager().progress()
