"""The gRPC server: how a method is served, where it listens, how it stops.

It owns what all methods share: parsing, the status of an error, the counters. No interceptor stands here,
for one costs a tenth of a request; telemetry brings its own when it is on.
"""

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, nullcontext, suppress
from time import perf_counter
from typing import Any, Protocol

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from grpc_reflection.v1alpha.reflection import SERVICE_NAME as REFLECTION_SERVICE
from grpc_reflection.v1alpha.reflection import enable_server_reflection

from limedb.errors import ConfigError, MalformedRequestError, UnavailableError
from limedb.rpc.channels import MAX_MESSAGE
from limedb.rpc.status import status_of, trailers_of

Context = grpc.aio.ServicerContext[bytes, bytes]
Behaviour = Callable[[Any, Context], Any]
"""A unary method's returns an awaitable message, a streaming one's an async generator of messages."""

MAX_CONCURRENT_RPCS = 10_000
"""Requests that one node works on at a time; one more gets RESOURCE_EXHAUSTED."""

LAST_WRITE_SECONDS = 1.0
"""How long a stream that ends waits for its client to take what is on its way."""

SERVER_OPTIONS = (
    ("grpc.so_reuseport", 0),  # a forgotten node must not share the port in silence
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_send_message_length", MAX_MESSAGE),
    ("grpc.max_concurrent_streams", 1000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Envoy pings an idle connection every 2 s; a server that expects fewer answers by GOAWAY.
    ("grpc.http2.min_ping_interval_without_data_ms", 1_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 1_000),
)


class Recorder(Protocol):
    """Counts finished requests."""

    def record(self, method: str, code: str, seconds: float) -> None:
        """Count one request: its method as Service/Method, its code's name, its duration."""


class Servicer(Protocol):
    """Has a method for each method of a service."""

    service: ServiceDescriptor


class _Method:
    """One method, from bytes to bytes: a key that isn't UTF-8 is then the client's error, not ours.

    streams: the limits of the streams that run, to end them when the server stops.
    """

    def __init__(
        self,
        method: MethodDescriptor,
        behaviour: Behaviour,
        recorder: Recorder | None,
        streams: "_Streams",
    ) -> None:
        self._name = f"{method.containing_service.name}/{method.name}"
        self._request_class = GetMessageClass(method.input_type)
        self._behaviour, self._streams = behaviour, streams
        self._record = recorder.record if recorder else _record_nothing

    async def answer(self, data: bytes, context: Context) -> bytes:
        """Serve a unary call."""
        started = perf_counter()
        try:
            response: Message | bytes = await self._behaviour(_parse(self._request_class, data), context)
            answer = response if isinstance(response, bytes) else response.SerializeToString()
        except asyncio.CancelledError:
            self._record(self._name, "CANCELLED", perf_counter() - started)
            raise
        except Exception as error:  # here and in `stream` errors become statuses, and nowhere else
            await self._refuse(error, context, started)
            raise AssertionError("abort returned") from error
        self._record(self._name, "OK", perf_counter() - started)
        return answer

    async def stream(self, data: bytes, context: Context) -> None:
        """Serve a call that is answered by a stream. When the client goes away, or the server stops, what
        the behaviour holds is closed before this returns.
        """
        await self._stream(lambda: self._behaviour(_parse(self._request_class, data), context), context, True)

    async def converse(self, _requests: object, context: Context) -> None:
        """Serve a call of two streams. The behaviour gets an iterator of messages, which raises
        UnavailableError when the server stops: it may answer what it has, and ends by raising it. It counts
        its requests by itself.
        """
        requests = _Requests(self._request_class, context, self._streams)
        await self._stream(lambda: self._behaviour(requests, context), context, False)

    async def _stream(
        self, behave: Callable[[], AsyncGenerator[Message | bytes, None]], context: Context, bounded: bool
    ) -> None:
        """It counts with the time to its first message: how long it goes on is for its client to say."""
        started, first = perf_counter(), 0.0
        try:
            async with self._streams.bound() if bounded else nullcontext(), aclosing(behave()) as responses:
                async for response in responses:
                    data = response if isinstance(response, bytes) else response.SerializeToString()
                    await (_write_whole(context, data) if bounded else context.write(data))
                    first = first or perf_counter()
        except asyncio.CancelledError:
            self._record(self._name, "CANCELLED", (first or perf_counter()) - started)
            raise
        except Exception as error:
            await self._refuse(error, context, started)
        self._record(self._name, "OK", (first or perf_counter()) - started)

    async def _refuse(self, error: Exception, context: Context, started: float) -> None:
        code, text = status_of(error, self._name)
        self._record(self._name, code.name, perf_counter() - started)
        await context.abort(code, text, trailers_of(error))


async def _write_whole(context: Context, data: bytes) -> None:
    """Write a message of a stream that the server's stop may end in the middle: gRPC takes no status while a
    write is on its way.
    """
    writing = asyncio.ensure_future(context.write(data))
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        with suppress(Exception):  # what ends the stream is told, not what the write met
            await asyncio.wait_for(writing, LAST_WRITE_SECONDS)
        raise


class _Streams:
    """The streams that run: each is ended when the server stops, since many have no end of their own."""

    def __init__(self) -> None:
        self._limits: set[asyncio.Timeout] = set()
        self._ended = False

    @asynccontextmanager
    async def bound(self) -> AsyncIterator[None]:
        """Hold a stream. UnavailableError: the server stops."""
        try:
            async with asyncio.timeout(0 if self._ended else None) as limit:
                self._limits.add(limit)
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            raise UnavailableError("the node is stopping; ask another one") from None
        finally:
            self._limits.discard(limit)

    def end(self) -> None:
        """End those that run, and any that begins later."""
        self._ended = True
        for limit in self._limits:
            limit.reschedule(0)


class _Requests:
    """What the client of a stream sends, message by message."""

    def __init__(self, request_class: type[Message], context: Context, streams: _Streams) -> None:
        self._request_class, self._context, self._streams = request_class, context, streams

    def __aiter__(self) -> "_Requests":
        return self

    async def __anext__(self) -> Message:
        async with self._streams.bound():
            data = await self._context.read()
        if not isinstance(data, bytes):  # the end: the client half-closed
            raise StopAsyncIteration
        return _parse(self._request_class, data)


def _handler(
    method: MethodDescriptor, behaviour: Behaviour, recorder: Recorder | None, streams: _Streams
) -> "grpc.RpcMethodHandler[bytes, bytes]":
    served = _Method(method, behaviour, recorder, streams)
    if method.client_streaming:
        return grpc.stream_stream_rpc_method_handler(served.converse)
    if method.server_streaming:
        return grpc.unary_stream_rpc_method_handler(served.stream)
    return grpc.unary_unary_rpc_method_handler(served.answer)


def _parse(request_class: type[Message], data: bytes) -> Message:
    try:
        return request_class.FromString(data)
    except DecodeError:
        kind = request_class.DESCRIPTOR.name
        raise MalformedRequestError(f"the request is not a {kind}: text in it must be UTF-8") from None


def _record_nothing(method: str, code: str, seconds: float) -> None:
    pass


class Server:
    """A node's server, with health and reflection. interceptors: of telemetry, when it is on."""

    def __init__(self, interceptors: Sequence[grpc.aio.ServerInterceptor] = ()) -> None:
        self._grpc = grpc.aio.server(
            interceptors=list(interceptors),
            options=SERVER_OPTIONS,
            maximum_concurrent_rpcs=MAX_CONCURRENT_RPCS,
        )
        self._health = health.aio.HealthServicer()
        add_HealthServicer_to_server(self._health, self._grpc)
        self._names: list[str] = []
        self._streams = _Streams()

    def add(self, servicer: Servicer, recorder: Recorder | None = None) -> None:
        """Serve a service. recorder: counts its requests; None for services that clients don't call."""
        service = servicer.service
        handlers = {
            m.name: _handler(m, getattr(servicer, m.name), recorder, self._streams) for m in service.methods
        }
        self._grpc.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service.full_name, handlers),)
        )
        self._names.append(service.full_name)

    async def start(self, addresses: Sequence[str]) -> None:
        """Listen at host:port and answer, as NOT_SERVING until set_serving. ConfigError: a port is taken."""
        await self.set_serving(False)
        enable_server_reflection([*self._names, health.SERVICE_NAME, REFLECTION_SERVICE], self._grpc)
        for address in addresses:
            self._bind(address)
        await self._grpc.start()

    def _bind(self, address: str) -> None:
        try:
            self._grpc.add_insecure_port(address)
        except RuntimeError:
            raise ConfigError(
                "SERVER_PORT", address.rpartition(":")[2], f"a port that is free: {address} is not"
            ) from None

    async def set_serving(self, serving: bool) -> None:
        """Set the answer of grpc.health.v1, for each service and overall."""
        status = HealthCheckResponse.SERVING if serving else HealthCheckResponse.NOT_SERVING
        for name in ("", *self._names):
            await self._health.set(name, status)

    async def stop(self, grace: float) -> None:
        """Take no more requests, end streams, and give unary ones that run `grace` seconds to finish."""
        await self.set_serving(False)
        self._streams.end()
        await self._grpc.stop(grace)


def listen_addresses(host: str, port: int, loopback: bool) -> list[str]:
    """Where a node listens: on its loopback name only when it has one, else on all interfaces."""
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
