"""Telemetry that is on: the providers, the exporters and their end.

It owns everything that OpenTelemetry's SDK needs, without touching its globals, so that a process may run
many nodes. It must never be imported while telemetry is off, and must never disturb the node when a collector
goes away. The SDK's own variables (OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS and so on) apply.

Tested in tests/observability/test_telemetry.py.
"""

import logging
from threading import Timer

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from limedb.observability.instruments import MetricExporter, create_instruments
from limedb.observability.logs import Forward, Throttle
from limedb.observability.telemetry import Source, Telemetry
from limedb.observability.tracing import Tracing, head_sampling

SHUTDOWN_SECONDS = 1.5
"""The time until data that still waits for the collector is given up."""
WARNING_INTERVAL_SECONDS = 60.0
"""The time between two warnings about a collector."""

_log = logging.getLogger("limedb.telemetry")


def start(endpoint: str, source: Source, metric_interval: float, span_delay: float) -> Telemetry:
    """Start sending to an endpoint; intervals in seconds. It raises nothing if nothing answers there."""
    _limit_noise()
    resource = _resource(source)
    spans = OTLPSpanExporter(endpoint=endpoint, insecure=True)
    metrics = MetricExporter(endpoint, source)
    tracing = TracerProvider(ALWAYS_ON, resource, shutdown_on_exit=False)
    tracing.add_span_processor(BatchSpanProcessor(spans, schedule_delay_millis=span_delay * 1000))
    reader = PeriodicExportingMetricReader(metrics, export_interval_millis=metric_interval * 1000)
    metering = MeterProvider([reader], resource, shutdown_on_exit=False)
    create_instruments(metering, source)
    head = head_sampling()
    return Telemetry(
        endpoint=endpoint,
        tracing=Tracing(tracing, head) if head else None,
        trace_ids=trace_ids,
        stop=_Running(tracing, metering, (spans, metrics)).stop,
    )


def trace_ids() -> tuple[str, str] | None:
    """The hex ids of the current trace and span, None outside of any."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id)


def _resource(source: Source) -> Resource:
    zone = {"limedb.zone": source.zone} if source.zone else {}
    return Resource.create(
        {
            "service.name": "limedb-node",
            "service.instance.id": source.node_url,
            "service.version": source.version,
            **zone,
        }
    )


class _Running:
    """The started providers and exporters, and their end."""

    def __init__(
        self,
        tracing: TracerProvider,
        metering: MeterProvider,
        exporters: tuple[OTLPSpanExporter, MetricExporter],
    ) -> None:
        self._tracing, self._metering, self._exporters = tracing, metering, exporters
        self._stopped = False

    def stop(self) -> None:
        """Flush and stop everything; a second call does nothing.

        The SDK waits up to 30 s for a span exporter, and only the exporter's own shutdown ends that wait: so
        the exporters are shut down when the time is up.
        """
        if self._stopped:
            return
        self._stopped = True
        limit = Timer(SHUTDOWN_SECONDS, self._give_up)
        limit.daemon = True
        limit.start()
        self._tracing.shutdown()
        self._metering.shutdown(timeout_millis=SHUTDOWN_SECONDS * 1000)
        limit.cancel()

    def _give_up(self) -> None:
        for exporter in self._exporters:
            exporter.shutdown()


def _limit_noise() -> None:
    """Reduce the SDK's log to one line a minute, for the whole process, like all of logging."""
    logger = logging.getLogger("opentelemetry")
    if any(isinstance(handler, Forward) for handler in logger.handlers):
        return
    handler = Forward(_log, "telemetry has a problem")
    handler.addFilter(Throttle(WARNING_INTERVAL_SECONDS))
    logger.addHandler(handler)
    logger.propagate = False
