"""Spans of real servers and channels, as a real OTLP receiver gets them."""

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from limedb.errors import KeyNotFoundError, LimeDBError, UnavailableError
from limedb.observability.logs import configure_logging
from limedbpb.v1 import gossip_pb2, gossip_pb2_grpc, kv_pb2, kv_pb2_grpc
from tests.observability.traced import (
    CALLER,
    GET,
    KEY,
    KV,
    LIMIT,
    TRACE,
    TRACEPARENT,
    UNSAMPLED,
    Bench,
    Gossip,
    raising,
)


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
    kv = await bench.kv(KV(raising(error)), "http://asked:1")
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


# --- streams --------------------------------------------------------------------------------------


async def test_unreachable_peer_is_an_error_on_the_clients_span(bench: Bench) -> None:
    address = await bench.serve("http://n:1", KV())
    await bench.stack.aclose()
    stub = kv_pb2_grpc.KVServiceStub(await bench.channel(address, "http://asked:1"))
    with pytest.raises(grpc.aio.AioRpcError):
        await stub.Get(KEY, timeout=LIMIT)
    span = await bench.span("CLIENT")
    assert (span.code, span.is_error) == (14, True)


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
