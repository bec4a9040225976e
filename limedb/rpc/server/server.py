"""The gRPC server: serving methods, listening, stopping.

It owns the start, the stop, and the list of services. It must never use interceptors for the common parts of
methods (`method.py`), since one costs a tenth of a request.
"""

import asyncio
import logging
import socket
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server

from limedb.access.identities import FRESH_SECONDS
from limedb.core.exposure import HEALTH_NAME
from limedb.errors import ConfigError
from limedb.ports import CallTracing, Recorder
from limedb.rpc.server import connect, reflection
from limedb.rpc.server.behaviour import Check, Context
from limedb.rpc.server.connections import shorten_queues
from limedb.rpc.server.gate import Gate, Shown
from limedb.rpc.server.health import Health
from limedb.rpc.server.limits import Limits
from limedb.rpc.server.memory import PEER_COPIES, Memory
from limedb.rpc.server.method import Room, handler
from limedb.rpc.server.receiving import Gauge, NoGauge, Receiving
from limedb.rpc.server.running_streams import Streams
from limedb.wire.channels import MAX_MESSAGE_BYTES

MAX_CONCURRENT_RPCS = 50_000
"""Calls that gRPC accepts at a time, of clients and peers; one more is refused. `memory.Calls` allows clients
fewer.
"""

MOST_WAITING_CALLS = 4_096
"""Calls that may wait for their turn of the event loop; gRPC ends one more itself, as CANCELLED, at little
cost. Refusing a call with a reason takes this process as long as answering a Get. So without this bound a
node under three times its load reaches each call when its client is about to give up, and answers almost none
in time: see docs/limits.md. Many calls that come at once while the loop is busy are no overload.
"""

LARGE_BYTES = 32 << 20
"""This many bytes of large requests that are processed, or wait, count as one of the few that may be on their
way.
"""
CLOSE_SECONDS = 0.05
"""The time for gRPC to stop accepting."""
GOAWAY_SECONDS = 0.25
"""The time for clients whose calls wait to learn that it has: a call that one sends before that on the same
connection is cancelled without a reason.
"""

UNASKED_BYTES = 256 << 10
"""Bytes of a call that may arrive before the node reads them."""

SERVER_OPTIONS = (
    ("grpc.so_reuseport", 0),  # a forgotten node must not share the port silently
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_concurrent_streams", 200),
    # Bytes of a call that arrive before it is read. gRPC would let them grow with the speed of the
    # connection.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", UNASKED_BYTES),
    ("grpc.keepalive_permit_without_calls", 1),
    # Envoy pings an idle connection every 2 s; a server that expects fewer pings answers with GOAWAY.
    ("grpc.http2.min_ping_interval_without_data_ms", 1_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 1_000),
    # gRPC would end a connection after two pings too many, but first read those that follow, at a cost that
    # grows with each: the one thread that waits for the network then serves nobody, for minutes.
    ("grpc.http2.max_ping_strikes", 0),
)


class Servicer(Protocol):
    """Has a Python method for each method of a service."""

    service: ServiceDescriptor


def _protobuf(method: MethodDescriptor) -> None:
    """Messages in protobuf's own form need no converter."""


def check_nothing(context: Context) -> None:
    """Let every call begin."""


def _both(one: Check, other: Check) -> Check:
    """Both checks, without a step more where one of them checks nothing."""
    if check_nothing in (one, other):
        return other if one is check_nothing else one
    return all_of(one, other)


def all_of(*checks: Check) -> Check:
    """A check that refuses what the first of some refuses that does."""

    def check(context: Context) -> None:
        for each in checks:
            each(context)

    return check


def _waiting_options(most: int) -> tuple[tuple[str, int], ...]:
    """By default gRPC would end some calls beyond 1,000 at random, and all beyond 3,000."""
    return ("grpc.server.max_pending_requests", most), ("grpc.server.max_pending_requests_hard_limit", most)


def is_about_us(record: logging.LogRecord) -> bool:
    """Whether a line of gRPC's log reports more than a client that went away before its answer was sent."""
    return "ExecuteBatchError raised in core" not in record.getMessage()


class Listener(NamedTuple):
    """Where to listen. credentials: of TLS; None: without TLS. setting: the one that chose the port."""

    address: str
    credentials: grpc.ServerCredentials | None = None
    setting: str = "SERVER_PORT"


class Server:
    """A node's server, with health and reflection. tracing: of telemetry, when it is on. memory: for
    requests, answers and streams. gauge: of the process's memory. gate: identifies callers and checks their
    rights; None: everybody may call. may_be_published: whether an Envoy that listens beyond loopback may send
    it requests. limits: of each client; None: there are none. most_waiting: calls that wait for their turn.
    always: the check of each call of a client.
    """

    def __init__(
        self,
        memory: Memory,
        tracing: CallTracing | None = None,
        gauge: Gauge | None = None,
        gate: Gate | None = None,
        may_be_published: bool = True,
        limits: Limits | None = None,
        most_waiting: int = MOST_WAITING_CALLS,
        always: Check | None = None,
    ) -> None:
        self._gate, self._may_be_published = gate, may_be_published
        self._always = always or check_nothing
        logging.getLogger("grpc._cython.cygrpc").addFilter(is_about_us)
        gauge = gauge or NoGauge()
        clock, large = (
            memory.clock,
            lambda: memory.requests.held // LARGE_BYTES + memory.arrivals.held // LARGE_BYTES,
        )
        self._clients = Room(
            memory.requests,
            memory.arrivals,
            memory.answers,
            memory.streams,
            Receiving(gauge, clock, large, memory.clients),
            memory.clients,
            calls=memory.calls,
            limits=limits,
        )
        self._peers = Room(
            memory.peers,
            memory.peer_arrivals,
            memory.peers,
            memory.peers,
            Receiving(gauge, clock, lambda: 0, memory.clients),
            memory.clients,
            PEER_COPIES,
        )
        self._grpc = grpc.aio.server(
            options=(*SERVER_OPTIONS, *_waiting_options(most_waiting)),
            maximum_concurrent_rpcs=MAX_CONCURRENT_RPCS,
        )
        self._tracing = tracing
        self.health = Health()
        add_HealthServicer_to_server(self.health, self._grpc)
        self._names: list[str] = []
        self._streams = Streams()

    def add(
        self,
        servicer: Servicer,
        recorder: Recorder | None = None,
        of_peers: bool = False,
        check: Check | None = None,
    ) -> None:
        """Serve a service. recorder: counts its requests; None for services that clients don't call.
        of_peers: whether it is for other nodes, which have a separate share of the memory. check: raises
        the refusal of a call before it begins; None: accept all.
        """
        service, room = servicer.service, self._peers if of_peers else self._clients
        check = _both(check_nothing if of_peers else self._always, check or check_nothing)
        if self._tracing is not None:
            streams = {method.name for method in service.methods if method.server_streaming}
            recorder = self._tracing.recorder(service.full_name, streams, recorder)
        binary, json = (
            {
                method.name: handler(
                    method,
                    getattr(servicer, method.name),
                    recorder,
                    self._streams,
                    room,
                    check,
                    self._tracing,
                    form(method),
                    self._gate.guard(service.full_name, method.name) if self._gate else None,
                )
                for method in service.methods
            }
            for form in (_protobuf, connect.JsonMessages)
        )
        handlers = connect.Handlers(service.full_name, binary, binary if of_peers else json)
        self._grpc.add_generic_rpc_handlers((handlers,))
        self._names.append(service.full_name)

    async def start(self, addresses: Sequence["str | Listener"]) -> None:
        """Listen at host:port (without TLS, unless it is a Listener with credentials) and answer, as
        NOT_SERVING until set_serving. ConfigError: a port is taken.
        """
        for servicer in reflection.servicers(self._names):
            self.add(servicer)
        await self.set_serving(False)
        ports = [self._bind(each if isinstance(each, Listener) else Listener(each)) for each in addresses]
        await self._grpc.start()
        shorten_queues(ports)

    def _bind(self, listener: "Listener") -> int:
        """The port."""
        address, credentials = listener.address, listener.credentials
        try:
            if credentials is None:
                return self._grpc.add_insecure_port(address)
            return self._grpc.add_secure_port(address, credentials)
        except RuntimeError:
            raise ConfigError(
                listener.setting, address.rpartition(":")[2], f"a free port: {address} is taken"
            ) from None

    async def set_serving(self, serving: bool) -> None:
        """Set the answer of grpc.health.v1, for each service and overall."""
        for name in ("", *self._names, HEALTH_NAME):
            is_up = serving and (name != HEALTH_NAME or self._may_be_published)
            status = HealthCheckResponse.SERVING if is_up else HealthCheckResponse.NOT_SERVING
            await self.health.set(name, status)

    async def look_at_callers(self) -> None:
        """Close the streams of callers whose credentials are no longer valid, even idle ones, until
        cancelled.
        """
        while self._gate is not None:
            await asyncio.sleep(FRESH_SECONDS)
            for shown in self._streams.shown:
                if isinstance(shown, Shown) and (error := await self._gate.look_again(shown)):
                    self._streams.end_of(shown, error)

    async def stop(self, grace: float) -> None:
        """Take no more requests, close streams, and give running unary calls `grace` seconds to finish.

        First it serves everything until load balancers have noticed. Then new calls wait, to be refused with
        an error text once gRPC accepts no more. gRPC silently cancels calls that it has received and the node
        has not begun; a waiting client sends no such calls.
        """
        await self.set_serving(False)
        await self.health.wait_noticed()
        self._streams.end()
        await self._streams.wait_quiet()
        stop = asyncio.create_task(self._grpc.stop(grace))
        await asyncio.sleep(CLOSE_SECONDS)
        if self._streams.are_waiting:
            await asyncio.sleep(GOAWAY_SECONDS)
        self._streams.release()
        await stop


def listen_addresses(host: str, port: int, loopback: bool) -> list[str]:
    """The addresses to listen on: only the loopback name if the node has one, otherwise all interfaces."""
    if not loopback:
        return [f"[::]:{port}" if socket.has_ipv6 and _can_bind_ipv6() else f"0.0.0.0:{port}"]
    if host != "localhost":
        return [f"[{host}]:{port}" if ":" in host else f"{host}:{port}"]
    return [f"127.0.0.1:{port}", *([f"[::1]:{port}"] if _can_bind_ipv6("::1") else [])]


def _can_bind_ipv6(host: str = "::") -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind((host, 0))
    except OSError:
        return False
    return True
