"""The metrics that a node exports.

It owns their names, units and attributes. It must never be imported while telemetry is off, and must never
count: it reads the counters of `metrics.py` when the SDK asks, in the exporter's thread.

Tested in tests/observability/test_telemetry.py.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExportResult,
    MetricsData,
    ScopeMetrics,
)

from limedb.core.history import DURATION_BOUNDS
from limedb.errors import LimeDBError
from limedb.observability.metrics import RequestSeries, parts_of
from limedb.observability.telemetry import Source

SCOPE = "limedb"
NODE_URL = "limedb.node.url"
METHOD = "rpc.method"
CODE = "rpc.response.status_code"
OPERATION = "limedb.operation"
SHARE = "limedb.memory.share"
CERTIFICATE = "limedb.certificate"
LIMIT, LIMIT_OF = "limedb.limit", "limedb.limit.of"

Read = Callable[[], Iterable[tuple[float, Mapping[str, str]]]]


def create_instruments(provider: MeterProvider, source: Source) -> None:
    """Register all metrics except the durations, which only the exporter can add."""
    meter = provider.get_meter(SCOPE, source.version)

    def callback(read: Read) -> Callable[[CallbackOptions], Iterable[Observation]]:
        return lambda _: _observe(read, source.node_url)

    meter.create_observable_counter(
        "limedb.requests", [callback(lambda: _requests(source))], "{request}", "Finished client requests."
    )
    meter.create_observable_counter(
        "limedb.operations", [callback(lambda: _operations(source))], "{key}", "Keys read, set and deleted."
    )
    meter.create_observable_gauge(
        "limedb.gossip.peers", [callback(lambda: _peers(source))], "{node}", "Known peers by status."
    )
    meter.create_observable_gauge(
        "limedb.memory.held",
        [callback(lambda: [(held, {SHARE: name}) for name, (held, _) in source.shares().items()])],
        "By",
        "Bytes that requests, answers and streams hold, by share of MAX_MEMORY.",
    )
    meter.create_observable_counter(
        "limedb.memory.refused",
        [callback(lambda: [(refused, {SHARE: name}) for name, (_, refused) in source.shares().items()])],
        "{request}",
        "Requests that were refused because a share of MAX_MEMORY was full.",
    )
    meter.create_observable_counter(
        "limedb.limits.refused",
        [callback(lambda: _limits(source))],
        "{request}",
        "Requests and streams that a limit of their client refused, by limit, and whether it was that of an"
        " identity, of an address, or of the node.",
    )
    meter.create_observable_gauge(
        "limedb.store.keys", [callback(lambda: [(source.store().keys, {})])], "{key}", "Keys with a value."
    )
    meter.create_observable_gauge(
        "limedb.store.bytes",
        [callback(lambda: [(source.store().size, {})])],
        "By",
        "Size of the store's data.",
    )
    meter.create_observable_gauge(
        "limedb.store.damage",
        [callback(lambda: _damage(source))],
        "{record}",
        "Stored records found damaged since the start.",
    )
    meter.create_observable_gauge(
        "limedb.certificate.days_left",
        [callback(lambda: [(days, {CERTIFICATE: name}) for name, days in source.days_left().items()])],
        "d",
        "Days until a certificate of the node expires.",
    )


def _limits(source: Source) -> list[tuple[float, Mapping[str, str]]]:
    return [(count, {LIMIT: limit, LIMIT_OF: kind}) for (limit, kind), count in source.limits().items()]


def _damage(source: Source) -> list[tuple[float, Mapping[str, str]]]:
    return [(count, {"limedb.damage": kind}) for kind, count in source.damage().items()]


def _observe(read: Read, node_url: str) -> list[Observation]:
    """Attach the node's URL to each figure, since many backends drop a resource's attributes."""
    try:
        return [Observation(value, {**attributes, NODE_URL: node_url}) for value, attributes in read()]
    except LimeDBError:
        return []  # the store is closed already


def _requests(source: Source) -> list[tuple[float, Mapping[str, str]]]:
    return [(one.count, _attributes(one)) for one in source.requests.series()]


def _attributes(one: RequestSeries) -> dict[str, str]:
    """A session's requests have their operation besides: its method is one for all of them."""
    method, operation = parts_of(one.method)
    return {METHOD: method, CODE: one.code, **({OPERATION: operation} if operation else {})}


def _operations(source: Source) -> list[tuple[float, Mapping[str, str]]]:
    return [(count, {OPERATION: kind}) for kind, count in source.requests.operations().items()]


def _peers(source: Source) -> list[tuple[float, Mapping[str, str]]]:
    return [(count, {"limedb.peer.status": status}) for status, count in source.peers().items()]


class MetricExporter(OTLPMetricExporter):
    """Sends metrics, and adds the histogram of request durations to them.

    The SDK fills a histogram only by a call for each request, which would be on the hot path; so this class
    builds it from the plain counters.
    """

    def __init__(self, endpoint: str, source: Source) -> None:
        super().__init__(endpoint=endpoint, insecure=True)
        self._source, self._started_ns = source, time.time_ns()

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: object
    ) -> MetricExportResult:
        """Send one collection."""
        resources = [
            replace(resource, scope_metrics=[self._completed(scope) for scope in resource.scope_metrics])
            for resource in metrics_data.resource_metrics
        ]
        return super().export(MetricsData(resources), timeout_millis, **kwargs)

    def _completed(self, scope: ScopeMetrics) -> ScopeMetrics:
        if scope.scope.name != SCOPE:
            return scope
        return replace(scope, metrics=[*scope.metrics, *self._durations()])

    def _durations(self) -> list[Metric]:
        series, now_ns = self._source.requests.series(), time.time_ns()
        if not series:
            return []
        points = [self._point(one, now_ns) for one in series]
        data = Histogram(points, AggregationTemporality.CUMULATIVE)
        return [Metric("limedb.request.duration", "How long client requests took.", "s", data)]

    def _point(self, one: RequestSeries, now_ns: int) -> HistogramDataPoint:
        return HistogramDataPoint(
            attributes={**_attributes(one), NODE_URL: self._source.node_url},
            start_time_unix_nano=self._started_ns,
            time_unix_nano=now_ns,
            count=one.count,
            sum=one.seconds,
            bucket_counts=one.buckets,
            explicit_bounds=DURATION_BOUNDS,
            min=None,  # type: ignore[arg-type]  # unknown; OTLP doesn't require them
            max=None,  # type: ignore[arg-type]
        )
