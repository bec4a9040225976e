"""Traces through a real Envoy to a real collector."""

from pathlib import Path

import pytest

from limedb.launch.addresses import parse_address
from tests.envoy.gateway import running_gateway
from tests.support.otlp import OtlpReceiver

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.process
def test_a_clients_trace_continues_to_the_node(tmp_path: Path) -> None:
    with OtlpReceiver() as collector:
        with running_gateway(tmp_path, count=1, otel=parse_address("otel", collector.endpoint)) as gateway:
            headers = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
            assert gateway.client.get("/api/v1/keys", headers=headers).status_code == 200
            (call,) = gateway.nodes[0].asked("ListKeys")
            collector.wait_for(lambda seen: any(span.trace_id == TRACE for span in seen.spans()), timeout=15)
        span = next(span for span in collector.spans() if span.trace_id == TRACE)
        assert (span.parent_id, span.resource["service.name"]) == (SPAN, "limedb-envoy")
        assert call.metadata["traceparent"] == f"00-{TRACE}-{span.span_id}-01"


@pytest.mark.process
def test_one_request_in_a_hundred_is_sampled_and_the_node_is_asked_to_follow(tmp_path: Path) -> None:
    count = 3000
    with OtlpReceiver() as collector:
        with running_gateway(tmp_path, count=1, otel=parse_address("otel", collector.endpoint)) as gateway:
            for _ in range(count):
                gateway.client.get("/api/v1/keys").raise_for_status()
            flags = [c.metadata["traceparent"].rpartition("-")[2] for c in gateway.nodes[0].asked("ListKeys")]
        assert (len(flags), set(flags)) == (count, {"00", "01"})
        assert count / 400 < flags.count("01") < count / 40
