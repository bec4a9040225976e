"""Changes of the topology on request.

It owns the refusals and their words. It must never decide by itself that a node leaves.
"""

from collections.abc import Callable
from functools import partial

from limedb.aio.aside import Compute
from limedb.cluster.topology.change_driver import ChangeDriver
from limedb.cluster.topology.liveness import Liveness
from limedb.cluster.topology.planning import lacks_sources, plan
from limedb.cluster.topology.proposer import TopologyProposer, describe, only_after
from limedb.cluster.topology.store import TopologyStore
from limedb.core.bounds import flaw
from limedb.core.report import ChangePlan, ChangeStatus
from limedb.core.topology import (
    Member,
    MemberState,
    Phase,
    Topology,
    cancel,
    join,
    leave,
    remove,
)
from limedb.errors import InvalidRequestError, NotMemberError, TopologyChangeError


class TopologyRequests:
    """Plans changes and starts them. compute: works plans out.

    All raise NotMemberError on a node without a cluster, TopologyChangeError if the change isn't possible
    now, and UnavailableError if too few nodes are there to agree.
    """

    def __init__(
        self,
        topology_store: TopologyStore,
        topology_proposer: TopologyProposer,
        liveness: Liveness,
        change_driver: ChangeDriver,
        compute: Compute,
    ) -> None:
        self._topology_store, self._topology_proposer, self._compute = (
            topology_store,
            topology_proposer,
            compute,
        )
        self._liveness, self._change_driver = liveness, change_driver

    async def plan_join(self, url: str, zone: str, virtual_nodes: int) -> ChangePlan:
        """The effects that the join of such a node would have."""
        before = self._topology()
        if before.at(url):
            raise InvalidRequestError(f"{url} is a member already")
        during = join(before, Member("planned", url, zone, virtual_nodes))
        if wrong := flaw(during):
            raise InvalidRequestError(f"{url} can't join so: {wrong}")
        return await self._compute(lambda: plan(before, during, f"{url} joins"))

    async def decommission(self, url: str, dry_run: bool) -> ChangePlan:
        """Let a node hand its ranges over and leave. InvalidRequestError: it isn't a member."""
        member = self._member(url)
        return await self._change(partial(leave, node_id=member.node_id), f"{url} leaves", dry_run)

    async def remove(self, url: str, dry_run: bool) -> ChangePlan:
        """Remove a dead node; others fetch its ranges from those that have them too.

        InvalidRequestError: it isn't a member. TopologyChangeError: it lives, or nobody else has its data.
        """
        member, topology = self._member(url), self._topology()
        if self._liveness.is_alive(member):
            raise TopologyChangeError(f"{url} is alive: decommission it, so that it hands its data over")
        step = partial(remove, node_id=member.node_id)
        living = {m.url for m in topology.members if self._liveness.is_alive(m)}
        during = step(topology)
        if share := await self._compute(lambda: lacks_sources(during, living)):
            raise TopologyChangeError(
                f"too few living nodes have the data of {share:.1%} of all keys: bring {url} back, or if its"
                " data is lost start an empty node at that URL, which takes its place"
            )
        return await self._change(step, f"{url} is removed", dry_run)

    async def cancel(self, dry_run: bool) -> ChangePlan:
        """Cancel the streaming change."""
        before = self._topology()
        after = cancel(before)
        what = f"cancelled: {describe(before)}"
        if not dry_run:
            after = await self._topology_proposer.decide(only_after(before, cancel))
        return await self._compute(lambda: plan(after, after, what, 0 if dry_run else after.epoch))

    async def status(self) -> ChangeStatus | None:
        """The running change, with the progress of its new owners; None: none runs."""
        topology = self._topology()
        if topology.phase is Phase.STEADY:
            return None
        progress = await self._change_driver.gather(topology)
        return ChangeStatus(describe(topology), topology.epoch, topology.phase, progress)

    async def _change(self, step: Callable[[Topology], Topology], what: str, dry_run: bool) -> ChangePlan:
        before = self._topology()
        during = step(before)
        if not dry_run:
            during = await self._topology_proposer.decide(only_after(before, step))
        return await self._compute(lambda: plan(before, during, what, 0 if dry_run else during.epoch))

    def _topology(self) -> Topology:
        if not self._topology_store.is_member:
            raise NotMemberError("this node belongs to no cluster: ask another one", "")
        return self._topology_store.topology

    def _member(self, url: str) -> Member:
        topology = self._topology()
        member = topology.at(url)
        if member is None:
            members = ", ".join(sorted(m.url for m in topology.members))
            raise InvalidRequestError(f"{url} isn't a member of the cluster; its members are {members}")
        if member.standing is not MemberState.NORMAL:
            raise TopologyChangeError(f"another change runs: {describe(topology)}; wait for it, or cancel it")
        return member
