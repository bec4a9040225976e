"""The parts of a node behind its ports: those of `cluster` and `replication`, put together.

It owns the wiring of the parts, and the list of background work. It must never touch a wire, a disk or a
clock itself: `node/node.py` gives it real ones, the simulation (tests/simulation) simulated ones.

Tested in tests/simulation/test_cluster.py.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import Any

from limedb.aio.quorum_driver import QuorumDriver
from limedb.cluster.gossip.clock_lead import ClockLead
from limedb.cluster.gossip.clock_skew import ClockSkewMonitor
from limedb.cluster.gossip.gossiper import Gossiper
from limedb.cluster.gossip.view import ClusterView
from limedb.cluster.topology.answers import TopologyAnswers
from limedb.cluster.topology.first_claims import FirstClaims
from limedb.cluster.topology.loopback import AllNodes
from limedb.cluster.topology.manager import TopologyManager
from limedb.cluster.topology.proposer import TopologyProposer
from limedb.cluster.topology.standing import Standing
from limedb.cluster.topology.store import TopologyStore, new_id
from limedb.cluster.topology.verifier import Verifier
from limedb.core.damage import Damage
from limedb.core.detector import Status
from limedb.core.hlc import HybridClock, version_at
from limedb.core.membership import NodeState
from limedb.core.problems import Problem, Problems
from limedb.core.stop_limits import drain_seconds, uncounted_ms
from limedb.core.topology import MemberState
from limedb.encoding.groups import GroupMessages
from limedb.engine.world import Settings, World
from limedb.ports import Clock, Saved
from limedb.replication.checked_replicas import CheckedReplicas
from limedb.replication.clock_guard import NEVER_SEEN, ClockSkewGuard
from limedb.replication.cluster_clock import ClusterClock
from limedb.replication.coordinator import Coordinator
from limedb.replication.groups.upkeep import GroupUpkeep
from limedb.replication.in_flight import InFlight
from limedb.replication.peer_door import PeerDoor
from limedb.replication.read.local_reads import LocalReads
from limedb.replication.repair.anti_entropy import Repairer
from limedb.replication.repair.healing import Healer
from limedb.replication.repair.hint_replay import HintReplayer
from limedb.replication.repair.lost_hints import LostHints
from limedb.replication.repair.refused import RefusedWrites
from limedb.replication.repair.scrubber import Scrubber
from limedb.replication.replica import LocalReplica
from limedb.replication.scan.scanner import Scanner
from limedb.replication.streaming.handoff import Handoff
from limedb.replication.time_keeper import TimeKeeper
from limedb.replication.watch.drain import wait_watchable
from limedb.replication.watch.watcher import Watcher


class Engine:
    """The parts of one node, by name. After `close`, the caller closes the parts of World.

    The classes of some parts stand in attributes (`*_class`): a subclass may choose others.
    """

    skew_class = ClockSkewGuard
    view_class = ClusterView
    replicas_class = CheckedReplicas
    door_class = PeerDoor
    coordinator_class = Coordinator
    watcher_class = Watcher
    handoff_class = Handoff
    topology_manager_class = TopologyManager
    first_claims_class = FirstClaims
    driver_class = QuorumDriver

    def __init__(self, settings: Settings, world: World) -> None:
        self._settings, self._store, self._load = settings, world.store, world.load
        clock, rng, interval = world.clock, world.rng, settings.gossip_interval
        self.in_flight = InFlight()
        saved = world.node_file.load() or Saved(new_id(rng))
        self.topology_store = TopologyStore(saved, world.node_file, self.in_flight.drained, clock.wall_ms)
        max_skew_ms = self._max_skew_ms = int(settings.max_clock_skew * 1000)
        self._set_time(world, max_skew_ms)
        own = NodeState(settings.node_url, self._time.wall_ms(), **self._constants(), **self._gossiped())
        self.view = self.view_class(
            own, self._time, gossip_interval=interval, own_fields=self._gossiped, members=self._member_ids
        )
        self.replica = LocalReplica(
            world.store,
            clock,
            self.topology_store,
            self.in_flight,
            settings.max_read_size,
            self.skew,
            world.operations,
        )
        self.local_reads = LocalReads(
            settings.node_url, world.store, self.replica, self.topology_store, self.skew
        )
        self.topology_store.subscribe(self.replica.follow)
        versions = HybridClock(min(world.store.high_water(), version_at(self.skew.now_ms() + max_skew_ms)))
        self.skew.on_drop = lambda now_ms: versions.lower(version_at(now_ms + max_skew_ms))
        self.topology_answers = TopologyAnswers(self.topology_store, lambda: self.topology_manager)
        self._topology = AllNodes(settings.node_url, self.topology_answers, world.topology)
        self.first_claims = self.first_claims_class(self.view, clock, settings.seeds)
        self.verifier = Verifier(
            self.topology_store, self._topology, clock, self.first_claims, self.driver_class
        )
        self.replicas = self.replicas_class(
            settings.node_url,
            world.connect(self),
            self.topology_store,
            self.verifier.follow,
            self.skew.now_ms,
        )
        self.healer = Healer(settings.node_url, world.store, self.replicas, self.topology_store, clock)
        self.replica.healing.healer = self.healer
        self.healer.mend = self.replica.guard.mend
        self.scrubber = Scrubber(world.store, clock, settings.scrub_interval, world.scrub_mark)
        self.door = self.door_class(self.replica, self.skew)
        self.coordinator = self._new_coordinator(world, versions)
        self.coordinator.resolver.on_conflict = world.store.damage.note_conflict
        self.group_upkeep = GroupUpkeep(
            settings.node_url,
            self.topology_store,
            self.coordinator.groups,
            self.replica.own_range,
            clock,
            self.skew.now_ms,
        )
        self.scanner = Scanner(
            self.topology_store, self.replicas, self.replica, self.skew.now_ms, settings.level
        )
        self.watcher = self.watcher_class(
            self.topology_store, self.replicas, self._time, max_skew_ms, max_reported=settings.max_reported
        )
        self.gossiper = self._new_gossiper(world)
        self.hints, self.replayer = world.hints, self._new_replayer(world)
        self.repairer = self._new_repairer(world)
        self.refused = RefusedWrites(
            lambda: not world.store.stats().trouble, self.repairer.repair_all, world.refused_mark
        )
        self.replica.on_refused = self.refused.note
        everywhere = partial(self.repairer.repair_all, everywhere=True)
        self.lost_hints = LostHints(world.hints, self._away, everywhere, world.lost_hints_mark)
        self.topology_manager = self._new_manager(world)
        self.problems = self._all_problems()

    def _set_time(self, world: World, max_skew_ms: int) -> None:
        """The parts that know the cluster's time."""
        settings, clock, interval = self._settings, world.clock, self._settings.gossip_interval
        self.clocks = ClockSkewMonitor(
            clock, max_skew_ms=max_skew_ms, interval=interval, members=self._members
        )
        self.lead = ClockLead(
            settings.node_url,
            clock,
            members=self._members,
            tolerance_ms=max_skew_ms / 4,
            interval=interval,
        )
        self.skew = self.skew_class(
            clock,
            max_skew_ms,
            self.clocks.skew_ms,
            self.clocks.problem,
            self.lead.agreed_ms,
            world.store.high_water,
            lambda: self.lead.is_settled,
            world.time_mark.load() if world.time_mark and self._has_data() else NEVER_SEEN,
        )
        self._time: Clock = ClusterClock(clock, self.skew)
        self._keeper = TimeKeeper(self.skew, world.time_mark)

    def _new_coordinator(self, world: World, versions: HybridClock) -> Coordinator:
        return self.coordinator_class(
            self.topology_store,
            self.replicas,
            self._time,
            versions,
            world.hints,
            self.skew,
            GroupMessages(),
            self._settings.level,
            name=self._settings.node_url,
            driver_class=self.driver_class,
            own=self.replica,
            rng=world.rng,
        )

    def _new_gossiper(self, world: World) -> Gossiper:
        return Gossiper(
            self.view,
            world.gossip,
            world.clock,
            interval=self._settings.gossip_interval,
            seeds=self._settings.seeds,
            rng=world.rng,
            clocks=self.clocks,
            lead=self.lead,
            time_ms=self.skew.now_ms,
        )

    def _all_problems(self) -> Problems:
        standing = Standing(self.topology_store, self.topology_manager, self.verifier, self.view)
        problems = Problems()
        problems.add(standing.problems)
        problems.add(self._clock_problems)
        problems.add(self.gossiper.problems)
        problems.add(self._watch_problems)
        problems.add(self.healer.problems)
        problems.add(self.refused.problems)
        problems.add(self.lost_hints.problems)
        return problems

    def _new_manager(self, world: World) -> TopologyManager:
        settings = self._settings
        topology_proposer = TopologyProposer(
            self.topology_store, self._topology, self.verifier, world.clock, world.rng, self.driver_class
        )
        handoff = self.handoff_class(
            settings.node_url,
            self.topology_store,
            self.replicas,
            self._topology,
            world.clock,
            self.repairer.drop_stale,
        )
        handoff.take_over, handoff.settle = self.replica.guard.take_over, self._settle
        return self.topology_manager_class(
            self.topology_store,
            topology_proposer,
            self.verifier,
            self.view,
            handoff,
            self._topology,
            world.clock,
            world.rng,
            interval=settings.gossip_interval,
            seeds=settings.seeds,
            dead_node_timeout=settings.dead_node_timeout,
            may_found=settings.may_found,
            has_data=self._has_data,
            nudge=self.gossiper.nudge,
            compute=world.compute,
            driver_class=self.driver_class,
        )

    async def _settle(self, key: str) -> None:
        """Bring a key that the node fetches to enough of its owners. LimeDBError."""
        await self.coordinator.conditional.settle_fetched(key)

    def _new_replayer(self, world: World) -> HintReplayer:
        return HintReplayer(
            world.hints, self.replicas, self.topology_store, self._time, self._settings.tombstone_grace
        )

    def _new_repairer(self, world: World) -> Repairer:
        return Repairer(
            self._settings.node_url,
            world.store,
            self.replicas,
            self.topology_store,
            self._time,
            world.rng,
            interval=self._settings.repair_interval,
            grace=self._settings.tombstone_grace,
            cleaned_epoch=lambda: self.topology_store.saved.cleaned_epoch,
            remember_cleaned=lambda epoch: self.topology_store.remember(cleaned_epoch=epoch),
            is_settled=lambda: self.topology_store.confirmed == self.topology_store.topology.fence,
        )

    # --- the background

    @property
    def background(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """The work to run until cancelled, by name."""
        return {
            "gossip": self.gossiper.run,
            "the upkeep of the topology": self.topology_manager.run,
            "the replay of hints": self.replayer.run,
            "repair": self.repairer.run,
            "the mending of damaged records": self.healer.run,
            "scrubbing": self.scrubber.run,
            "the fetching of refused writes": self.refused.run,
            "the keeping of the time": self._keeper.run,
            "the watch over lost hints": self.lost_hints.watch,
            "the upkeep of groups": self.group_upkeep.run,
            "the repair for lost hints": self.lost_hints.run,
        }

    async def run(self) -> None:
        """Do all background work until cancelled. An error in one part stops all."""
        async with asyncio.TaskGroup() as tasks:
            for name, work in self.background.items():
                tasks.create_task(_awaited(work), name=name)

    async def close(self) -> None:
        """Finish the work that requests left behind. `run` was cancelled before."""
        await self.coordinator.close()
        await self.replica.close()
        await self._keeper.close()

    # --- its callers

    @property
    def problem(self) -> str:
        """Why the node takes no requests at present, as a sentence; empty while it does."""
        return self.problems.blocking

    @property
    def watch_wait_ms(self) -> int:
        """For how many ms watches can't count on the node yet: it knows nothing from before its start, and
        may have received a change then that reaches another node only now. 0: they can.
        """
        counts_at = self.replica.changes.started_ms + uncounted_ms(self._max_skew_ms)
        is_alone = len(self.topology_store.topology.members) < 2
        return 0 if is_alone else max(0, counts_at - self.skew.now_ms())

    async def wait_watchable(self, wait_ms_of: Callable[[str], Awaitable[int]]) -> None:
        """Return when the node may stop without harm to watches; see `replication/watch/drain.py`."""
        await wait_watchable(
            lambda: [state.url for state in self.view.living()],
            wait_ms_of,
            lambda: self.replica.changes.is_followed,
            drain_seconds(self._settings.max_clock_skew),
        )

    def _watch_problems(self) -> Iterator[Problem]:
        if wait_ms := self.watch_wait_ms:
            yield Problem(
                f"the node does not count for watches for another {wait_ms / 1000:.0f} s: it lost its log of"
                " changes, since it was not stopped by SIGTERM; stop no other node until then, or watches end"
                " with a gap"
            )

    def _clock_problems(self) -> Iterator[Problem]:
        if text := self.clocks.problem():
            yield Problem(text, stops_serving=True)
        yield from self.skew.problems()

    @property
    def damage(self) -> Damage:
        """The damage found in the store."""
        return self._store.damage

    def is_alive(self, node_url: str) -> bool:
        """Whether gossip takes a node to be alive, or has not heard of it yet."""
        return node_url not in self.view.urls or self.view.status(node_url) is not Status.DEAD

    def silence(self, node_url: str) -> float:
        """For how many seconds gossip has brought no news of a peer; 0: the peer is unknown."""
        return self.view.silence(node_url) if node_url in self.view.peers() else 0.0

    def _away(self) -> list[str]:
        """The members that can't be reached now."""
        others = self._members() - {self._settings.node_url}
        return [url for url in others if not self.replicas.is_reachable(url)]

    def _members(self) -> frozenset[str]:
        return frozenset(member.url for member in self.topology_store.topology.members)

    def _member_ids(self) -> dict[str, str]:
        """The node_id of each member, by URL; of two at one URL, that of the replacement."""
        members = sorted(
            self.topology_store.topology.members, key=lambda m: m.standing is not MemberState.REMOVING
        )
        return {member.url: member.node_id for member in members}

    def _has_data(self) -> bool:
        """Whether the store ever took a write; values of a Go LimeDB have no versions."""
        return self._store.high_water() > 0 or self._store.count() > 0

    def _constants(self) -> dict[str, Any]:
        settings = self._settings
        return {
            "address": settings.address,
            "zone": settings.zone,
            "version": settings.version,
            "virtual_nodes": settings.virtual_nodes,
            "replication_factor": settings.replication_factor,
        }

    def _gossiped(self) -> dict[str, Any]:
        """The fields that gossip sends again at each heartbeat."""
        return {
            "keys": self._store.count(),
            "has_data": self._has_data(),
            "load": self._load(),
            **self.topology_store.gossiped(),
        }


async def _awaited(work: Callable[[], Awaitable[None]]) -> None:
    await work()
