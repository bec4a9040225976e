"""Drives changes of the topology, on one node for all: continues them, lets nodes in, removes dead ones.

It owns the choice of the next step. It must never rely on being the only one: the voter with the smallest
living URL leads, so that proposals seldom collide; if two lead at times, that does no harm (`proposer.py`).
"""

import logging
from functools import partial

from limedb.aio.broadcast import ASK_SECONDS, ask_all
from limedb.aio.quorum_driver import QuorumDriver
from limedb.cluster.gossip.view import ClusterView
from limedb.cluster.topology.absence import Absence
from limedb.cluster.topology.bootstrap import is_fresh, member_of
from limedb.cluster.topology.handover import Handover
from limedb.cluster.topology.liveness import Liveness
from limedb.cluster.topology.planning import fetching, has_fetched, lacks_sources
from limedb.cluster.topology.proposer import Step, TopologyProposer, only_after
from limedb.cluster.topology.seen import Seen
from limedb.cluster.topology.store import TopologyStore
from limedb.core.membership import NodeState
from limedb.core.report import Progress
from limedb.core.topology import (
    Member,
    MemberState,
    Phase,
    Topology,
    cancel,
    extend_removal,
    finish,
    hand_over,
    join,
    remove,
)
from limedb.ports import Clock, TopologyTransport

log = logging.getLogger(__name__)

HELD_UP_SECONDS = 15.0
"""How long a joining node may have another id (its data was lost) before its join is cancelled, and how long
a fresh node that was a member is left alone, so that it can hear of its removal.
"""


class ChangeDriver:
    """The leader's duties, one step at a time. transport: reaches all nodes, this one included.
    dead_node_timeout: seconds after which a dead member is removed. seen: those that have done their part.
    driver: carries the calls whose answers are counted.
    """

    def __init__(
        self,
        topology_store: TopologyStore,
        topology_proposer: TopologyProposer,
        view: ClusterView,
        liveness: Liveness,
        transport: TopologyTransport,
        dead_node_timeout: float,
        clock: Clock,
        seen: Seen,
        driver: QuorumDriver,
    ) -> None:
        self._topology_store, self._topology_proposer, self._view = topology_store, topology_proposer, view
        self._seen = seen
        self._liveness, self._transport = liveness, transport
        self._dead_node_timeout, self._clock = dead_node_timeout, clock
        self._handover = Handover(transport, driver, clock, seen, ASK_SECONDS)
        self._absence = Absence(liveness, transport, driver, clock)
        self._refused: set[tuple[str, int]] = set()
        self._former: dict[str, float] = {}  # members that were, by id, and when they were last
        topology_store.subscribe(self._on_change)

    @property
    def leads(self) -> bool:
        """Whether it is this node's turn, by its own view."""
        voters = [voter for voter in self._topology_store.topology.voters if self._liveness.is_alive(voter)]
        first = min(voters, key=lambda voter: voter.url, default=None)
        return first is not None and self._liveness.is_self(first)

    async def step(self) -> None:
        """Take the steps that are due. TopologyChangeError: another change came first. UnavailableError: too
        few voters.
        """
        topology = self._topology_store.topology
        if topology.phase is Phase.STREAMING:
            await self._stream(topology)
        elif topology.phase is Phase.HANDOVER:
            await self._hand_over(topology)
        elif not topology.writes_suspended:
            await self._let_in_or_take_out(topology)

    async def gather(self, topology: Topology) -> dict[str, Progress]:
        """The progress of the new owners that answer, by URL."""
        return await self._ask_progress(sorted(fetching(topology, self._topology_store.layout)))

    def _on_change(self, before: Topology, after: Topology) -> None:
        gone = {m.node_id for m in before.members} - {m.node_id for m in after.members}
        self._former |= dict.fromkeys(sorted(gone), self._clock.monotonic())

    # --- a change that runs

    async def _stream(self, topology: Topology) -> None:
        busy = fetching(topology, self._topology_store.layout)
        progress = await self._ask_progress(sorted(busy - self._seen.of(topology)))
        self._seen.note(topology, [url for url, own in progress.items() if has_fetched(own, topology)])
        there = {member.url for member in topology.members if self._liveness.is_alive(member)}
        if busy <= self._seen.of(topology) & there:  # reads never move to a node that was lost meanwhile
            await self._decide(topology, hand_over)
            return
        for member in topology.members:
            is_needed = member.url in busy and topology.at(member.url) is member
            if is_needed and await self._is_lost(topology, member):
                await self._continue_without(topology, member)
                return

    async def _continue_without(self, topology: Topology, member: Member) -> None:
        log.warning("%s can't do its part of the change: it is gone", member.url)
        if all(m.standing is MemberState.REMOVING for m in topology.changing):
            await self._decide(topology, partial(extend_removal, node_id=member.node_id))
        else:
            await self._decide(topology, cancel)

    async def _hand_over(self, topology: Topology) -> None:
        """Finish, when the old owners and those that leave know of it."""
        leaving = {
            member.url
            for member in topology.changing
            if member.standing is MemberState.LEAVING and self._liveness.is_alive(member)
        }
        if not await self._handover.unaware(topology, leaving) and self._handover.is_ripe(topology):
            await self._decide(topology, finish)

    # --- while none runs

    async def _let_in_or_take_out(self, topology: Topology) -> None:
        for state in self._view.living():
            if is_fresh(state) and self._is_welcome(state, topology):
                log.info("%s joins", state.url)
                await self._decide(topology, partial(join, node=member_of(state)))
                return
        for member in topology.members:
            if await self._is_lost(topology, member) and self._can_do_without(topology, member):
                log.warning("%s has been dead for too long: it is removed", member.url)
                await self._decide(topology, partial(remove, node_id=member.node_id))
                return

    def _is_welcome(self, state: NodeState, topology: Topology) -> bool:
        out_since = self._former.get(state.node_id, float("-inf"))
        if topology.member(state.node_id) or self._clock.monotonic() - out_since < HELD_UP_SECONDS:
            return False  # it is in, or out again, and gossip does not show it; or it never learned of either
        if not state.may_join(topology.cluster_id):
            return False  # it would not come, and every write would wait for it: its own health reports that
        if state.replication_factor == topology.replication_factor:
            return True
        if (state.url, state.replication_factor) not in self._refused:
            self._refused.add((state.url, state.replication_factor))
            log.error(
                "%s can't join: its REPLICATION_FACTOR is %d, the cluster's is %d; start it with the same",
                state.url,
                state.replication_factor,
                topology.replication_factor,
            )
        return False

    def _can_do_without(self, topology: Topology, member: Member) -> bool:
        """Whether the others have the member's data, so that its removal can finish."""
        if len(topology.members) == 1:
            return False
        living = {m.url for m in topology.members if self._liveness.is_alive(m)}
        return lacks_sources(remove(topology, member.node_id), living) == 0

    # --- opinions

    async def _is_lost(self, topology: Topology, member: Member) -> bool:
        """Whether a majority of voters has missed a member for long enough, and it doesn't answer now."""
        absent = self._liveness.absent_for(member)
        replaced = topology.phase is Phase.STREAMING and self._liveness.was_replaced(member)
        limit = min(HELD_UP_SECONDS, self._dead_node_timeout) if replaced else self._dead_node_timeout
        if absent < limit:
            return False
        return await self._absence.is_agreed(topology, member, limit)

    async def _ask_progress(self, urls: list[str]) -> dict[str, Progress]:
        return await ask_all(urls, lambda url: self._transport.progress(url, ASK_SECONDS))

    async def _decide(self, topology: Topology, step: Step) -> None:
        """Let the voters decide a step from one epoch only: the conditions were checked for that one."""
        await self._topology_proposer.decide(only_after(topology, step))
