"""The manager of the topology: keeps this node's copy up to date, and does the node's part of every change.

It owns the rounds of that work, and this node's departure. It must never contain the rules:
`bootstrap.py`, `cluster_merge.py` and `change_driver.py` do.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Protocol

from limedb.aio.aside import Compute, compute_here
from limedb.aio.broadcast import ASK_SECONDS
from limedb.aio.quorum_driver import QuorumDriver
from limedb.aio.tasks import Tasks
from limedb.cluster.gossip.view import ClusterView
from limedb.cluster.topology.approval import Approval
from limedb.cluster.topology.bootstrap import Bootstrap
from limedb.cluster.topology.change_driver import ChangeDriver
from limedb.cluster.topology.cluster_merge import ClusterMerge
from limedb.cluster.topology.liveness import Liveness
from limedb.cluster.topology.proposer import TopologyProposer
from limedb.cluster.topology.requests import TopologyRequests
from limedb.cluster.topology.seen import Seen
from limedb.cluster.topology.store import TopologyStore
from limedb.cluster.topology.verifier import Verifier
from limedb.core.membership import NodeState
from limedb.core.report import ChangePlan, ChangeStatus, Progress
from limedb.core.topology import MemberState, Phase, Topology
from limedb.errors import LimeDBError, TopologyChangeError
from limedb.ports import Clock, TopologyTransport

log = logging.getLogger(__name__)

BUSY_SECONDS = 0.25
"""The time between two checks while a change runs, where the gossip interval is longer."""


class Handoff(Protocol):
    """Fetches what this node gains; see `replication/streaming/handoff.py`."""

    async def run(self) -> None:
        """Do the node's part of every change, until cancelled."""

    def progress(self) -> Progress:
        """How far it is."""


class TopologyManager:
    """Runs while `run` runs. interval: of gossip, seconds. seeds: URLs in its list. dead_node_timeout: in
    seconds. has_data: whether the own store ever took a write. nudge: spreads the own state at once. compute:
    runs long computations beside the event loop. bootstrap_class: of the founding.
    """

    bootstrap_class = Bootstrap

    def __init__(
        self,
        topology_store: TopologyStore,
        topology_proposer: TopologyProposer,
        verifier: Verifier,
        view: ClusterView,
        handoff: Handoff,
        transport: TopologyTransport,
        clock: Clock,
        rng: Random,
        *,
        interval: float,
        seeds: Sequence[str],
        dead_node_timeout: float,
        may_found: bool = True,
        has_data: Callable[[], bool],
        nudge: Callable[[], None],
        compute: Compute = compute_here,
        driver_class: type[QuorumDriver] = QuorumDriver,
    ) -> None:
        self._topology_store, self._topology_proposer, self._view = topology_store, topology_proposer, view
        self._verifier = verifier
        self._handoff, self._transport, self._clock = handoff, transport, clock
        self._interval, self._nudge = interval, nudge
        self._liveness = Liveness(topology_store, view, clock)
        self._bootstrap = self.bootstrap_class(
            topology_store,
            topology_proposer,
            view,
            transport,
            clock,
            rng,
            interval=interval,
            seeds=seeds,
            may_found=may_found,
        )
        self._cluster_merge = ClusterMerge(
            topology_store, topology_proposer, view, self._liveness, clock, rng, has_data
        )
        seen, self._tasks = Seen(), Tasks()
        driver = driver_class(clock, self._tasks)
        self._change_driver = ChangeDriver(
            topology_store,
            topology_proposer,
            view,
            self._liveness,
            transport,
            dead_node_timeout,
            clock,
            seen,
            driver,
        )
        self._changes = TopologyRequests(
            topology_store, topology_proposer, self._liveness, self._change_driver, compute
        )
        self._wake = asyncio.Event()
        self._departed = asyncio.Event()
        self._was_there = False
        self._trouble = ""
        self.departed = ""
        if not topology_store.topology.is_fresh and not topology_store.is_member:
            self._depart("left" if topology_store.saved.has_left else "removed")
        topology_store.subscribe(self._on_change)
        approval = Approval(topology_store, self._liveness, transport, has_data, seen, driver, clock)
        topology_store.ask_first(verifier.follow, approval.check)

    # --- questions of others

    @property
    def conflict(self) -> str:
        """The problem with another cluster in sight, as a sentence; empty: there is none."""
        return self._cluster_merge.conflict

    @property
    def lonely(self) -> str:
        """As Bootstrap.waiting_for."""
        return self._bootstrap.waiting_for

    def pledge(self, founder: str) -> str:
        """As TopologyTransport.pledge."""
        return self._bootstrap.pledge(founder)

    def progress(self) -> Progress:
        """As TopologyTransport.progress, for this node."""
        return replace(self._handoff.progress(), dead=self._liveness.absent())

    async def wait_departed(self) -> str:
        """Return when this node is out of the topology, with the reason.

        left: it was decommissioned. removed: the others considered it dead, or it learns that after a
        restart; its data must be set aside, and it may join as a new node. cancelled: its join was cancelled;
        it may join again after a restart.
        """
        await self._departed.wait()
        return self.departed

    async def plan_join(self, url: str, zone: str, virtual_nodes: int) -> ChangePlan:
        """As TopologyRequests.plan_join."""
        return await self._changes.plan_join(url, zone, virtual_nodes)

    async def decommission(self, url: str, dry_run: bool) -> ChangePlan:
        """As TopologyRequests.decommission."""
        return await self._changes.decommission(url, dry_run)

    async def remove(self, url: str, dry_run: bool) -> ChangePlan:
        """As TopologyRequests.remove."""
        return await self._changes.remove(url, dry_run)

    async def cancel(self, dry_run: bool) -> ChangePlan:
        """As TopologyRequests.cancel."""
        return await self._changes.cancel(dry_run)

    async def change_status(self) -> ChangeStatus | None:
        """As TopologyRequests.status."""
        return await self._changes.status()

    # --- its work

    async def run(self) -> None:
        """Do the work that is due until cancelled; then cancel and await everything that was started."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_confirmed())
                tasks.create_task(self._handoff.run())
                tasks.create_task(self._keep_going())
        finally:
            await self._tasks.close(0)
            await self._topology_proposer.close()
            await self._verifier.close()

    async def _keep_confirmed(self) -> None:
        """Bring each topology to disk and older writes to their end soon, and spread that."""
        while True:
            topology = self._topology_store.topology
            try:
                await self._topology_store.confirm()
            except LimeDBError as error:
                self._note(error)
                await asyncio.sleep(self._interval)
                continue
            self._nudge()
            await self._topology_store.wait_changed(topology)

    async def _keep_going(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self._step()
                self._trouble = ""
            except TopologyChangeError as error:
                log.debug("another change came first: %s", error)
            except LimeDBError as error:
                self._note(error)
            await self._pause()

    async def _step(self) -> None:
        self._liveness.observe()
        await self._catch_up()
        topology = self._topology_store.topology
        if topology.is_fresh:
            await self._bootstrap.step()
        elif self._topology_store.is_member:
            self._look_around(topology)
            leads = self._change_driver.leads
            await self._cluster_merge.step(leads)
            if leads and self._topology_store.topology == topology:
                await self._change_driver.step()

    async def _pause(self) -> None:
        is_busy = self._topology_store.topology.phase is not Phase.STEADY or self._topology_store.is_behind
        pause = min(self._interval, BUSY_SECONDS) if is_busy else self._interval
        try:
            async with asyncio.timeout(pause):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _catch_up(self) -> None:
        """Find out whether there is a newer topology, when gossip or a message claims one."""
        own = self._topology_store.topology
        newer = [state for state in self._view.living() if self._is_newer(state, own)]
        if own.is_fresh:
            await self._look_for_first(newer)
        elif newer or self._topology_store.is_behind:
            await self._verifier.follow(replace(own, epoch=own.epoch + 1))
            if self._topology_store.topology == own and self._verifier.open is not None:
                await self._topology_proposer.finish_open(own, self._verifier.open)

    async def _look_for_first(self, newer: Sequence[NodeState]) -> None:
        for state in sorted(newer, key=lambda state: state.epoch, reverse=True):
            try:
                account = await self._transport.account(state.url, 0, ASK_SECONDS)
            except LimeDBError as error:
                log.debug("no topology from %s: %s", state.url, error)
                continue
            await self._verifier.follow(account.newest)
            if not self._topology_store.topology.is_fresh:
                return

    def _is_newer(self, state: NodeState, own: Topology) -> bool:
        if own.is_fresh:
            return bool(state.cluster_id) and not state.has_left
        return state.cluster_id == own.cluster_id and state.epoch > own.epoch

    def _look_around(self, topology: Topology) -> None:
        """Note that the cluster knows this node as a member, with its present id."""
        self._was_there = self._was_there or any(
            state.cluster_id == topology.cluster_id and state.epoch == topology.epoch
            for state in self._view.living()
        )

    def _on_change(self, before: Topology, after: Topology) -> None:
        self._wake.set()
        member, node_id = before.member(self._topology_store.node_id), self._topology_store.node_id
        if after.member(node_id) is not None:
            self._was_there = self._was_there or before.is_fresh
        elif member is not None and not after.is_fresh:
            was_let_in = member.standing is MemberState.JOINING and self._was_there
            has_left = self._topology_store.saved.has_left
            self._depart("left" if has_left else "cancelled" if was_let_in else "removed")

    def _depart(self, why: str) -> None:
        log.warning("this node is no longer a member of its cluster: %s", why)
        self.departed = why
        self._departed.set()

    def _note(self, error: LimeDBError) -> None:
        """Log a problem once as long as it is the same."""
        if str(error) != self._trouble:
            log.warning("%s", error)
        self._trouble = str(error)
