"""A voter checks for itself before it votes for a step.

It owns the conditions of each step as far as a voter can see them. It must never take the proposer's word:
a proposer may be wrong, or not even a member, and a step taken too soon loses keys.

A majority votes, so it is enough that honest voters check. A condition that held once holds for the rest of
the epoch: a node that has fetched stays complete. Only the death of a member may turn out wrong; a removal
that some voters accepted before they saw the member alive again binds nobody, unless it may have been decided
(`core/paxos.py`).

Tested in tests/cluster/topology/test_verifier.py.
"""

from collections.abc import Callable

from limedb.aio.broadcast import ask_all
from limedb.aio.quorum_driver import QuorumDriver
from limedb.cluster.topology.handover import Handover
from limedb.cluster.topology.liveness import Liveness
from limedb.cluster.topology.planning import fetching, has_fetched
from limedb.cluster.topology.seen import Seen
from limedb.cluster.topology.store import TopologyStore
from limedb.core.topology import MemberState, Phase, Topology
from limedb.errors import InvalidRequestError, UnavailableError
from limedb.ports import Clock, TopologyTransport

ASK_SECONDS = 1.0
"""How long a node may take for an answer: the proposer waits meanwhile."""


class Approval:
    """One voter's check of steps. transport: reaches all nodes, this one included. has_data: whether the own
    store ever took a write. seen, driver: shared with the change driver of this node.
    """

    def __init__(
        self,
        topology_store: TopologyStore,
        liveness: Liveness,
        transport: TopologyTransport,
        has_data: Callable[[], bool],
        seen: Seen,
        driver: QuorumDriver,
        clock: Clock,
    ) -> None:
        self._topology_store, self._liveness = topology_store, liveness
        self._transport, self._has_data = transport, has_data
        self._seen = seen
        self._handover = Handover(transport, driver, clock, seen, ASK_SECONDS)

    async def check(self, before: Topology, after: Topology) -> None:
        """InvalidRequestError: this node sees that the step is not allowed. UnavailableError: not yet, or
        this node can't tell.
        """
        if after.writes_suspended and self._has_data():
            raise InvalidRequestError("the cluster holds data and gives way to none")
        if before.phase is Phase.STREAMING and after.phase is Phase.HANDOVER:
            await self._check_fetched(before)
        elif before.phase is Phase.HANDOVER:
            await self._check_handed_over(before)
        elif after.phase is Phase.STREAMING:
            self._check_removed(before, after)

    def _check_removed(self, before: Topology, after: Topology) -> None:
        """Refuse to remove a member that lives, as far as this node can see."""
        for member in after.members:
            known = before.member(member.node_id)
            is_new = known is not None and known.standing is not MemberState.REMOVING
            if member.standing is not MemberState.REMOVING or not is_new or known is None:
                continue
            if self._liveness.is_alive(known):
                raise InvalidRequestError(f"{member.url} is alive, so it can't be removed")

    async def _check_fetched(self, topology: Topology) -> None:
        """Allow reads to move only when all nodes that fetch are done."""
        waiting = fetching(topology, self._topology_store.layout) - self._seen.of(topology)
        answers = await ask_all(sorted(waiting), lambda url: self._transport.progress(url, ASK_SECONDS))
        done = {url for url, progress in answers.items() if has_fetched(progress, topology)}
        self._seen.note(topology, done)
        if left := waiting - done:
            raise UnavailableError(f"{', '.join(sorted(left))} have not fetched all yet, or don't answer")

    async def _check_handed_over(self, topology: Topology) -> None:
        """Allow the end of a change only when enough old owners of each range refuse reads under the previous
        epoch.
        """
        if left := await self._handover.unaware(topology):
            raise UnavailableError(f"{', '.join(sorted(left))} don't know of the handover yet")
