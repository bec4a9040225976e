"""The gRPC server: serving methods, listening, stopping.

It owns the parts that all methods share: parsing, the status of an error, the counters, spans if telemetry is
on. It must never use interceptors for these, for one costs a tenth of a request.
"""

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, nullcontext, suppress
from functools import partial
from time import perf_counter
from traceback import clear_frames
from typing import Any, NamedTuple, Protocol

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server

from limedb.aio.whole_reads import whole
from limedb.errors import ConfigError, MalformedRequestError
from limedb.ports import Answer, CallTracing, Recorder
from limedb.rpc.server import connect, reflection
from limedb.rpc.server.health import Health
from limedb.rpc.server.memory import (
    ANSWER_COPIES,
    COPIES,
    PEER_COPIES,
    SMALL_BYTES,
    Calls,
    Held,
    Memory,
    Share,
    holder_of,
    room_seconds,
)
from limedb.rpc.server.receiving import Gauge, NoGauge, Receiving, running_task
from limedb.rpc.server.rest_streams import BREAK_SECONDS, NO_MESSAGE, is_rest
from limedb.rpc.server.running_streams import Streams
from limedb.wire.batch_set import request_class
from limedb.wire.channels import MAX_MESSAGE_BYTES
from limedb.wire.status import FACT_BYTES_IN_TRAILERS, code_of, status_of, trailers_of

Context = grpc.aio.ServicerContext[bytes, bytes]
Behaviour = Callable[[Any, Context], Any]
"""A unary method returns an awaitable message, a streaming one an async generator of messages."""
Check = Callable[[Context], None]
"""Raises the refusal of a call before it begins."""

MAX_CONCURRENT_RPCS = 50_000
"""Calls that gRPC accepts at a time, of clients and peers; one more is refused. `memory.Calls` allows clients
fewer.
"""

LONG_BYTES = 4 << 20
"""Bytes of a request that makes others wait: the event loop takes 40 ms to receive 60 MB, and 30 ms to parse
them.
"""
LARGE_BYTES = 32 << 20
"""So many bytes of large requests that are processed, or wait, count as one of the few that may be on their
way.
"""
STREAM_BYTES = 64 << 10
"""The least bytes that a stream counts for: gRPC's buffers, and the objects that serve it."""
STREAM_COPIES = 4
"""How many times the bytes of a stream's last message may be in memory: as sent, and as pages of nodes."""
WATCH_BYTES = 1 << 20
"""Bytes that a constantly refilled stream counts for: it takes processor time, too."""
BUSY_STREAMS = frozenset({"ClusterService/WatchCluster", "AdminService/Repair"})
DONE = frozenset({"KVService/BatchSet", "ReplicaService/Apply", "ReplicaService/Agree"})
"""Methods whose answer can't be refused: the work is done by then. The answer is much smaller than the
request.
"""

LAST_WRITE_SECONDS = 1.0
"""How long an ending stream waits for its client to take the message on its way."""

CLOSE_SECONDS = 0.05
"""The time for gRPC to stop accepting."""
GOAWAY_SECONDS = 0.25
"""The time for clients whose calls wait to learn that it has: a call that one sends before that on the same
connection is cancelled without a reason.
"""

UNBEGUN = (("limedb-unbegun", "1"),)
"""The trailer of a call that a stopping node refuses: Envoy sends it to another node, even a write."""

UNASKED_BYTES = 256 << 10
"""Bytes of a call that may arrive before the node reads them."""

SERVER_OPTIONS = (
    ("grpc.so_reuseport", 0),  # a forgotten node must not share the port silently
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_concurrent_streams", 200),
    # gRPC would silently cancel some calls that the event loop has not reached yet beyond 1,000, and all
    # beyond 3,000, whichever client's they are. So the limit is that of all calls, which refuses with an
    # error text.
    ("grpc.server.max_pending_requests", MAX_CONCURRENT_RPCS),
    ("grpc.server.max_pending_requests_hard_limit", MAX_CONCURRENT_RPCS),
    # Bytes of a call that arrive before it is read. gRPC would let them grow with the speed of the
    # connection.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", UNASKED_BYTES),
    ("grpc.keepalive_permit_without_calls", 1),
    # Envoy pings an idle connection every 2 s; a server that expects fewer pings answers with GOAWAY.
    ("grpc.http2.min_ping_interval_without_data_ms", 1_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 1_000),
)


class Servicer(Protocol):
    """Has a Python method for each method of a service."""

    service: ServiceDescriptor


class _Method:
    """One method, from bytes to bytes: so a key that isn't UTF-8 is the client's error, not ours.

    streams: the running streams, to end them when the server stops. room: the memory for its requests and
    answers. check: raises the refusal of a call that is meant for another node or cluster.
    """

    def __init__(
        self,
        method: MethodDescriptor,
        behaviour: Behaviour,
        recorder: Recorder | None,
        streams: Streams,
        room: "Room",
        check: Check,
        json: connect.JsonMessages | None = None,
    ) -> None:
        self._name = f"{method.containing_service.name}/{method.name}"
        self._request_class = request_class(method.input_type)
        self._response_class = GetMessageClass(method.output_type)
        self._behaviour, self._streams = behaviour, streams
        self._check = check
        self._record = recorder.record if recorder else _record_nothing
        self._room, self._receive, self._calls = room, room.receiving.message, room.calls
        self._json = json
        self._copies, self._answer_copies = room.copies, ANSWER_COPIES
        if json is not None:
            self._copies, self._answer_copies = connect.COPIES * room.copies, connect.COPIES * ANSWER_COPIES

    async def answer(self, _requests: object, context: Context) -> bytes:
        """Serve a unary call. It reads its message itself, so that surplus messages are not even received."""
        started, held = perf_counter(), None
        data: object = None
        request: Message | None = None
        response: Message | bytes = b""
        answer = b""
        if self._streams.is_ended:
            await self._refuse(await self._streams.refusal(), context, started, UNBEGUN)
        try:
            self._begin(context)
            data = await self._receive(context)
            if not isinstance(data, bytes):
                raise MalformedRequestError("the call has no message")
            if len(data) > SMALL_BYTES:
                held = await self._hold(data, context)
            request = await self._message_of(data)
            data = b""
            response = await self._behaviour(request, context)
            answer = _serialized(response)
            if len(answer) > SMALL_BYTES:
                self._hold_answer(answer, context)
            answer = await self._as_sent(answer)
        except asyncio.CancelledError:
            self._record(self._name, "CANCELLED", perf_counter() - started)
            raise
        except Exception as error:  # errors become statuses only here and in `stream`
            request, data, response, answer = None, b"", b"", b""  # gRPC keeps the error, and so this frame
            await self._refuse(error, context, started)
            raise AssertionError("abort returned") from error
        finally:
            if held is not None:
                held.release()
        self._record(self._name, "OK", perf_counter() - started)
        return answer

    def _begin(self, context: Context) -> None:
        """Check for whom a call is meant, and count it. OverloadedError: there are too many."""
        self._check(context)
        if self._calls is not None:
            self._calls.begin(context, running_task())

    async def _message_of(self, data: bytes) -> Message:
        if self._json is not None:
            data = await self._json.request(data)
        return _parse(self._request_class, data) if len(data) < LONG_BYTES else await self._parsed(data)

    async def _as_sent(self, data: bytes) -> bytes:
        return data if self._json is None else await self._json.answer(data)

    async def _parsed(self, data: bytes) -> Message:
        """A long request, parsed in a separate turn of the loop."""
        await asyncio.sleep(0)
        request = _parse(self._request_class, data)
        await asyncio.sleep(0)
        return request

    async def _hold(self, data: bytes, context: Context) -> Held:
        """Room for a large request while it is processed. OverloadedError: there is none soon enough."""
        holder = holder_of(context)
        with self._room.arrivals.hold(holder, len(data)):
            return await self._room.requests.wait(holder, self._copies * len(data), room_seconds(context))

    def _hold_answer(self, answer: bytes, context: Context) -> None:
        """Count a large answer until its client has taken it, or is gone."""
        holder, answers = holder_of(context), self._room.answers
        hold = answers.force if self._name in DONE else answers.hold
        held = hold(holder, self._answer_copies * len(answer))
        running_task().add_done_callback(held.release)

    async def stream(self, _requests: object, context: Context) -> None:
        """Serve a call whose answer is a stream. When the client goes away, or the server stops, the
        behaviour's generator is closed before this returns.
        """
        await self._stream(lambda: self._answers_to_one(context), context, True)

    async def _answers_to_one(self, context: Context) -> AsyncGenerator[Message | bytes, None]:
        data = await self._receive(context)
        if not isinstance(data, bytes):
            raise MalformedRequestError("the call has no message")
        request = await self._message_of(data)
        async with aclosing(self._behaviour(request, context)) as responses:
            async for response in responses:
                yield response

    async def converse(self, _requests: object, context: Context) -> None:
        """Serve a call of two streams. The behaviour gets an iterator of messages, which raises
        UnavailableError when the server stops: the behaviour may still answer earlier messages, and ends by
        raising the error. It counts its requests itself.
        """
        requests = _Requests(self._message_of, context, self._streams)
        await self._stream(lambda: self._behaviour(requests, context), context, False)

    async def _stream(
        self, behave: Callable[[], AsyncGenerator[Message | bytes, None]], context: Context, bounded: bool
    ) -> None:
        """The recorded time is that to the first message: the client decides how long the stream lasts."""
        started, first, held = perf_counter(), 0.0, None
        response: Message | bytes = b""
        data = b""
        least = WATCH_BYTES if self._name in BUSY_STREAMS else STREAM_BYTES
        try:
            self._check(context)
            held = self._room.streams.hold(holder_of(context), least)
            async with self._streams.bound() if bounded else nullcontext(), aclosing(behave()) as responses:
                async for response in responses:
                    data = await self._as_sent(_serialized(response))
                    if bounded and (size := max(least, STREAM_COPIES * len(data))) != held.amount:
                        held.resize(size)
                    await (_write_whole(context, data) if bounded else context.write(data))
                    first = first or perf_counter()
        except asyncio.CancelledError:
            self._record(self._name, "CANCELLED", (first or perf_counter()) - started)
            raise
        except grpc.aio.BaseError:  # the message had no reader: the client is gone
            self._record(self._name, "CANCELLED", (first or perf_counter()) - started)
            return
        except Exception as error:
            response = data = b""
            if first and is_rest(context):
                await self._break_off(error, context)
            await self._refuse(error, context, started)
        finally:
            if held is not None:
                held.release()
        self._record(self._name, "OK", (first or perf_counter()) - started)

    async def _break_off(self, error: Exception, context: Context) -> None:
        """Write the error as the last line of a stream over REST, then break the stream off."""
        if "error" in self._response_class.DESCRIPTOR.fields_by_name:
            status = status_of(error, self._name)
            await _write_whole(context, self._response_class(error=status).SerializeToString())
        await asyncio.sleep(BREAK_SECONDS)
        await _write_whole(context, NO_MESSAGE)

    async def _refuse(
        self, error: Exception, context: Context, started: float, trailers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        code, status = code_of(error), status_of(error, self._name, FACT_BYTES_IN_TRAILERS)
        connect.name_details(status, context)
        # Otherwise large refused messages stay in memory until the collector's next full pass.
        clear_frames(error.__traceback__)
        self._record(self._name, code.name, perf_counter() - started)
        await context.abort(code, status.message, (*trailers_of(error, status), *trailers))


async def _write_whole(context: Context, data: bytes) -> None:
    """Write a message of a stream that the server's stop may interrupt: gRPC accepts no status while a write
    is on its way.
    """
    writing = asyncio.ensure_future(context.write(data))
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        with suppress(Exception):  # the reason for the end matters, not the write's error
            await asyncio.wait_for(writing, LAST_WRITE_SECONDS)
        raise


class Room(NamedTuple):
    """The memory that the methods of a service may hold, and the receipt of their messages."""

    requests: Share
    arrivals: Share
    answers: Share
    streams: Share
    receiving: Receiving
    copies: int = COPIES
    calls: Calls | None = None


class _Requests:
    """The messages that a stream's client sends."""

    def __init__(
        self, message_of: Callable[[bytes], Awaitable[Message]], context: Context, streams: Streams
    ) -> None:
        self._message_of, self._context, self._streams = message_of, context, streams

    def __aiter__(self) -> "_Requests":
        return self

    async def __anext__(self) -> Message:
        async with self._streams.bound():
            data = await whole(self._context.read())
        if not isinstance(data, bytes):  # the end: the client half-closed
            raise StopAsyncIteration
        return await self._message_of(data)


def _handler(
    method: MethodDescriptor,
    behaviour: Behaviour,
    recorder: Recorder | None,
    streams: Streams,
    room: Room,
    check: Check,
    tracing: CallTracing | None,
    json: connect.JsonMessages | None = None,
) -> "grpc.RpcMethodHandler[bytes, bytes]":
    """On the wire a call with one message is a stream of one message, so the node can choose when to
    read it.
    """
    served = _Method(method, behaviour, recorder, streams, room, check, json)
    path = f"/{method.containing_service.full_name}/{method.name}"
    traced = partial(tracing.answering, path) if tracing else _untraced
    if method.client_streaming:
        return grpc.stream_stream_rpc_method_handler(traced(served.converse))
    if method.server_streaming:
        return grpc.stream_stream_rpc_method_handler(traced(served.stream))
    return grpc.stream_unary_rpc_method_handler(traced(served.answer))


def _untraced(answer: Answer) -> Answer:
    return answer


def _parse(request_class: type[Message], data: bytes) -> Message:
    try:
        return request_class.FromString(data)
    except DecodeError:
        kind = request_class.DESCRIPTOR.name
        raise MalformedRequestError(f"the request is not a {kind}: text in it must be UTF-8") from None


def _serialized(response: Message | bytes) -> bytes:
    return response if isinstance(response, bytes) else response.SerializeToString()


def _protobuf(method: MethodDescriptor) -> None:
    """Messages in protobuf's own form need no converter."""


def check_nothing(context: Context) -> None:
    """Let every call begin."""


def _record_nothing(method: str, code: str, seconds: float) -> None:
    pass


def is_about_us(record: logging.LogRecord) -> bool:
    """Whether a line of gRPC's log reports more than a client that went away before its answer was sent."""
    return "ExecuteBatchError raised in core" not in record.getMessage()


class Server:
    """A node's server, with health and reflection. tracing: of telemetry, when it is on. memory: for
    requests, answers and streams. gauge: of the process's memory.
    """

    def __init__(
        self,
        memory: Memory,
        tracing: CallTracing | None = None,
        gauge: Gauge | None = None,
    ) -> None:
        logging.getLogger("grpc._cython.cygrpc").addFilter(is_about_us)
        gauge = gauge or NoGauge()
        clock, large = (
            memory.clock,
            lambda: memory.requests.held // LARGE_BYTES + memory.arrivals.held // LARGE_BYTES,
        )
        receiving = Receiving(gauge, clock, large)
        self._clients = Room(
            memory.requests, memory.arrivals, memory.answers, memory.streams, receiving, calls=memory.calls
        )
        self._peers = Room(
            memory.peers,
            memory.peer_arrivals,
            memory.peers,
            memory.peers,
            Receiving(gauge, clock, lambda: 0),
            PEER_COPIES,
        )
        self._grpc = grpc.aio.server(options=SERVER_OPTIONS, maximum_concurrent_rpcs=MAX_CONCURRENT_RPCS)
        self._tracing = tracing
        self._health = Health()
        add_HealthServicer_to_server(self._health, self._grpc)
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
        check = check or check_nothing
        if self._tracing is not None:
            streams = {method.name for method in service.methods if method.server_streaming}
            recorder = self._tracing.recorder(service.full_name, streams, recorder)
        binary, json = (
            {
                method.name: _handler(
                    method,
                    getattr(servicer, method.name),
                    recorder,
                    self._streams,
                    room,
                    check,
                    self._tracing,
                    form(method),
                )
                for method in service.methods
            }
            for form in (_protobuf, connect.JsonMessages)
        )
        handlers = connect.Handlers(service.full_name, binary, binary if of_peers else json)
        self._grpc.add_generic_rpc_handlers((handlers,))
        self._names.append(service.full_name)

    async def start(self, addresses: Sequence[str]) -> None:
        """Listen at host:port and answer, as NOT_SERVING until set_serving. ConfigError: a port is taken."""
        for servicer in reflection.servicers(self._names):
            self.add(servicer)
        await self.set_serving(False)
        for address in addresses:
            self._bind(address)
        await self._grpc.start()

    def _bind(self, address: str) -> None:
        try:
            self._grpc.add_insecure_port(address)
        except RuntimeError:
            raise ConfigError(
                "SERVER_PORT", address.rpartition(":")[2], f"a free port: {address} is taken"
            ) from None

    async def set_serving(self, serving: bool) -> None:
        """Set the answer of grpc.health.v1, for each service and overall."""
        status = HealthCheckResponse.SERVING if serving else HealthCheckResponse.NOT_SERVING
        for name in ("", *self._names):
            await self._health.set(name, status)

    async def stop(self, grace: float) -> None:
        """Take no more requests, end streams, and give running unary calls `grace` seconds to finish.

        First it serves everything until load balancers have noticed. Then new calls wait, to be refused with
        an error text once gRPC accepts no more. gRPC silently cancels calls that it has received and the node
        has not begun; a waiting client sends no such calls.
        """
        await self.set_serving(False)
        await self._health.wait_noticed()
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
