"""A node: the composition root.

It owns which adapter stands behind which port, and the order of start and stop. It alone constructs
adapters, and stops them in reverse order. It must never hold logic of a request.
"""

import asyncio
import gc
import logging
import signal
import sys
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from random import Random

import uvloop

from limedb import __version__
from limedb.cluster.aside import Aside
from limedb.config import Config
from limedb.core.quorum import Level
from limedb.engine import Engine, Settings, World
from limedb.errors import LimeDBError
from limedb.observability.figures import Figures
from limedb.observability.logs import configure_logging
from limedb.observability.machine import give_back, machine_memory, own_memory_reader
from limedb.observability.telemetry import Source, Telemetry, start_telemetry
from limedb.observability.watchman import Watchman
from limedb.rpc.admin import AdminServicer
from limedb.rpc.checks import Checks
from limedb.rpc.cluster import ClusterServicer
from limedb.rpc.dashboard import DashboardServicer
from limedb.rpc.deadlines import Deadlines
from limedb.rpc.gossip import GossipServicer
from limedb.rpc.key_streams import KeyStreams
from limedb.rpc.kv import KVServicer
from limedb.rpc.links import PeerLinks
from limedb.rpc.memory import Memory
from limedb.rpc.remote import RemoteGossip, ReplicaDirectory
from limedb.rpc.remote_topology import RemoteTopology
from limedb.rpc.replica import ReplicaServicer
from limedb.rpc.server import Server, listen_addresses
from limedb.rpc.sources import ClusterSources, Phase
from limedb.rpc.topology import TopologyServicer
from limedb.storage.node_file import open_node_file, set_aside
from limedb.storage.opening import open_hint_log, open_operation_log, open_store

log = logging.getLogger(__name__)

DRAIN_SECONDS = 5.0
"""How long running requests may take once the node is told to stop."""
MAX_ANSWER = (4 << 20) - (64 << 10)
"""Bytes of values in one answer: what a gRPC client takes by default, less some room for the keys."""
LEAST_MEMORY, MOST_MEMORY = 256 << 20, 2 << 30
"""Bytes between which MAX_MEMORY is an eighth of the machine's, where it isn't set."""
MEET_SECONDS = 3.0
"""How long a node waits for a first peer before it serves alone."""
LOOK_SECONDS = 0.05
"""How often a node looks whether it may serve."""
SWITCH_SECONDS = 0.0005
"""How long a busy event loop keeps the interpreter's lock from the thread that writes to the disk. Python's
own 5 ms would be the most of a commit's time.
"""
GARBAGE_AFTER = 20_000
"""Objects made until the collector looks at the young ones: far more than Python's 700, for a request leaves
few cycles, and a thousand at once keep many objects that are not garbage yet.
"""


class SystemClock:
    """The machine's clocks."""

    def wall_ms(self) -> int:
        """Milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()


class Node:
    """One node from start to stop. config: its settings; rng: makes its ids and the choices of gossip.

    It stops by itself when it can't go on: `wait_stopped` returns, and `failure` says why; or when it was
    removed from its cluster: then `is_removed`, and it may start anew once its data was set aside.
    """

    def __init__(self, config: Config, rng: Random) -> None:
        self._config, self._rng = config, rng
        self._clock = SystemClock()
        self._phase: Phase = "starting"
        self._stopped = asyncio.Event()
        self._stack = AsyncExitStack()
        self.failure: Exception | None = None
        self.is_removed = False

    async def start(self) -> None:
        """Open the store, listen and gossip; it serves as soon as it may. LimeDBError: it can't; all is
        closed.
        """
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise

    async def stop(self) -> None:
        """Take no more requests, finish those that run, and close everything in reverse order."""
        self._phase = "draining"
        await self._stack.aclose()

    def ask_to_stop(self) -> None:
        """Let `wait_stopped` return."""
        self._stopped.set()

    async def wait_stopped(self) -> None:
        """Return when the node was asked to stop, or failed."""
        await self._stopped.wait()

    async def _start(self) -> None:
        config = self._config
        store = open_store(config.store, config.data_dir, config.node_url, config.durability, self._fail)
        self._stack.push_async_callback(store.close)
        hints = open_hint_log(config.store, config.data_dir, config.node_url)
        self._stack.push_async_callback(hints.close)
        operations = open_operation_log(config.store, config.data_dir, config.node_url, config.durability)
        self._stack.push_async_callback(operations.close)
        self._aside = Aside()
        self._memory = Memory(self._max_memory, self._clock)
        self._figures = Figures(self._clock, store)
        telemetry = await self._start_telemetry()
        links = PeerLinks(
            lambda url: self._engine.view.address(url), self._clock, telemetry.client_interceptors
        )
        self._stack.push_async_callback(links.close)
        self._engine = Engine(
            self._settings(),
            World(
                store=store,
                node_file=open_node_file(config.store, config.data_dir, config.node_url),
                hints=hints,
                operations=operations,
                clock=self._clock,
                rng=self._rng,
                gossip=RemoteGossip(links),
                topology=RemoteTopology(links),
                connect=lambda engine: ReplicaDirectory(
                    config.node_url, engine.replica, links, self._clock, engine.is_alive
                ),
                load=self._figures.load,
                compute=self._aside,
            ),
        )
        self._stack.push_async_callback(self._engine.close)
        watchman = Watchman(self._max_memory, own_memory_reader(), give_back)
        self._engine.problems.add(self._memory.problems)
        self._engine.problems.add(watchman.problems)
        server = self._new_server(telemetry, watchman)
        await server.start(listen_addresses(config.host, config.server_port, config.is_loopback))
        self._stack.push_async_callback(server.stop, DRAIN_SECONDS)
        await self._run_in_background(
            self._engine.run(),
            self._figures.run(self._engine.view.gossip_report),
            self._attend(server),
            watchman.run(),
        )

    def _settings(self) -> Settings:
        config = self._config
        return Settings(
            node_url=config.node_url,
            address=config.advertise_address,
            seeds=config.node_peers,
            zone=config.zone,
            version=__version__,
            virtual_nodes=config.virtual_nodes,
            replication_factor=config.replication_factor,
            level=Level(config.consistency),
            gossip_interval=config.gossip_interval,
            dead_node_timeout=config.dead_node_timeout,
            tombstone_grace=config.tombstone_grace,
            max_clock_skew=config.max_clock_skew,
            repair_interval=config.repair_interval,
            max_read_size=self._max_answer,
        )

    @property
    def _max_memory(self) -> int:
        derived = min(max(machine_memory() // 8, LEAST_MEMORY), MOST_MEMORY)
        return self._config.max_memory or derived

    @property
    def _max_answer(self) -> int:
        return max(MAX_ANSWER, self._config.max_value_size)

    async def _start_telemetry(self) -> Telemetry:
        config, figures = self._config, self._figures
        source = Source(
            config.node_url,
            __version__,
            config.zone,
            figures.requests,
            lambda: figures.peers,
            lambda: figures.stored,
        )
        telemetry = await asyncio.to_thread(start_telemetry, config.otel_endpoint, source)
        self._stack.push_async_callback(asyncio.to_thread, telemetry.shutdown)
        if telemetry.enabled:
            configure_logging(
                config.log_level, config.log_format, config.node_url, trace_ids=telemetry.trace_ids
            )
            log.info("telemetry goes to %s", telemetry.endpoint)
        return telemetry

    def _new_server(self, telemetry: Telemetry, watchman: Watchman) -> Server:
        config, engine, requests = self._config, self._engine, self._figures.requests
        checks = Checks(config.max_value_size)
        deadlines = Deadlines(self._clock, config.request_timeout)
        sources = self._sources()
        server = Server(self._memory, telemetry.server_interceptors, watchman)
        kv = KVServicer(
            config.node_url,
            engine.coordinator,
            engine.replica,
            engine.at_hand,
            checks,
            deadlines,
            requests,
            self._max_answer,
            KeyStreams(engine.scanner, engine.watcher, checks, deadlines, self._memory),
            self._memory,
        )
        server.add(kv, requests)
        server.add(ClusterServicer(sources, checks, deadlines), requests)
        server.add(AdminServicer(sources, engine.steward, engine.repairer, checks))
        server.add(GossipServicer(engine.gossiper, checks, self._clock), of_peers=True)
        server.add(DashboardServicer())
        server.add(TopologyServicer(engine), of_peers=True)
        replica = ReplicaServicer(engine.replica, deadlines, self._clock, self._memory.peers)
        server.add(replica, of_peers=True)
        return server

    def _sources(self) -> ClusterSources:
        engine = self._engine
        return ClusterSources(
            view=engine.view,
            placement=engine.charter,
            replicas=engine.replicas,
            clock=self._clock,
            phase=lambda: self._phase,
            problem=lambda: engine.problem,
            health=self._figures.health,
            load=self._figures.load,
            change=engine.steward.change_status,
            clock_offsets=lambda: {url: round(ms) for url, ms in engine.clocks.offsets().items()},
            hints=engine.hints.waiting,
            repair=engine.repairer.stats,
            warnings=lambda: engine.problems.warnings,
            compute=self._aside,
        )

    async def _attend(self, server: Server) -> None:
        """Serve while nothing is in the way of it, and say what is."""
        engine, told, was_active = self._engine, "", False
        await engine.gossiper.wait_met(MEET_SECONDS)
        while True:
            if engine.steward.departed == "removed":
                self.is_removed = True
                self.ask_to_stop()
            problem = engine.problem
            is_serving = not problem
            if is_serving != (self._phase == "active") and self._phase != "draining":
                self._phase = "active" if is_serving else "starting"
                await server.set_serving(is_serving)
                if is_serving:
                    was_active = True
                    log.info("serving %s on port %d", self._config.node_url, self._config.server_port)
            if problem and problem != told:
                log.log(logging.WARNING if was_active else logging.INFO, "%s", problem)
            told = problem
            await asyncio.sleep(LOOK_SECONDS)

    async def _run_in_background(self, *work: Coroutine[None, None, None]) -> None:
        """Run work until the stop, then cancel and await it; work that fails stops the node."""
        tasks = [asyncio.create_task(self._guard(part)) for part in work]

        async def cancel() -> None:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self._stack.push_async_callback(cancel)

    async def _guard(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """Stop the node, for it can't go on."""
        log.critical("the node stops: %s", error, exc_info=None if isinstance(error, LimeDBError) else error)
        self.failure = self.failure or error
        self._stopped.set()


def run(config: Config) -> None:
    """Run a node until SIGTERM or SIGINT. LimeDBError: it could not start, or had to stop."""
    configure_logging(config.log_level, config.log_format, config.node_url)
    sys.setswitchinterval(SWITCH_SECONDS)
    uvloop.run(_run(config))


def _spare_collector() -> None:
    """Let the garbage collector leave alone what the node is made of: a full pass would look at all of it,
    and hold up requests for some ten milliseconds.
    """
    gc.set_threshold(GARBAGE_AFTER, 20, 20)
    gc.collect()
    gc.freeze()


async def _run(config: Config) -> None:
    """Run a node; start it anew, its data set aside, each time that its cluster has removed it."""
    while await _run_once(config):
        moved = set_aside(config.store, config.data_dir, config.node_url)
        log.warning(
            "this node was removed from its cluster; its data is in %s, it joins as a new node", moved
        )


async def _run_once(config: Config) -> bool:
    """Run a node until its end; whether it was removed from its cluster."""
    node = Node(config, Random())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, node.ask_to_stop)
    starting = asyncio.create_task(node.start())
    stopping = asyncio.create_task(node.wait_stopped())
    await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    if starting.cancelled():
        return False
    starting.result()
    _spare_collector()
    await stopping
    await node.stop()
    if node.failure is not None:
        raise LimeDBError(f"the node had to stop: {node.failure}") from node.failure
    return node.is_removed
