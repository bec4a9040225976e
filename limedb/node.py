"""A node: the composition root.

It owns which adapter stands behind which port, and the order of start and stop. It alone constructs
adapters, and stops them in reverse order. It must never hold logic of a request.
"""

import asyncio
import logging
import signal
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from random import Random

import uvloop

from limedb import __version__
from limedb.cluster.gossiper import Gossiper
from limedb.cluster.view import ClusterView
from limedb.config import Config
from limedb.core.detector import Status
from limedb.core.hlc import HybridClock
from limedb.core.membership import NodeState
from limedb.errors import LimeDBError
from limedb.observability.logs import configure_logging
from limedb.observability.metrics import ProcessStats, RequestStats
from limedb.observability.telemetry import Source, Telemetry, start_telemetry
from limedb.ports import NodeHealth, Store, StoreStats
from limedb.replication.coordinator import Coordinator
from limedb.replication.replica import LocalReplica
from limedb.rpc.checks import Checks
from limedb.rpc.cluster import ClusterServicer, Phase
from limedb.rpc.deadlines import Deadlines
from limedb.rpc.gossip import GossipServicer
from limedb.rpc.kv import KVServicer
from limedb.rpc.links import PeerLinks
from limedb.rpc.remote import RemoteGossip, ReplicaDirectory
from limedb.rpc.replica import ReplicaServicer
from limedb.rpc.server import Server, listen_addresses
from limedb.storage.opening import open_store

log = logging.getLogger(__name__)

DRAIN_SECONDS = 5.0
"""How long running requests may take once the node is told to stop."""
MAX_ANSWER = (4 << 20) - (64 << 10)
"""Bytes of values in one answer: what a gRPC client takes by default, less some room for the keys."""
MEET_SECONDS = 3.0
"""How long a node waits for a first peer before it serves alone."""


class SystemClock:
    """The machine's clocks."""

    def wall_ms(self) -> int:
        """Milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()


class Node:
    """One node from start to stop. config: its settings; rng: makes the choices of gossip.

    It stops by itself when its store fails for good: `wait_stopped` returns, and `failure` says why.
    """

    def __init__(self, config: Config, rng: Random) -> None:
        self._config, self._rng = config, rng
        self._clock = SystemClock()
        self._phase: Phase = "starting"
        self._stopped = asyncio.Event()
        self._stack = AsyncExitStack()
        self.failure: Exception | None = None

    async def start(self) -> None:
        """Open the store, listen, meet a peer, and take requests. LimeDBError: it can't; all is closed."""
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
        store = self._store = open_store(
            self._config.store,
            self._config.data_dir,
            self._config.node_url,
            self._config.durability,
            self._fail,
        )
        self._stack.push_async_callback(store.close)
        self._stats = RequestStats(self._clock.monotonic())
        self._process = ProcessStats(self._clock.monotonic())
        self._view = self._new_view(store)
        telemetry = await self._start_telemetry()
        links = PeerLinks(self._view.address, self._clock, telemetry.client_interceptors)
        self._stack.push_async_callback(links.close)
        gossiper = self._new_gossiper(links)
        await self._run_in_background(gossiper.run(), self._sample())
        server = self._new_server(telemetry, links, gossiper, store)
        await server.start(
            listen_addresses(self._config.host, self._config.server_port, self._config.is_loopback)
        )
        self._stack.push_async_callback(server.stop, DRAIN_SECONDS)
        await gossiper.wait_met(MEET_SECONDS)
        self._phase = "active"
        await server.set_serving(True)
        log.info("serving %s on port %d", self._config.node_url, self._config.server_port)

    def _new_view(self, store: Store) -> ClusterView:
        own = NodeState(
            url=self._config.node_url,
            generation=self._clock.wall_ms(),
            address=self._config.advertise_address,
            zone=self._config.zone,
            version=__version__,
        )
        return ClusterView(
            own,
            self._clock,
            gossip_interval=self._config.gossip_interval,
            virtual_nodes=self._config.virtual_nodes,
            keys=store.count,
        )

    def _new_gossiper(self, links: PeerLinks) -> Gossiper:
        return Gossiper(
            self._view,
            RemoteGossip(links),
            self._clock,
            interval=self._config.gossip_interval,
            seeds=self._config.node_peers,
            rng=self._rng,
        )

    async def _start_telemetry(self) -> Telemetry:
        config = self._config
        self._set_aside()
        source = Source(
            config.node_url, __version__, config.zone, self._stats, lambda: self._peers, lambda: self._stored
        )
        telemetry = await asyncio.to_thread(start_telemetry, config.otel_endpoint, source)
        self._stack.push_async_callback(asyncio.to_thread, telemetry.shutdown)
        if telemetry.enabled:
            configure_logging(
                config.log_level, config.log_format, config.node_url, trace_ids=telemetry.trace_ids
            )
            log.info("telemetry goes to %s", telemetry.endpoint)
        return telemetry

    def _new_server(self, telemetry: Telemetry, links: PeerLinks, gossiper: Gossiper, store: Store) -> Server:
        config, clock = self._config, self._clock
        checks = Checks(config.max_value_size)
        deadlines = Deadlines(clock, config.request_timeout)
        max_answer = max(MAX_ANSWER, config.max_value_size)
        own = LocalReplica(store, clock, max_answer)
        replicas = ReplicaDirectory(config.node_url, own, links, clock)
        coordinator = Coordinator(self._view, replicas, clock, HybridClock(store.high_water()))
        server = Server(telemetry.server_interceptors)
        kv = KVServicer(config.node_url, coordinator, own, checks, deadlines, self._stats, max_answer)
        server.add(kv, self._stats)
        server.add(ClusterServicer(self._view, clock, lambda: self._phase, self._health), self._stats)
        server.add(GossipServicer(gossiper, checks, clock))
        server.add(ReplicaServicer(own, deadlines))
        return server

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

    async def _sample(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            now = self._clock.monotonic()
            self._stats.sample(now)
            self._process.sample(now)
            self._set_aside()

    def _set_aside(self) -> None:
        """Keep figures where the thread that exports them may read them."""
        report = self._view.gossip_report()
        self._peers = {status.value: report.count(status) for status in Status}
        self._stored: StoreStats = self._store.stats()

    def _health(self) -> NodeHealth:
        now = self._clock.monotonic()
        process = self._process.figures(now)
        return NodeHealth(
            uptime_seconds=process.uptime_seconds,
            memory_mb=process.memory_allocated_mb,
            cpu_percent=process.cpu_percent,
            requests=self._stats.figures(now),
            store=self._store.stats(),
        )


def run(config: Config) -> None:
    """Run a node until SIGTERM or SIGINT. LimeDBError: it could not start, or had to stop."""
    configure_logging(config.log_level, config.log_format, config.node_url)
    uvloop.run(_run(config))


async def _run(config: Config) -> None:
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
        return
    starting.result()
    await stopping
    await node.stop()
    if node.failure is not None:
        raise LimeDBError(f"the node had to stop: {node.failure}") from node.failure
