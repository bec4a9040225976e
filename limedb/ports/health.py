"""The figures of a node.

It owns the values. It must never measure anything.
"""

from dataclasses import dataclass

from limedb.core.request_rates import RequestRates
from limedb.ports.store import StoreStats


@dataclass(frozen=True, slots=True)
class RequestFigures(RequestRates):
    """The rates of requests, and their number since the start."""

    total_requests: int


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
