"""Telemetry on or off.

It owns the decision whether traces and metrics leave the node, and the handle that the node keeps. It must
never import OpenTelemetry while telemetry is off: then no call is wrapped, there are no threads, and nothing
is loaded.
"""

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from limedb.config import DEFAULT_OTEL_ENDPOINT
from limedb.ports import CallTracing

if TYPE_CHECKING:
    from limedb.observability.logs import TraceIds
    from limedb.observability.metrics import RequestStats
    from limedb.ports import StoreStats

PROBE_SECONDS = 0.25
"""The default endpoint is on this machine, so it answers soon."""


@dataclass(frozen=True, slots=True)
class Source:
    """The node of the telemetry, and the sources of its figures.

    The exporter's thread calls them, so they return copies that the loop has made and touch nothing that the
    loop is changing.
    """

    node_url: str
    version: str
    zone: str
    requests: "RequestStats"
    peers: Callable[[], Mapping[str, int]]
    """Returns the number of peers by status."""
    store: "Callable[[], StoreStats]"
    """Returns the store's figures."""
    shares: Callable[[], Mapping[str, tuple[int, int]]] = dict
    """Returns the bytes held of each share of the memory, and how often it had no room."""
    damage: Callable[[], Mapping[str, int]] = dict
    """Returns the number of stored records found damaged, by outcome."""
    days_left: Callable[[], Mapping[str, float]] = dict
    """Returns the days until each certificate expires."""
    limits: Callable[[], Mapping[tuple[str, str], int]] = dict
    """Returns how often each limit refused something, by limit and by what it is a limit of."""


def _nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Started telemetry."""

    endpoint: str = ""
    """The destination of everything; empty if telemetry is off."""
    tracing: CallTracing | None = None
    """For the server and the links to peers; None: no call is traced."""
    trace_ids: "TraceIds | None" = None
    """For the logs."""
    stop: Callable[[], None] = _nothing

    @property
    def enabled(self) -> bool:
        """Whether anything is sent."""
        return bool(self.endpoint)

    def shutdown(self) -> None:
        """Send the remaining data, for at most two seconds, then stop. It blocks: call it last, outside the
        loop.
        """
        self.stop()


def start_telemetry(
    otel_endpoint: str | None,
    source: Source,
    *,
    metric_interval: float = 10.0,
    span_delay: float = 1.0,
    default_endpoint: str = DEFAULT_OTEL_ENDPOINT,
) -> Telemetry:
    """Start sending traces and metrics by OTLP over gRPC, if wanted.

    otel_endpoint: host:port, "" for off, None for the default endpoint if something listens there now.
    metric_interval and span_delay: seconds between two sendings. An endpoint without an answer costs the node
    only a warning a minute. It blocks while it loads the SDK (0.3 s): call it outside the loop, or before
    there is one.
    """
    endpoint = _chosen_endpoint(otel_endpoint, default_endpoint)
    if not endpoint:
        return Telemetry()
    from limedb.observability import otlp

    return otlp.start(endpoint, source, metric_interval, span_delay)


def _chosen_endpoint(otel_endpoint: str | None, default: str) -> str:
    if otel_endpoint is not None:
        return otel_endpoint
    return default if _is_listening(default) else ""


def _is_listening(endpoint: str) -> bool:
    host, _, port = endpoint.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), PROBE_SECONDS):
            return True
    except OSError:
        return False
