"""The figures of a node.

It owns the values. It must never measure anything.
"""

from dataclasses import dataclass

from limedb.ports.store import StoreStats


@dataclass(frozen=True, slots=True)
class RequestFigures:
    """Figures of requests. total_requests counts from the start, everything else is over the last ten
    seconds.

    Rates are per second; average_latency_ms and error_rate (0 to 1) are 0 if there was no request.
    """

    total_requests: int
    requests_per_second: float
    gets_per_second: float
    sets_per_second: float
    dels_per_second: float
    average_latency_ms: float
    error_rate: float


@dataclass(frozen=True, slots=True)
class NodeHealth:
    """The health figures of a node."""

    uptime_seconds: float
    memory_mb: float
    """Resident MiB."""
    cpu_percent: float
    """Of one core, over the last second."""
    requests: RequestFigures
    store: StoreStats
