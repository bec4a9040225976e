"""An OTLP receiver for tests: a real gRPC server on a free port, in threads of its own.

It keeps what arrives. It serves sync and async tests alike; a wait blocks its thread, so an async test
asks for it through asyncio.to_thread.
"""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as trace_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

Attributes = Mapping[str, Any]


@dataclass(frozen=True)
class ReceivedSpan:
    """A span as it came over the wire. Ids are hex, parent_id empty for a root; kind as SERVER."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    is_error: bool
    attributes: Attributes
    events: tuple[str, ...]
    resource: Attributes
    seconds: float

    @property
    def code(self) -> int:
        """The number of the gRPC status."""
        return int(self.attributes["rpc.grpc.status_code"])


@dataclass(frozen=True)
class ReceivedPoint:
    """A data point of a metric. value: a number, or a histogram's sum; count and buckets: a histogram's."""

    name: str
    attributes: Attributes
    value: float
    resource: Attributes
    count: int = 0
    buckets: tuple[int, ...] = ()
    bounds: tuple[float, ...] = ()


class OtlpReceiver:
    """Use it in a `with`; `endpoint` is its host:port."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._spans: list[ReceivedSpan] = []
        self._points: list[ReceivedPoint] = []
        self._server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
        trace_grpc.add_TraceServiceServicer_to_server(_Traces(self._take_spans), self._server)  # type: ignore[no-untyped-call]
        metrics_grpc.add_MetricsServiceServicer_to_server(_Metrics(self._take_points), self._server)  # type: ignore[no-untyped-call]
        self.endpoint = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop(grace=0).wait(30)

    def spans(self) -> list[ReceivedSpan]:
        """All spans so far, as they arrived."""
        with self._changed:
            return list(self._spans)

    def metrics(self, name: str = "") -> list[ReceivedPoint]:
        """All data points so far, as they arrived; of one metric when its name is given."""
        with self._changed:
            return [point for point in self._points if name in ("", point.name)]

    def wait_for(self, predicate: Callable[["OtlpReceiver"], object], timeout: float = 10.0) -> None:
        """Wait until the predicate is true of this receiver; asked again at each arrival. Seconds.

        TimeoutError tells what arrived instead.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: predicate(self), timeout):
                names = [span.name for span in self._spans], sorted({point.name for point in self._points})
                raise TimeoutError(f"not within {timeout} s; spans and metrics that arrived: {names}")

    def _take_spans(self, request: trace_pb2.ExportTraceServiceRequest) -> None:
        with self._changed:
            for group in request.resource_spans:
                resource = _plain(group.resource.attributes)
                self._spans += [_span(span, resource) for scope in group.scope_spans for span in scope.spans]
            self._changed.notify_all()

    def _take_points(self, request: metrics_pb2.ExportMetricsServiceRequest) -> None:
        with self._changed:
            for group in request.resource_metrics:
                resource = _plain(group.resource.attributes)
                for scope in group.scope_metrics:
                    for metric in scope.metrics:
                        self._points += _points(metric, resource)
            self._changed.notify_all()


class _Traces(trace_grpc.TraceServiceServicer):
    def __init__(self, take: Callable[[trace_pb2.ExportTraceServiceRequest], None]) -> None:
        self._take = take

    def Export(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 (gRPC's name)
        self._take(request)
        return trace_pb2.ExportTraceServiceResponse()


class _Metrics(metrics_grpc.MetricsServiceServicer):
    def __init__(self, take: Callable[[metrics_pb2.ExportMetricsServiceRequest], None]) -> None:
        self._take = take

    def Export(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 (gRPC's name)
        self._take(request)
        return metrics_pb2.ExportMetricsServiceResponse()


def _span(span: Span, resource: Attributes) -> ReceivedSpan:
    return ReceivedSpan(
        name=span.name,
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        is_error=span.status.code == Status.STATUS_CODE_ERROR,
        attributes=_plain(span.attributes),
        events=tuple(event.name for event in span.events),
        resource=resource,
        seconds=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
    )


def _points(metric: Any, resource: Attributes) -> list[ReceivedPoint]:
    kind = metric.WhichOneof("data")
    points = getattr(metric, kind).data_points
    if kind == "histogram":
        return [
            ReceivedPoint(
                metric.name,
                _plain(point.attributes),
                point.sum,
                resource,
                point.count,
                tuple(point.bucket_counts),
                tuple(point.explicit_bounds),
            )
            for point in points
        ]
    return [
        ReceivedPoint(
            metric.name, _plain(point.attributes), getattr(point, point.WhichOneof("value")), resource
        )
        for point in points
    ]


def _plain(attributes: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in attributes}
