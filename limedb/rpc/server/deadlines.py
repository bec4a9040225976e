"""The deadlines of requests.

Tested in tests/rpc/peer/test_stream.py.
"""

from limedb.ports import Clock
from limedb.rpc.server.behaviour import Context


class Deadlines:
    """Computes a request's deadline. default: seconds, for clients that set no deadline."""

    def __init__(self, clock: Clock, default: float) -> None:
        self._clock, self._default = clock, default

    def of(self, context: Context) -> float:
        """The deadline of a request, in seconds of the monotonic clock."""
        remaining = context.time_remaining()
        return self._clock.monotonic() + (self._default if remaining is None else remaining)
