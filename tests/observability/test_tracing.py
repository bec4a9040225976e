"""Spans of real servers and channels, as a real OTLP receiver gets them.

Tests limedb/observability/interceptors.py.
"""

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from limedb.observability.logs import configure_logging
from limedb.observability.metrics import RequestStats
from limedb.observability.telemetry import Source, Telemetry, start_telemetry
from limedb.ports import StoreStats
from limedbpb.v1 import gossip_pb2, gossip_pb2_grpc, kv_pb2, kv_pb2_grpc
from tests.support.otlp import OtlpReceiver, ReceivedSpan

GET = "/limedb.v1.KVService/Get"
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = ("traceparent", f"00-{TRACE}-{CALLER}-01")
LIMIT = 10.0  # seconds

Get = Callable[[kv_pb2.GetRequest, Any], Awaitable[kv_pb2.GetResponse]]


class KV(kv_pb2_grpc.KVServiceServicer):
    """Answers Get with a function of the test's."""

    def __init__(self, get: Get) -> None:
        self._get = get

    async def Get(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await self._get(request, context)


class Gossip(gossip_pb2_grpc.GossipServiceServicer):
    async def Exchange(self, request: Any, context: Any) -> Any:  # noqa: N802
        return gossip_pb2.ExchangeResponse()


@dataclass
class Bench:
    """Starts servers and channels with telemetry, and shows what became of their spans."""

    receiver: OtlpReceiver
    telemetry: dict[str, Telemetry] = field(default_factory=dict)
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    def at(self, node: str) -> Telemetry:
        if node not in self.telemetry:
            store = StoreStats("memory", 0, 0)
            source = Source(node, "1", "", RequestStats(0.0), dict, lambda: store)
            self.telemetry[node] = start_telemetry(self.receiver.endpoint, source, metric_interval=3600.0)
        return self.telemetry[node]

    async def serve(self, node: str, add: Callable[[grpc.aio.Server], None]) -> str:
        """The address of a new server."""
        server = grpc.aio.server(
            interceptors=self.at(node).server_interceptors, options=[("grpc.so_reuseport", 0)]
        )
        port = server.add_insecure_port("127.0.0.1:0")
        add(server)
        await server.start()
        self.stack.push_async_callback(server.stop, None)
        return f"127.0.0.1:{port}"

    async def serve_get(self, node: str, get: Get) -> str:
        return await self.serve(node, lambda s: kv_pb2_grpc.add_KVServiceServicer_to_server(KV(get), s))

    async def channel(self, address: str, node: str = "") -> grpc.aio.Channel:
        """A channel of a node's, or of a client without telemetry."""
        interceptors = self.at(node).client_interceptors if node else ()
        return await self.stack.enter_async_context(
            grpc.aio.insecure_channel(address, interceptors=interceptors)
        )

    async def spans(self) -> list[ReceivedSpan]:
        """End everything, and take what arrived."""
        await self.stack.aclose()
        for telemetry in self.telemetry.values():
            await asyncio.to_thread(telemetry.shutdown)
        return self.receiver.spans()

    async def span(self, kind: str) -> ReceivedSpan:
        """The only span of a kind."""
        spans = await self.spans()
        [span] = [span for span in spans if span.kind == kind]
        return span


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    with OtlpReceiver() as receiver:
        made = Bench(receiver)
        async with asyncio.timeout(6 * LIMIT):
            yield made
            await made.spans()


@pytest.fixture
def otel_log() -> Iterator[list[str]]:
    """What OpenTelemetry logs, before anything is left out."""
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    handler, logger = Keep(logging.WARNING), logging.getLogger("opentelemetry")
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)


async def _found(request: kv_pb2.GetRequest, context: Any) -> kv_pb2.GetResponse:
    return kv_pb2.GetResponse(value="v", node_url="http://owner:1")


def _refusing(code: grpc.StatusCode) -> Get:
    async def get(request: kv_pb2.GetRequest, context: Any) -> kv_pb2.GetResponse:
        context.set_trailing_metadata((("early", "yes"),))
        await context.abort(code, "no", (("limedb-error", "SomeError"),))
        raise AssertionError

    return get


async def test_request_is_one_trace_across_the_node_asked_and_the_owner(bench: Bench) -> None:
    owner = kv_pb2_grpc.KVServiceStub(
        await bench.channel(await bench.serve_get("http://owner:1", _found), "http://asked:1")
    )

    async def forward(request: kv_pb2.GetRequest, context: Any) -> kv_pb2.GetResponse:
        answer: kv_pb2.GetResponse = await owner.Get(request, timeout=LIMIT)
        return answer

    asked = kv_pb2_grpc.KVServiceStub(await bench.channel(await bench.serve_get("http://asked:1", forward)))
    answer = await asked.Get(kv_pb2.GetRequest(key="k"), metadata=(TRACEPARENT,), timeout=LIMIT)
    assert answer.value == "v"

    spans = await bench.spans()
    assert {span.trace_id for span in spans} == {TRACE}
    chain = sorted(spans, key=lambda span: (span.resource["service.instance.id"], span.kind == "CLIENT"))
    asked_server, asked_client, owner_server = chain
    assert [(span.kind, span.name) for span in chain] == [("SERVER", GET), ("CLIENT", GET), ("SERVER", GET)]
    assert asked_server.parent_id == CALLER
    assert asked_client.parent_id == asked_server.span_id
    assert owner_server.parent_id == asked_client.span_id
    nodes = [span.resource["service.instance.id"] for span in chain]
    assert nodes == ["http://asked:1", "http://asked:1", "http://owner:1"]
    assert all(span.code == 0 and not span.is_error for span in chain)
    assert asked_server.attributes["rpc.service"] == "limedb.v1.KVService"
    assert asked_server.attributes["rpc.method"] == "Get"


async def test_request_without_a_trace_starts_one(bench: Bench) -> None:
    stub = kv_pb2_grpc.KVServiceStub(await bench.channel(await bench.serve_get("http://n:1", _found)))
    await stub.Get(kv_pb2.GetRequest(key="k"), timeout=LIMIT)
    assert (await bench.span("SERVER")).parent_id == ""


async def test_trace_that_its_caller_does_not_sample_is_not_sent(bench: Bench) -> None:
    stub = kv_pb2_grpc.KVServiceStub(await bench.channel(await bench.serve_get("http://n:1", _found)))
    unsampled = ("traceparent", f"00-{TRACE}-{CALLER}-00")
    await stub.Get(kv_pb2.GetRequest(key="k"), metadata=(unsampled,), timeout=LIMIT)
    assert await bench.spans() == []


async def test_probes_and_gossip_make_no_spans(bench: Bench) -> None:
    def add(server: grpc.aio.Server) -> None:
        health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), server)
        gossip_pb2_grpc.add_GossipServiceServicer_to_server(Gossip(), server)

    channel = await bench.channel(await bench.serve("http://n:1", add), "http://n:1")
    await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=LIMIT)
    await gossip_pb2_grpc.GossipServiceStub(channel).Exchange(gossip_pb2.ExchangeRequest(), timeout=LIMIT)
    assert await bench.spans() == []


async def test_spans_arrive_while_the_node_runs(bench: Bench) -> None:
    stub = kv_pb2_grpc.KVServiceStub(await bench.channel(await bench.serve_get("http://n:1", _found)))
    await stub.Get(kv_pb2.GetRequest(key="k"), timeout=LIMIT)
    await asyncio.to_thread(bench.receiver.wait_for, lambda got: got.spans(), LIMIT)


async def test_handler_logs_the_trace_that_its_span_has(bench: Bench) -> None:
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level

    async def get(request: kv_pb2.GetRequest, context: Any) -> kv_pb2.GetResponse:
        logging.getLogger("limedb.test").warning("in the handler")
        return kv_pb2.GetResponse(value="v")

    try:
        configure_logging("info", "json", "http://n:1", stream, bench.at("http://n:1").trace_ids)
        stub = kv_pb2_grpc.KVServiceStub(await bench.channel(await bench.serve_get("http://n:1", get)))
        await stub.Get(kv_pb2.GetRequest(key="k"), timeout=LIMIT)
        root.handlers[-1].flush()
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    line, span = json.loads(stream.getvalue()), await bench.span("SERVER")
    assert (line["traceId"], line["spanId"]) == (span.trace_id, span.span_id)


# --- what the instrumentation gets wrong by itself ------------------------------------------------


async def test_not_found_is_an_answer_and_no_exception_on_the_servers_span(bench: Bench) -> None:
    address = await bench.serve_get("http://n:1", _refusing(grpc.StatusCode.NOT_FOUND))
    stub = kv_pb2_grpc.KVServiceStub(await bench.channel(address))
    with pytest.raises(grpc.aio.AioRpcError):
        await stub.Get(kv_pb2.GetRequest(key="k"), timeout=LIMIT)
    span = await bench.span("SERVER")
    assert (span.code, span.is_error, span.events) == (5, False, ())


async def test_abort_keeps_its_status_and_trailing_metadata(bench: Bench) -> None:
    address = await bench.serve_get("http://n:1", _refusing(grpc.StatusCode.UNAVAILABLE))
    stub = kv_pb2_grpc.KVServiceStub(await bench.channel(address, "http://asked:1"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Get(kv_pb2.GetRequest(key="k"), timeout=LIMIT)
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.UNAVAILABLE, "no")
    assert ("limedb-error", "SomeError") in tuple(caught.value.trailing_metadata())
    spans = await bench.spans()
    assert {(s.kind, s.code, s.is_error, s.events) for s in spans} == {
        ("SERVER", 14, True, ()),
        ("CLIENT", 14, True, ()),
    }


async def test_bug_in_a_handler_is_an_error_recorded_once(bench: Bench) -> None:
    async def get(request: kv_pb2.GetRequest, context: Any) -> kv_pb2.GetResponse:
        raise ZeroDivisionError

    stub = kv_pb2_grpc.KVServiceStub(await bench.channel(await bench.serve_get("http://n:1", get)))
    with pytest.raises(grpc.aio.AioRpcError):
        await stub.Get(kv_pb2.GetRequest(key="k"), timeout=LIMIT)
    span = await bench.span("SERVER")
    assert (span.code, span.is_error, span.events) == (2, True, ("exception",))


@dataclass
class Hanging:
    """A handler that never answers, and says when it begins and is cancelled."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    async def get(self, request: Any, context: Any) -> kv_pb2.GetResponse:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        raise AssertionError


async def test_cancelled_caller_cancels_the_call_and_ends_both_spans(bench: Bench) -> None:
    hanging = Hanging()
    address = await bench.serve_get("http://n:1", hanging.get)
    stub = kv_pb2_grpc.KVServiceStub(await bench.channel(address, "http://asked:1"))

    async def ask() -> None:
        await stub.Get(kv_pb2.GetRequest(key="k"))

    asking = asyncio.create_task(ask())
    await hanging.begun.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    async with asyncio.timeout(LIMIT):
        await hanging.cancelled.wait()
    assert sorted((s.kind, s.code) for s in await bench.spans()) == [("CLIENT", 1), ("SERVER", 1)]


async def test_missed_deadline_ends_both_spans(bench: Bench) -> None:
    hanging = Hanging()
    address = await bench.serve_get("http://n:1", hanging.get)
    stub = kv_pb2_grpc.KVServiceStub(await bench.channel(address, "http://asked:1"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Get(kv_pb2.GetRequest(key="k"), timeout=0.2)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    async with asyncio.timeout(LIMIT):
        await hanging.cancelled.wait()
    assert sorted((s.kind, s.code) for s in await bench.spans()) == [("CLIENT", 4), ("SERVER", 1)]


async def test_unreachable_peer_is_an_error_on_the_clients_span(bench: Bench) -> None:
    address = await bench.serve_get("http://n:1", _found)
    await bench.stack.aclose()
    stub = kv_pb2_grpc.KVServiceStub(await bench.channel(address, "http://asked:1"))
    with pytest.raises(grpc.aio.AioRpcError):
        await stub.Get(kv_pb2.GetRequest(key="k"), timeout=LIMIT)
    span = await bench.span("CLIENT")
    assert (span.code, span.is_error) == (14, True)


# --- streams --------------------------------------------------------------------------------------


class Streams:
    """Echoes of each arity, on bytes."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()

    async def repeat(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        try:
            for _ in range(int(request)):
                yield b"x" * 1000
        finally:
            self.closed.set()

    async def write(self, request: bytes, context: Any) -> None:
        for _ in range(int(request)):
            await context.write(b"y")

    async def refuse(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        yield b"first"
        await context.abort(grpc.StatusCode.NOT_FOUND, "no more")

    async def count(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        return b"%d" % len([request async for request in requests])

    async def echo(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        async for request in requests:
            yield request

    def add_to(self, server: grpc.aio.Server) -> None:
        handlers: dict[str, Any] = {
            "Repeat": grpc.unary_stream_rpc_method_handler(self.repeat),
            "Write": grpc.unary_stream_rpc_method_handler(self.write),
            "Refuse": grpc.unary_stream_rpc_method_handler(self.refuse),
            "Count": grpc.stream_unary_rpc_method_handler(self.count),
            "Echo": grpc.stream_stream_rpc_method_handler(self.echo),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Streams", handlers),))


async def _stream_channel(bench: Bench, streams: Streams) -> grpc.aio.Channel:
    return await bench.channel(await bench.serve("http://n:1", streams.add_to), "http://asked:1")


async def _requests() -> AsyncIterator[bytes]:
    yield b"1"
    yield b"2"


@pytest.mark.parametrize(("method", "message"), [("Repeat", b"x" * 1000), ("Write", b"y")])
async def test_response_stream_is_a_span_on_each_side(bench: Bench, method: str, message: bytes) -> None:
    channel = await _stream_channel(bench, Streams())
    call = channel.unary_stream(f"/test.Streams/{method}")(b"3", timeout=LIMIT)
    assert [response async for response in call] == [message] * 3
    client, server = sorted(await bench.spans(), key=lambda span: span.kind)
    assert (client.kind, server.kind, server.parent_id) == ("CLIENT", "SERVER", client.span_id)
    assert (client.code, server.code, server.events) == (0, 0, ())


async def test_stream_that_is_refused_midway(bench: Bench) -> None:
    channel = await _stream_channel(bench, Streams())
    call: Any = channel.unary_stream("/test.Streams/Refuse")(b"", timeout=LIMIT)
    received = await call.read()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert (received, caught.value.code()) == (b"first", grpc.StatusCode.NOT_FOUND)
    client, server = sorted(await bench.spans(), key=lambda span: span.kind)
    assert (server.code, server.is_error, server.events) == (5, False, ())
    assert (client.code, client.is_error) == (5, True)


async def test_request_streams_are_spans_too(bench: Bench) -> None:
    channel = await _stream_channel(bench, Streams())
    assert await channel.stream_unary("/test.Streams/Count")(_requests(), timeout=LIMIT) == b"2"
    call = channel.stream_stream("/test.Streams/Echo")(_requests(), timeout=LIMIT)
    assert [response async for response in call] == [b"1", b"2"]
    assert sorted((span.name, span.kind, span.code) for span in await bench.spans()) == [
        ("/test.Streams/Count", "CLIENT", 0),
        ("/test.Streams/Count", "SERVER", 0),
        ("/test.Streams/Echo", "CLIENT", 0),
        ("/test.Streams/Echo", "SERVER", 0),
    ]


async def test_stream_by_reads_and_writes_keeps_working(bench: Bench) -> None:
    channel = await _stream_channel(bench, Streams())
    call: Any = channel.stream_stream("/test.Streams/Echo")(timeout=LIMIT)
    for message in (b"a", b"b"):
        await call.write(message)
        assert await call.read() == message
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    assert await call.code() is grpc.StatusCode.OK
    assert {(span.kind, span.code) for span in await bench.spans()} == {("CLIENT", 0), ("SERVER", 0)}


async def test_stream_given_up_ends_both_spans_and_logs_nothing(bench: Bench, otel_log: list[str]) -> None:
    streams = Streams()
    channel = await _stream_channel(bench, streams)
    call = channel.unary_stream("/test.Streams/Repeat")(b"1000000")
    async for _ in call:
        break
    call.cancel()
    async with asyncio.timeout(LIMIT):
        await streams.closed.wait()
    assert sorted((s.kind, s.code) for s in await bench.spans()) == [("CLIENT", 1), ("SERVER", 1)]
    assert otel_log == []


async def test_stream_that_is_never_read_ends_its_span(bench: Bench) -> None:
    channel = await _stream_channel(bench, Streams())
    call: Any = channel.unary_stream("/test.Streams/Repeat")(b"0")
    assert await call.code() is grpc.StatusCode.OK
    assert (await bench.span("CLIENT")).code == 0
