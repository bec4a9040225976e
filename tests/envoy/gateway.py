"""A real Envoy in front of stand-ins.

It owns Envoy's process for the time of a block. It must never ask more of it than a client can.
"""

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from limedb.launch import envoy
from limedb.launch.access import Access
from limedb.launch.addresses import Address
from limedb.launch.envoy import EnvoyOptions
from limedb.wire import descriptors
from limedb.wire.audience import ON_REQUEST
from tests.envoy.standin import StandIn, stand_in
from tests.support.ports import free_ports

READY_SECONDS = 15.0
STOP_SECONDS = 10.0
UNFINISHED = (
    "'envoy.extensions.filters.http.connect_grpc_bridge.v3.FilterConfig' is contained in proto file",
    "'envoy.config.core.v3.Http1ProtocolOptions.allow_custom_methods' is marked as work-in-progress",
)
"""Envoy calls the configuration of its Connect bridge, which is empty, and a switch a work in progress."""


@dataclass(frozen=True)
class Gateway:
    """Envoy and the nodes behind it. operators: where their services are. log: what Envoy wrote;
    warnings and worse.
    """

    address: str
    nodes: tuple[StandIn, ...]
    client: httpx.Client
    log: Path
    stops: tuple[ExitStack, ...]
    operators: str = ""

    def stop(self, node: StandIn) -> None:
        """End a node."""
        self.stops[self.nodes.index(node)].close()

    def calls(self, method: str) -> int:
        """How often the nodes were asked for a method."""
        return sum(len(node.asked(method)) for node in self.nodes)

    def is_reached(self, node: StandIn) -> bool:
        """Whether a request that is pinned to the node is answered."""
        try:
            return self.client.get("/api/v1/health", params={"node": node.url}).is_success
        except httpx.HTTPError:
            return False


@contextmanager
def running_gateway(
    folder: Path, count: int = 2, otel: Address | None = None, access: Access | None = None
) -> Iterator[Gateway]:
    """Envoy in front of some stand-ins, all reached, for the time of the block. access: besides that of
    operators, who have a listener of their own; None: everything is published at one address.
    """
    data: dict[str, str] = {}
    with ExitStack() as stack:
        port, operators, *node_ports = stack.enter_context(free_ports(count + 2))
        listen = Address("127.0.0.1", port)
        given = access or Access(publish=tuple(ON_REQUEST))
        place = Address("127.0.0.1", operators) if access else listen
        stops = tuple(stack.enter_context(ExitStack()) for _ in node_ports)
        nodes = tuple(
            stop.enter_context(stand_in(node_port, data))
            for stop, node_port in zip(stops, node_ports, strict=True)
        )
        options = EnvoyOptions(
            nodes=tuple(envoy.parse_node(node.url) for node in nodes),
            listen=listen,
            descriptor=str(descriptors.path()),
            otel=otel,
            access=replace(given, operators=place),
        )
        log = stack.enter_context(running_envoy(folder, envoy.render(options)))
        client = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10.0))
        gateway = Gateway(str(listen), nodes, client, log, stops, str(place))
        wait_until(lambda: all(gateway.is_reached(node) for node in nodes), "Envoy to reach the nodes", log)
        yield gateway


@contextmanager
def running_envoy(folder: Path, config: str) -> Iterator[Path]:
    """Envoy with a configuration, for the time of the block; its log, of warnings and worse."""
    log = folder / "envoy.log"
    with log.open("wb") as output:
        process = subprocess.Popen(envoy_command(folder, config), stdout=output, stderr=subprocess.STDOUT)
    try:
        yield log
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def envoy_command(folder: Path, config: str, *options: str) -> Sequence[str]:
    """The command that runs Envoy with a configuration."""
    path = folder / "envoy.yaml"
    path.write_text(config)
    quiet = ("--disable-hot-restart", "--concurrency", "1", "--log-level", "warning")
    return [str(envoy.find_envoy()), "-c", str(path), *quiet, *options]


def warnings_in(log: str) -> list[str]:
    """What Envoy warns of, except for what nothing can be done about."""
    return [line for line in log.splitlines() if not any(words in line for words in UNFINISHED)]


def wait_until(condition: Callable[[], bool], what: str, log: Path) -> None:
    """Return as soon as condition holds. AssertionError after READY_SECONDS, with Envoy's log."""
    end = time.monotonic() + READY_SECONDS
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}; Envoy says: {log.read_text()}"
        time.sleep(0.02)
