"""Spans of real servers and channels, as a real OTLP receiver gets them."""

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
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from limedb.errors import KeyNotFoundError, LimeDBError, UnavailableError
from limedb.observability import tracing
from limedb.observability.logs import configure_logging
from limedb.observability.metrics import RequestStats
from limedb.observability.telemetry import Source, Telemetry, start_telemetry
from limedb.ports import StoreStats
from limedb.rpc.server.server import Server
from limedbpb.v1 import gossip_pb2, gossip_pb2_grpc, kv_pb2, kv_pb2_grpc
from tests.rpc.peers import new_memory
from tests.support.otlp import OtlpReceiver, ReceivedSpan
from tests.support.ports import free_port

GET = "/limedb.v1.KVService/Get"
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = ("traceparent", f"00-{TRACE}-{CALLER}-01")
UNSAMPLED = ("traceparent", f"00-{TRACE}-{CALLER}-00")
LIMIT = 10.0  # seconds
SAMPLER = "OTEL_TRACES_SAMPLER"
KEY = kv_pb2.GetRequest(key="k")

Get = Callable[[kv_pb2.GetRequest, Any], Awaitable[kv_pb2.GetResponse]]


async def _found(request: kv_pb2.GetRequest, context: Any) -> kv_pb2.GetResponse:
    return kv_pb2.GetResponse(value="v", node_url="http://owner:1")


def _raising(error: Exception) -> Get:
    async def get(request: kv_pb2.GetRequest, context: Any) -> kv_pb2.GetResponse:
        raise error

    return get


class KV:
    """Answers Get with a function of the test's; streams as many pages as the limit says, and then the error
    if the prefix is the key of one; echoes the ids of a session.
    """

    service = kv_pb2.DESCRIPTOR.services_by_name["KVService"]

    def __init__(self, get: Get = _found) -> None:
        self.Get = get
        self.closed = asyncio.Event()

    async def Scan(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        try:
            for _ in range(request.limit):
                yield kv_pb2.ScanResponse(after="x" * 1000)
            if request.prefix:
                raise KeyNotFoundError(request.prefix)
        finally:
            self.closed.set()

    async def Session(self, requests: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        async for request in requests:
            yield kv_pb2.SessionResponse(id=request.id)

    def __getattr__(self, _name: str) -> Any:
        return None


class Gossip:
    service = gossip_pb2.DESCRIPTOR.services_by_name["GossipService"]

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

    async def serve(self, node: str, service: Any, recorder: RequestStats | None = None) -> str:
        """The address of a new server."""
        server = Server(new_memory(), self.at(node).tracing)
        server.add(service, recorder)
        port = self.stack.enter_context(free_port())
        await server.start([f"127.0.0.1:{port}"])
        self.stack.push_async_callback(server.stop, 0)
        return f"127.0.0.1:{port}"

    async def channel(self, address: str, node: str = "") -> Any:
        """A channel of a node's sampled call, or of a client without telemetry."""
        channel = await self.stack.enter_async_context(grpc.aio.insecure_channel(address))
        made = self.at(node).tracing if node else None
        return made.calling(channel) if made else channel

    async def kv(self, service: KV, node: str = "") -> Any:
        """The stub of a service that is served by node n."""
        return kv_pb2_grpc.KVServiceStub(await self.channel(await self.serve("http://n:1", service), node))

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
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    """Telemetry that samples every call, unless its caller has decided."""
    monkeypatch.setenv(SAMPLER, "parentbased_always_on")
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


async def test_request_is_one_trace_across_the_node_asked_and_the_owner(bench: Bench) -> None:
    owner = kv_pb2_grpc.KVServiceStub(
        await bench.channel(await bench.serve("http://owner:1", KV()), "http://asked:1")
    )

    async def forward(request: kv_pb2.GetRequest, context: Any) -> kv_pb2.GetResponse:
        answer: kv_pb2.GetResponse = await owner.Get(request, timeout=LIMIT)
        return answer

    address = await bench.serve("http://asked:1", KV(forward))
    asked = kv_pb2_grpc.KVServiceStub(await bench.channel(address))
    answer = await asked.Get(KEY, metadata=(TRACEPARENT,), timeout=LIMIT)
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
    for span in asked_server, asked_client:
        assert span.attributes["rpc.service"] == "limedb.v1.KVService"
        assert span.attributes["rpc.method"] == "Get"


async def test_request_without_a_trace_starts_one(bench: Bench) -> None:
    await (await bench.kv(KV())).Get(KEY, timeout=LIMIT)
    assert (await bench.span("SERVER")).parent_id == ""


async def test_trace_that_its_caller_does_not_sample_is_not_sent(bench: Bench) -> None:
    await (await bench.kv(KV())).Get(KEY, metadata=(UNSAMPLED,), timeout=LIMIT)
    assert await bench.spans() == []


async def test_probes_and_gossip_make_no_spans(bench: Bench) -> None:
    channel = await bench.channel(await bench.serve("http://n:1", Gossip()), "http://n:1")
    await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=LIMIT)
    await gossip_pb2_grpc.GossipServiceStub(channel).Exchange(gossip_pb2.ExchangeRequest(), timeout=LIMIT)
    assert await bench.spans() == []


async def test_spans_arrive_while_the_node_runs(bench: Bench) -> None:
    await (await bench.kv(KV())).Get(KEY, timeout=LIMIT)
    await asyncio.to_thread(bench.receiver.wait_for, lambda got: got.spans(), LIMIT)


@pytest.mark.parametrize("header", [TRACEPARENT, UNSAMPLED])
async def test_handler_logs_the_trace_of_its_span_or_of_its_caller(
    bench: Bench, header: tuple[str, str]
) -> None:
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level

    async def get(request: kv_pb2.GetRequest, context: Any) -> kv_pb2.GetResponse:
        logging.getLogger("limedb.test").warning("in the handler")
        return kv_pb2.GetResponse(value="v")

    try:
        configure_logging("info", "json", "http://n:1", stream, bench.at("http://n:1").trace_ids)
        await (await bench.kv(KV(get))).Get(KEY, metadata=(header,), timeout=LIMIT)
        root.handlers[-1].flush()
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    line, spans = json.loads(stream.getvalue()), await bench.spans()
    assert line["traceId"] == TRACE
    assert line["spanId"] == (spans[0].span_id if spans else CALLER)


# --- which calls are sampled ----------------------------------------------------------------------


def _share() -> float:
    """The share of 20,000 calls without a caller's trace that are sampled."""
    is_chosen = tracing.head_sampling()
    assert is_chosen is not None
    return sum(is_chosen(None, GET) for _ in range(20_000)) / 20_000


def test_one_call_in_a_hundred_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SAMPLER, raising=False)
    assert 0.005 < _share() < 0.015  # seven deviations away


@pytest.mark.parametrize(
    ("name", "argument", "low", "high"),
    [("always_on", "", 1, 1), ("traceidratio", "0.5", 0.47, 0.53), ("parentbased_always_off", "", 0, 0)],
)
def test_the_variables_of_the_sdk_decide(
    monkeypatch: pytest.MonkeyPatch, name: str, argument: str, low: float, high: float
) -> None:
    monkeypatch.setenv(SAMPLER, name)
    monkeypatch.setenv(f"{SAMPLER}_ARG", argument)
    assert low <= _share() <= high


async def test_nothing_is_traced_where_the_sampler_is_always_off(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SAMPLER, "always_off")
    kv = await bench.kv(KV(_raising(UnavailableError("no"))))
    with pytest.raises(grpc.aio.AioRpcError):
        await kv.Get(KEY, metadata=(TRACEPARENT,), timeout=LIMIT)
    assert await bench.spans() == []


@pytest.fixture
async def unsampled(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Telemetry that begins no span unless the caller's is sampled."""
    monkeypatch.setenv(SAMPLER, "parentbased_always_off")
    return bench


@pytest.mark.parametrize(("header", "trace"), [((), ""), ((UNSAMPLED,), TRACE)])
async def test_a_call_that_fails_by_the_nodes_fault_has_a_span_anyway(
    unsampled: Bench, header: tuple[tuple[str, str], ...], trace: str
) -> None:
    recorder = RequestStats(0.0)
    address = await unsampled.serve("http://n:1", KV(_raising(UnavailableError("no"))), recorder)
    kv = kv_pb2_grpc.KVServiceStub(await unsampled.channel(address))
    with pytest.raises(grpc.aio.AioRpcError):
        await kv.Get(KEY, metadata=header, timeout=LIMIT)
    span = await unsampled.span("SERVER")
    assert (span.name, span.code, span.is_error) == (GET, 14, True)
    assert (span.parent_id == CALLER and span.trace_id == trace) or not trace
    assert [(series.method, series.code) for series in recorder.series()] == [
        ("KVService/Get", "UNAVAILABLE")
    ]


async def test_a_slow_call_has_a_span_of_its_whole_time(
    unsampled: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "SLOW_SECONDS", 0.0)
    await (await unsampled.kv(KV())).Get(KEY, timeout=LIMIT)
    span = await unsampled.span("SERVER")
    assert (span.name, span.code, span.is_error) == (GET, 0, False)
    assert 0 < span.seconds < LIMIT


async def test_a_stream_whose_first_message_is_late_is_not_slow(
    unsampled: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "SLOW_SECONDS", 0.0)
    scan = (await unsampled.kv(KV())).Scan(kv_pb2.ScanRequest(limit=1), timeout=LIMIT)
    assert len([page async for page in scan]) == 1
    assert await unsampled.spans() == []


async def test_an_answer_that_is_no_fault_has_none(unsampled: Bench) -> None:
    kv = await unsampled.kv(KV(_raising(KeyNotFoundError("k"))))
    with pytest.raises(grpc.aio.AioRpcError):
        await kv.Get(KEY, timeout=LIMIT)
    assert await unsampled.spans() == []


async def test_a_sampled_call_that_fails_has_one_span(bench: Bench) -> None:
    kv = await bench.kv(KV(_raising(UnavailableError("no"))))
    with pytest.raises(grpc.aio.AioRpcError):
        await kv.Get(KEY, timeout=LIMIT)
    assert len(await bench.spans()) == 1


def test_a_flood_of_failures_has_a_bounded_number_of_spans() -> None:
    spans, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    seconds = iter([7.5] * (2 * tracing.LATE_SPANS) + [8.0])
    made = tracing.Tracing(provider, lambda _parent, _method: False, lambda: next(seconds))
    for _ in range(2 * tracing.LATE_SPANS + 1):
        made.late(GET, "INTERNAL", 0.1)
    assert len(spans.get_finished_spans()) == tracing.LATE_SPANS + 1


# --- what the instrumentation gets wrong by itself ------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code", "is_fault"),
    [
        (KeyNotFoundError("k"), grpc.StatusCode.NOT_FOUND, False),
        (UnavailableError("no"), grpc.StatusCode.UNAVAILABLE, True),
        (ZeroDivisionError(), grpc.StatusCode.INTERNAL, True),
    ],
)
async def test_an_error_is_an_answer_with_its_code_and_no_exception(
    bench: Bench, error: Exception, code: grpc.StatusCode, is_fault: bool
) -> None:
    kv = await bench.kv(KV(_raising(error)), "http://asked:1")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await kv.Get(KEY, timeout=LIMIT)
    assert caught.value.code() is code
    if isinstance(error, LimeDBError):
        assert caught.value.details() == str(error)
    assert "grpc-status-details-bin" in dict(caught.value.trailing_metadata())
    number = code.value[0]
    assert {(s.kind, s.code, s.is_error, s.events) for s in await bench.spans()} == {
        ("SERVER", number, is_fault, ()),
        ("CLIENT", number, True, ()),
    }


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
    kv = await bench.kv(KV(hanging.get), "http://asked:1")

    async def ask() -> None:
        await kv.Get(KEY)

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
    kv = await bench.kv(KV(hanging.get), "http://asked:1")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await kv.Get(KEY, timeout=0.2)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    async with asyncio.timeout(LIMIT):
        await hanging.cancelled.wait()
    assert sorted((s.kind, s.code) for s in await bench.spans()) == [("CLIENT", 4), ("SERVER", 1)]


async def test_unreachable_peer_is_an_error_on_the_clients_span(bench: Bench) -> None:
    address = await bench.serve("http://n:1", KV())
    await bench.stack.aclose()
    stub = kv_pb2_grpc.KVServiceStub(await bench.channel(address, "http://asked:1"))
    with pytest.raises(grpc.aio.AioRpcError):
        await stub.Get(KEY, timeout=LIMIT)
    span = await bench.span("CLIENT")
    assert (span.code, span.is_error) == (14, True)


# --- streams --------------------------------------------------------------------------------------


async def _session() -> AsyncIterator[kv_pb2.SessionRequest]:
    yield kv_pb2.SessionRequest(id=1)
    yield kv_pb2.SessionRequest(id=2)


async def test_response_stream_is_a_span_on_each_side(bench: Bench) -> None:
    call = (await bench.kv(KV(), "http://asked:1")).Scan(kv_pb2.ScanRequest(limit=3), timeout=LIMIT)
    assert [page.after async for page in call] == ["x" * 1000] * 3
    client, server = sorted(await bench.spans(), key=lambda span: span.kind)
    assert (client.kind, server.kind, server.parent_id) == ("CLIENT", "SERVER", client.span_id)
    assert (client.code, server.code, server.events) == (0, 0, ())


async def test_stream_that_is_refused_midway(bench: Bench) -> None:
    kv = await bench.kv(KV(), "http://asked:1")
    call = kv.Scan(kv_pb2.ScanRequest(limit=1, prefix="k"), timeout=LIMIT)
    received = await call.read()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert (received.after[:1], caught.value.code()) == ("x", grpc.StatusCode.NOT_FOUND)
    client, server = sorted(await bench.spans(), key=lambda span: span.kind)
    assert (server.code, server.is_error, server.events) == (5, False, ())
    assert (client.code, client.is_error) == (5, True)


async def test_a_session_is_a_span_on_each_side(bench: Bench) -> None:
    call = (await bench.kv(KV(), "http://asked:1")).Session(_session(), timeout=LIMIT)
    assert [response.id async for response in call] == [1, 2]
    assert {(span.kind, span.code) for span in await bench.spans()} == {("CLIENT", 0), ("SERVER", 0)}


async def test_stream_by_reads_and_writes_keeps_working(bench: Bench) -> None:
    call = (await bench.kv(KV(), "http://asked:1")).Session(timeout=LIMIT)
    for number in (1, 2):
        await call.write(kv_pb2.SessionRequest(id=number))
        assert (await call.read()).id == number
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    assert await call.code() is grpc.StatusCode.OK
    assert {(span.kind, span.code) for span in await bench.spans()} == {("CLIENT", 0), ("SERVER", 0)}


async def test_stream_given_up_ends_both_spans_and_logs_nothing(bench: Bench, otel_log: list[str]) -> None:
    service = KV()
    call = (await bench.kv(service, "http://asked:1")).Scan(kv_pb2.ScanRequest(limit=1_000_000))
    async for _ in call:
        break
    call.cancel()
    async with asyncio.timeout(LIMIT):
        await service.closed.wait()
    assert sorted((s.kind, s.code) for s in await bench.spans()) == [("CLIENT", 1), ("SERVER", 1)]
    assert otel_log == []


async def test_stream_that_is_never_read_ends_its_span(bench: Bench) -> None:
    call = (await bench.kv(KV(), "http://asked:1")).Scan(kv_pb2.ScanRequest(limit=0), timeout=LIMIT)
    assert await call.code() is grpc.StatusCode.OK
    assert (await bench.span("CLIENT")).code == 0
