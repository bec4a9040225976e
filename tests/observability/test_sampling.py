"""Which calls are sampled: a share of them, as their callers decide; faults and slow calls always."""

import grpc
import grpc.aio
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from limedb.errors import KeyNotFoundError, UnavailableError
from limedb.observability import tracing
from limedb.observability.metrics import RequestStats
from limedbpb.v1 import kv_pb2, kv_pb2_grpc
from tests.observability.traced import (
    CALLER,
    GET,
    KEY,
    KV,
    LIMIT,
    SAMPLER,
    TRACE,
    TRACEPARENT,
    UNSAMPLED,
    Bench,
    raising,
)


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
    kv = await bench.kv(KV(raising(UnavailableError("no"))))
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
    address = await unsampled.serve("http://n:1", KV(raising(UnavailableError("no"))), recorder)
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
    kv = await unsampled.kv(KV(raising(KeyNotFoundError("k"))))
    with pytest.raises(grpc.aio.AioRpcError):
        await kv.Get(KEY, timeout=LIMIT)
    assert await unsampled.spans() == []


async def test_a_sampled_call_that_fails_has_one_span(bench: Bench) -> None:
    kv = await bench.kv(KV(raising(UnavailableError("no"))))
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
