"""The services of a node on its server.

It owns the list of a node's services, and the parts that each of them uses. It must never contain the logic
of a request.

Tested in tests/scenarios/test_access_rules.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from limedb.aio.aside import Aside
from limedb.config import Config
from limedb.core.cluster_events import EventLog
from limedb.core.report import RotFigures
from limedb.engine import Engine
from limedb.node.access import Access
from limedb.node.encryption import Encryption
from limedb.node.exposure import NodeExposure
from limedb.node.settings import max_answer_bytes
from limedb.node.telemetry_source import refusals
from limedb.observability.figures import Figures
from limedb.observability.watchman import Watchman
from limedb.ports import CallTracing, Clock
from limedb.rpc.addressee import check_addressee
from limedb.rpc.server.admin import AdminServicer
from limedb.rpc.server.asked_cluster import AskedCluster
from limedb.rpc.server.checks import Checks
from limedb.rpc.server.cluster import ClusterServicer
from limedb.rpc.server.dashboard import DashboardServicer
from limedb.rpc.server.deadlines import Deadlines
from limedb.rpc.server.event_watch import EventWatch
from limedb.rpc.server.gossip import GossipServicer
from limedb.rpc.server.key_streams import KeyStreams
from limedb.rpc.server.kv import KVServicer
from limedb.rpc.server.lease import LeaseServicer
from limedb.rpc.server.limits import Limits
from limedb.rpc.server.memory import Memory
from limedb.rpc.server.peer_states import PeerStates
from limedb.rpc.server.replica import ReplicaServicer
from limedb.rpc.server.report_sources import ClusterSources, Phase
from limedb.rpc.server.server import Server, all_of
from limedb.rpc.server.topology import TopologyServicer


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts that the services of a node use."""

    config: Config
    engine: Engine
    clock: Clock
    access: Access
    encryption: Encryption
    exposure: NodeExposure
    limits: Limits
    memory: Memory
    figures: Figures
    watchman: Watchman
    tracing: CallTracing | None
    peer_states: PeerStates
    aside: Aside
    events: EventLog
    phase: Callable[[], Phase]

    def server(self) -> Server:
        """Return a server with all services; it doesn't listen yet."""
        config, engine, requests = self.config, self.engine, self.figures.requests
        checks = Checks(config.max_value_size)
        deadlines = Deadlines(self.clock, config.request_timeout)
        sources = self._sources()
        gate = self.access.gate(engine, self.limits.clients)
        server = Server(
            self.memory,
            self.tracing,
            self.watchman,
            gate,
            self.exposure.may_be_published,
            self.limits,
            config.max_waiting_calls,
            self.encryption.check_client,
        )
        engine.problems.add(partial(self.exposure.problems, server.health))
        cluster = AskedCluster(config.node_url, lambda: engine.topology_store.topology.cluster_id)
        caller = self.encryption.check_caller
        addressee = all_of(caller, partial(check_addressee, config.node_url))
        leases = LeaseServicer(engine.coordinator.leases, checks, deadlines, self.clock, gate)
        kv = KVServicer(
            config.node_url,
            engine.coordinator,
            engine.replica,
            engine.local_reads,
            checks,
            deadlines,
            requests,
            max_answer_bytes(config),
            KeyStreams(engine.scanner, engine.watcher, checks, deadlines, self.memory),
            self.memory,
            cluster,
            gate,
            self.limits.for_requests,
            leases.of_session,
        )
        server.add(kv, requests, check=cluster.check)
        server.add(leases, requests, check=cluster.check)
        server.add(ClusterServicer(sources, checks, deadlines, gate.sees_all), requests)
        server.add(AdminServicer(sources, engine.topology_manager, engine.repairer, checks, engine.scrubber))
        server.add(GossipServicer(engine.gossiper, checks, self.clock), of_peers=True, check=caller)
        server.add(DashboardServicer())
        self.access.serve(server)
        topology = TopologyServicer(
            engine.topology_answers, self.encryption.caller_of, engine.topology_store.url_of
        )
        server.add(topology, of_peers=True, check=addressee)
        replica = ReplicaServicer(engine.door, deadlines, self.clock, self.memory.peers)
        server.add(replica, of_peers=True, check=addressee)
        return server

    def event_watch(self) -> EventWatch:
        """Return what notes events; it doesn't look yet."""
        return EventWatch(self._sources(), partial(refusals, self.memory, self.limits))

    def _sources(self) -> ClusterSources:
        engine = self.engine
        return ClusterSources(
            view=engine.view,
            placement=engine.topology_store,
            replicas=engine.replicas,
            clock=self.clock,
            phase=self.phase,
            problem=lambda: engine.problem,
            health=self.figures.health,
            load=self.figures.load,
            change=engine.topology_manager.change_status,
            clock_offsets=lambda: {url: round(ms) for url, ms in engine.clocks.offsets().items()},
            hints=engine.hints.waiting,
            repair=engine.repairer.stats,
            rot=lambda: RotFigures(engine.damage, engine.scrubber.ended_ms),
            warnings=lambda: engine.problems.warnings,
            public_warnings=lambda: engine.problems.public_warnings,
            watch_wait_ms=lambda: engine.watch_wait_ms,
            problems_of_peer=self.peer_states.problems,
            founded_ms=lambda: engine.topology_store.saved.founded_ms,
            compute=self.aside,
            figures=self.figures.history,
            events=self.events,
            history_of_peer=self.peer_states.history,
        )
