"""A node: the composition root.

It owns the choice of the adapter for each port, and the order of start and stop. It alone constructs
adapters, and stops them in reverse order. It must never contain the logic of a request.

Tested in tests/scenarios/test_stopping.py and tests/scenarios/test_disk_troubles.py.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from random import Random
from urllib.parse import urlsplit

from limedb.aio.aside import Aside
from limedb.aio.supervisor import Supervisor
from limedb.cluster.topology.store import new_id
from limedb.config import Config
from limedb.core.cluster_events import EventLog
from limedb.core.problems import Problem
from limedb.engine import Engine, World
from limedb.errors import LimeDBError
from limedb.node.access import Access
from limedb.node.clock import SystemClock
from limedb.node.encryption import Encryption
from limedb.node.exposure import NodeExposure
from limedb.node.files import open_files
from limedb.node.services import Services
from limedb.node.settings import engine_settings, limit_settings, max_memory_bytes
from limedb.node.telemetry_source import telemetry_source
from limedb.observability.figures import Figures
from limedb.observability.logs import configure_logging
from limedb.observability.machine import give_back, own_memory_reader
from limedb.observability.telemetry import Telemetry, start_telemetry
from limedb.observability.watchman import Watchman
from limedb.ports import Store
from limedb.replication.taking_over import TakeOver
from limedb.rpc.peer.links import PeerLinks
from limedb.rpc.peer.own_name import NameWatch, check_own_name
from limedb.rpc.peer.remote_replica import RemoteGossip, ReplicaDirectory
from limedb.rpc.peer.remote_topology import RemoteTopology
from limedb.rpc.server.clients import Clients
from limedb.rpc.server.connections import Connections
from limedb.rpc.server.limits import Limits
from limedb.rpc.server.memory import Memory
from limedb.rpc.server.peer_states import PeerStates
from limedb.rpc.server.proxies import Proxies
from limedb.rpc.server.report_sources import Phase
from limedb.rpc.server.server import Server
from limedb.storage.opening import (
    open_lost_hints_mark,
    open_refused_mark,
    open_scrub_mark,
    open_time_mark,
)
from limedb.wire import rest

log = logging.getLogger(__name__)

DRAIN_SECONDS = 5.0
"""How long running requests may take once the node has to stop."""
MEET_SECONDS = 3.0
"""How long a node waits for a first peer before it serves alone."""
STARTING_LOOK_SECONDS, LOOK_SECONDS = 0.05, 0.25
"""How often a node checks whether it may serve: before it does, and while it does. All checks together take a
millisecond: at 20 a second they were half of what an idle node did.
"""


class Node:
    """One node from start to stop. config: its settings; rng: makes its ids and the choices of gossip.

    It stops by itself when it can't continue: `wait_stopped` returns, and `failure` is the reason; or when it
    was removed from its cluster: then `is_removed` is set, and it may start again once its data is set aside.
    """

    def __init__(self, config: Config, rng: Random) -> None:
        self._config, self._rng = config, rng
        self._clock = SystemClock()
        self._phase: Phase = "starting"
        self._stopped, self._hurried = asyncio.Event(), asyncio.Event()
        self._stack = AsyncExitStack()
        self._supervisor, self._aside = Supervisor(), Aside()
        self._untraced = ""
        self.failure: Exception | None = None
        self.is_removed = False

    async def start(self) -> None:
        """Open the store, listen and gossip; it serves as soon as it may. LimeDBError: it can't start;
        everything is closed.
        """
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise

    async def wait_watchable(self) -> None:
        """Serve until the node may stop without breaking watches, for some seconds at most; or until it gets
        a second request to stop, or can't continue.
        """
        self._phase = "draining"
        if self.failure is None and not self.is_removed:
            waiting = asyncio.create_task(self._engine.wait_watchable(self._peer_states.watch_wait_ms))
            hurry = asyncio.create_task(self._hurried.wait())
            await asyncio.wait((waiting, hurry), return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            hurry.cancel()
            await asyncio.gather(waiting, hurry, return_exceptions=True)

    async def stop(self) -> None:
        """Take no more requests, finish the running ones, and close everything in reverse order."""
        self._phase = "draining"
        await self._stack.aclose()

    def ask_to_stop(self) -> None:
        """Let `wait_stopped` return; a second call lets `wait_watchable` return, too."""
        if self._stopped.is_set():
            self._hurried.set()
        self._stopped.set()

    async def wait_stopped(self) -> None:
        """Return when the node was asked to stop, or failed."""
        await self._stopped.wait()

    async def _start(self) -> None:
        config = self._config
        self._encryption = Encryption(config)
        self._access = Access(config, self._clock, self._encryption)
        self._exposure = NodeExposure(config, self._encryption)
        self._stack.push_async_callback(self._access.close)
        files = self._files = await open_files(
            config, self._clock.wall_ms(), new_id(self._rng), self._fail, self._stack
        )
        self._clock.running.start()  # after the files were opened, which may take long
        self._stack.callback(self._clock.running.stop)
        self._set_limits()
        self._figures = Figures(self._clock, files.store, rest.streams(), config.slow_request)
        telemetry = await self._start_telemetry(files.store)
        links = PeerLinks(
            lambda url: self._engine.view.address(url), self._clock, telemetry.tracing,
            self._encryption.dialling(), self._access.secret,
        )  # fmt: skip
        self._stack.push_async_callback(links.close)
        gossip, self._peer_states = RemoteGossip(links), PeerStates(links)
        await check_own_name(gossip, config.node_url, config.advertise_address)
        self._engine = Engine(engine_settings(config), self._world(links, gossip))
        files.take_over_changes(self._engine.replica.changes)
        self._stack.push_async_callback(self._save_changes)
        self._stack.push_async_callback(self._engine.close)
        self._watchman = Watchman(max_memory_bytes(config), own_memory_reader(), give_back)
        for problems in (self._memory.problems, self._limits.problems, self._watchman.problems):
            self._engine.problems.add(problems)
        self._engine.problems.add(self._encryption.problems)
        services = self._services(telemetry)
        server = services.server()
        await server.start(self._encryption.listeners())
        self._stack.push_async_callback(server.stop, DRAIN_SECONDS)
        self._engine.problems.add(self._own_problems)
        take_over = TakeOver(files.inherited, self._engine.replicas, self._engine.topology_store, self._clock)
        self._engine.problems.add(take_over.problems)
        self._run_in_background(
            {
                **self._engine.background,
                **self._watches(server, gossip),
                **self._encryption.background(links),
                **files.watches(),
                "the taking over of a Go LimeDB's file": take_over.run,
                "the node's health": lambda: self._attend(server),
                "the watch for events": services.event_watch().run,
            }
        )

    def _set_limits(self) -> None:
        """The bounds of requests and clients."""
        config = self._config
        self._proxies = Proxies(config.trusted_proxies, self._hosts)
        clients = Clients(self._proxies.is_trusted)
        self._limits = Limits(limit_settings(config), self._clock, clients, self._encryption.is_node)
        self._memory = Memory(max_memory_bytes(config), self._clock, clients, self._limits, config.max_calls)

    def _world(self, links: PeerLinks, gossip: RemoteGossip) -> World:
        """The outside of the engine."""
        files, node_url = self._files, self._config.node_url
        return World(
            store=files.store,
            node_file=files.node_file,
            hints=files.hints,
            operations=files.operations,
            clock=self._clock,
            rng=self._rng,
            gossip=gossip,
            topology=RemoteTopology(links),
            connect=lambda engine: ReplicaDirectory(
                node_url, engine.replica, links, self._clock, engine.is_alive, engine.silence
            ),
            load=self._figures.load,
            scrub_mark=open_scrub_mark(*files.place),
            refused_mark=open_refused_mark(*files.place),
            lost_hints_mark=open_lost_hints_mark(*files.place),
            time_mark=open_time_mark(*files.place),
            compute=self._aside,
        )

    def _services(self, telemetry: Telemetry) -> Services:
        return Services(
            config=self._config,
            engine=self._engine,
            clock=self._clock,
            access=self._access,
            encryption=self._encryption,
            exposure=self._exposure,
            limits=self._limits,
            memory=self._memory,
            figures=self._figures,
            watchman=self._watchman,
            tracing=telemetry.tracing,
            peer_states=self._peer_states,
            aside=self._aside,
            events=EventLog(self._config.node_url),
            phase=lambda: self._phase,
        )

    def _watches(self, server: Server, gossip: RemoteGossip) -> dict[str, Callable[[], Awaitable[None]]]:
        """The watches over everything but the files."""
        config, topology_store = self._config, self._engine.topology_store
        connections = Connections(self._encryption.ports, most=config.max_connections)
        name_watch = NameWatch(
            gossip,
            config.node_url,
            config.advertise_address,
            topology_store.node_id,
            lambda: topology_store.topology.is_fresh,
            self._fail,
        )
        return {
            "the sampling of figures": lambda: self._figures.run(self._engine.view.gossip_report),
            "the watch for pauses": self._figures.slow.watch_pauses,
            "the watch over connections": connections.run,
            "the look-up of proxies": self._proxies.run,
            "the watch over callers": server.look_at_callers,
            "the watch over memory": self._watchman.run,
            "the watch over the node's name": name_watch.run,
        }

    async def _start_telemetry(self, store: Store) -> Telemetry:
        config = self._config
        source = telemetry_source(
            config, self._figures, self._memory, store, self._encryption.days_left, self._limits.counts
        )
        try:
            telemetry = await asyncio.to_thread(start_telemetry, config.otel_endpoint, source)
        except Exception as error:
            self._untraced = f"telemetry is off, it could not start: {error}; see OTEL_ENDPOINT"
            log.exception("telemetry could not start; the node continues without it")
            return Telemetry()
        self._stack.push_async_callback(asyncio.to_thread, telemetry.shutdown)
        if telemetry.enabled:
            configure_logging(
                config.log_level, config.log_format, config.node_url, trace_ids=telemetry.trace_ids
            )
            log.info("telemetry goes to %s", telemetry.endpoint)
        return telemetry

    async def _save_changes(self) -> None:
        is_quiet = self._engine.in_flight.is_empty and self._engine.replica.changes.is_complete
        if self.failure is None and is_quiet:
            await self._files.save_changes(self._engine.replica.changes)

    async def _attend(self, server: Server) -> None:
        """Serve while no problem prevents it, and log the problems."""
        engine, logged, was_active = self._engine, "", False
        await engine.gossiper.wait_met(MEET_SECONDS)
        while True:
            if engine.topology_manager.departed == "removed":
                self.is_removed = True
                self.ask_to_stop()
            problem = engine.problem
            is_serving = not problem
            if is_serving != (self._phase == "active") and self._phase != "draining":
                self._phase = "active" if is_serving else "starting"
                await server.set_serving(is_serving)
                if is_serving:
                    was_active = True
                    log.info(
                        "serving %s on port %d over gRPC; REST is at Envoy",
                        self._config.node_url,
                        self._config.server_port,
                    )
            if problem and problem != logged:
                log.log(logging.WARNING if was_active else logging.INFO, "%s", problem)
            logged = problem
            await asyncio.sleep(LOOK_SECONDS if is_serving else STARTING_LOOK_SECONDS)

    def _hosts(self) -> Iterator[str]:
        """The hosts of the members, once there is a cluster, and of the nodes that the settings name."""
        topology = self._engine.topology_store.topology
        for url in (*self._config.node_peers, *(member.url for member in topology.members)):
            yield urlsplit(url).hostname or ""

    def _run_in_background(self, background: Mapping[str, Callable[[], Awaitable[None]]]) -> None:
        """Run work until the stop, then cancel and await it; failed work is started again."""
        keep = self._supervisor.keep
        tasks = [asyncio.create_task(keep(name, work), name=name) for name, work in background.items()]

        async def cancel() -> None:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self._stack.push_async_callback(cancel)

    def _own_problems(self) -> Iterator[Problem]:
        yield from self._files.problems()
        for trouble in filter(None, (self._figures.stored.trouble, self._untraced)):
            yield Problem(trouble, is_private=True)
        for name, error in self._supervisor.failing.items():
            text = f"{name} fails: {error}; it is started again each time, and the log has details"
            yield Problem(text, is_private=True)

    def _fail(self, error: Exception) -> None:
        """Stop the node, since it can't continue."""
        log.critical("the node stops: %s", error, exc_info=None if isinstance(error, LimeDBError) else error)
        self.failure = self.failure or error
        self._stopped.set()
        self._hurried.set()
