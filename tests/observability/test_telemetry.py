"""Telemetry against a real OTLP receiver, off, and with a collector that isn't there.

Tests limedb/observability/instruments.py and limedb/observability/otlp.py.
"""

import asyncio
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping

import pytest

from limedb.core.history import DURATION_BOUNDS
from limedb.errors import StoreClosedError
from limedb.observability.metrics import RequestStats
from limedb.observability.telemetry import Source, Telemetry, start_telemetry
from limedb.ports import StoreStats
from tests.support.otlp import OtlpReceiver, ReceivedPoint

NODE = "http://node1:8484"
LONG = 3600.0  # seconds: nothing is sent before the end


def source(requests: RequestStats | None = None) -> Source:
    return Source(
        node_url=NODE,
        version="1.2.3",
        zone="rack-1",
        requests=requests or RequestStats(now=0.0),
        peers=lambda: {"active": 2, "stale": 0, "dead": 1},
        store=lambda: StoreStats("memory", keys=7, size=4096),
        shares=lambda: {"answers": (500, 3)},
        days_left=lambda: {"clients and peers": 29.5},
        limits=lambda: {("CLIENT_RATE", "address"): 4},
    )


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with OtlpReceiver() as running:
        yield running


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens on, and that nobody else gets meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def _run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )


_SOURCE = """
from limedb.observability import logs, metrics, telemetry
from limedb.ports import StoreStats
requests = metrics.RequestStats(0.0)
source = telemetry.Source("http://n:1", "1", "", requests, dict, lambda: StoreStats("memory", 0, 0))
"""


@pytest.mark.process
def test_off_loads_no_opentelemetry_and_starts_no_thread_but_that_of_the_log() -> None:
    code = f"""{_SOURCE}
import sys, threading
logs.configure_logging("info", "json", "http://n:1")
off = telemetry.start_telemetry("", source)
assert not off.enabled and off.tracing is None and not off.trace_ids
off.shutdown()
assert {{thread.name for thread in threading.enumerate()}} == {{"MainThread", "limedb-log-lines"}}
sys.exit(", ".join(name for name in sys.modules if name.startswith("opentelemetry") or name == "grpc") or 0)
"""
    done = _run(code)
    assert (done.returncode, done.stderr) == (0, "")


def test_unset_endpoint_is_off_where_nobody_listens(closed_port: int) -> None:
    telemetry = start_telemetry(None, source(), default_endpoint=f"127.0.0.1:{closed_port}")
    assert telemetry == Telemetry()


def test_unset_endpoint_is_on_where_a_collector_listens(receiver: OtlpReceiver) -> None:
    telemetry = start_telemetry(None, source(), metric_interval=LONG, default_endpoint=receiver.endpoint)
    assert telemetry.endpoint == receiver.endpoint
    telemetry.shutdown()
    assert receiver.metrics("limedb.store.keys")


def _one(points: list[ReceivedPoint], attributes: Mapping[str, str]) -> ReceivedPoint:
    [point] = [p for p in points if attributes.items() <= p.attributes.items()]
    return point


def test_metrics_arrive_with_their_values(receiver: OtlpReceiver) -> None:
    requests = RequestStats(now=0.0)
    requests.record("KVService/Get", "OK", 0.0002)
    requests.record("KVService/Get", "OK", 0.3)
    requests.record("KVService/Get", "NOT_FOUND", 0.001)
    requests.count_operations("get", 3)
    start_telemetry(receiver.endpoint, source(requests), metric_interval=LONG).shutdown()
    found = {"rpc.method": "KVService/Get", "rpc.response.status_code": "OK", "limedb.node.url": NODE}
    assert _one(receiver.metrics("limedb.requests"), found).value == 2
    missing = found | {"rpc.response.status_code": "NOT_FOUND"}
    assert _one(receiver.metrics("limedb.requests"), missing).value == 1
    durations = _one(receiver.metrics("limedb.request.duration"), found)
    assert (durations.count, durations.value) == (2, pytest.approx(0.3002))
    assert durations.bounds == DURATION_BOUNDS
    assert durations.buckets[1] == durations.buckets[11] == 1
    assert _one(receiver.metrics("limedb.operations"), {"limedb.operation": "get"}).value == 3
    assert _one(receiver.metrics("limedb.gossip.peers"), {"limedb.peer.status": "active"}).value == 2
    assert _one(receiver.metrics("limedb.gossip.peers"), {"limedb.peer.status": "dead"}).value == 1
    assert [point.value for point in receiver.metrics("limedb.store.keys")] == [7]
    assert [point.value for point in receiver.metrics("limedb.store.bytes")] == [4096]
    answers = {"limedb.memory.share": "answers"}
    assert _one(receiver.metrics("limedb.memory.held"), answers).value == 500
    assert _one(receiver.metrics("limedb.memory.refused"), answers).value == 3
    limit = {"limedb.limit": "CLIENT_RATE", "limedb.limit.of": "address"}
    assert _one(receiver.metrics("limedb.limits.refused"), limit).value == 4
    (days,) = receiver.metrics("limedb.certificate.days_left")
    assert (days.value, days.attributes["limedb.certificate"]) == (29.5, "clients and peers")
    assert all(point.attributes["limedb.node.url"] == NODE for point in receiver.metrics())


def test_all_says_which_node_it_is_from(receiver: OtlpReceiver) -> None:
    start_telemetry(receiver.endpoint, source(), metric_interval=LONG).shutdown()
    resource = receiver.metrics()[0].resource
    assert resource["service.name"] == "limedb-node"
    assert resource["service.instance.id"] == NODE
    assert (resource["service.version"], resource["limedb.zone"]) == ("1.2.3", "rack-1")


def test_metrics_arrive_at_each_interval(receiver: OtlpReceiver) -> None:
    requests = RequestStats(now=0.0)
    telemetry = start_telemetry(receiver.endpoint, source(requests), metric_interval=0.05)
    receiver.wait_for(lambda got: len(got.metrics("limedb.store.keys")) >= 2)
    requests.record("KVService/Set", "OK", 0.001)
    receiver.wait_for(lambda got: got.metrics("limedb.requests"))
    telemetry.shutdown()


def test_closed_store_leaves_the_other_metrics(
    receiver: OtlpReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    def closed() -> StoreStats:
        raise StoreClosedError

    node = Source(NODE, "1", "", RequestStats(0.0), lambda: {"active": 1}, closed)
    start_telemetry(receiver.endpoint, node, metric_interval=LONG).shutdown()
    assert receiver.metrics("limedb.gossip.peers")
    assert not receiver.metrics("limedb.store.keys")
    assert not caplog.records


def test_second_shutdown_does_nothing(receiver: OtlpReceiver, caplog: pytest.LogCaptureFixture) -> None:
    telemetry = start_telemetry(receiver.endpoint, source(), metric_interval=LONG)
    telemetry.shutdown()
    telemetry.shutdown()
    assert not caplog.records
    assert len(receiver.metrics("limedb.store.keys")) == 1


def test_globals_of_opentelemetry_stay_untouched(receiver: OtlpReceiver) -> None:
    from opentelemetry import metrics, trace

    before = trace.get_tracer_provider(), metrics.get_meter_provider()
    start_telemetry(receiver.endpoint, source(), metric_interval=LONG).shutdown()
    assert before == (trace.get_tracer_provider(), metrics.get_meter_provider())


_DEAD = """
import time
logs.configure_logging("debug", "text", "http://n:1")
began = time.monotonic()
on = telemetry.start_telemetry("{endpoint}", source, metric_interval=0.02, span_delay=0.02)
started = time.monotonic()
import logging
from opentelemetry.sdk.trace import TracerProvider
for _ in range(3000):
    on.tracing._tracer.start_span("lost").end()
ended = time.monotonic()
on.shutdown()
print(started - began, time.monotonic() - ended)
"""


@pytest.mark.process
def test_dead_collector_costs_one_warning_and_a_bounded_shutdown(closed_port: int) -> None:
    done = _run(_SOURCE + _DEAD.format(endpoint=f"127.0.0.1:{closed_port}"))
    start, shutdown = map(float, done.stdout.split())
    assert start < 10.0
    assert shutdown < 3.0
    [line] = done.stderr.splitlines()
    assert "WARNING limedb.telemetry telemetry has a problem: " in line


def test_silent_collector_does_not_hold_up_shutdown() -> None:
    """One that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        telemetry = start_telemetry(f"127.0.0.1:{silent.getsockname()[1]}", source(), metric_interval=LONG)
        began = time.monotonic()
        telemetry.shutdown()
        assert time.monotonic() - began < 3.0


async def test_shutdown_off_the_loop_leaves_the_loop_free(receiver: OtlpReceiver) -> None:
    telemetry = await asyncio.to_thread(start_telemetry, receiver.endpoint, source(), metric_interval=LONG)
    async with asyncio.timeout(10):
        await asyncio.to_thread(telemetry.shutdown)
    assert receiver.metrics("limedb.store.bytes")


def test_trace_ids_are_none_outside_of_a_trace(receiver: OtlpReceiver) -> None:
    telemetry = start_telemetry(receiver.endpoint, source(), metric_interval=LONG)
    assert telemetry.trace_ids is not None
    assert telemetry.trace_ids() is None
    telemetry.shutdown()


def test_sdk_loggers_do_not_reach_the_root_logger(receiver: OtlpReceiver) -> None:
    start_telemetry(receiver.endpoint, source(), metric_interval=LONG).shutdown()
    assert logging.getLogger("opentelemetry").propagate is False
