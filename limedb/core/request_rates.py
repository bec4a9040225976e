"""The rates of a node's client requests, over its last ten seconds.

Tested in tests/observability/test_metrics.py.
"""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRates:
    """Keys and requests a second, the mean latency, and the share of errors; 0 if there was no request."""

    requests_per_second: float = 0.0
    gets_per_second: float = 0.0
    sets_per_second: float = 0.0
    dels_per_second: float = 0.0
    average_latency_ms: float = 0.0
    """Milliseconds."""
    error_rate: float = 0.0
    """0 to 1."""

    def rates(self) -> dict[str, float]:
        """The rates alone, by name."""
        return {field.name: getattr(self, field.name) for field in fields(RequestRates)}
