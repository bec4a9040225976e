"""The clocks of a simulated node.

It owns how far a node's wall clock is off, and the time in which its process stood still.
"""

import asyncio

from limedb.aio.running_time import STEP_SECONDS
from tests.cluster.virtual import START_MS


class SimClock:
    """`ports.Clock`. offset_ms: how far the wall clock is ahead; drift: what it gains, as a share of time;
    lost: seconds in which the process stood still, but for what counts of them (`aio/running_time.py`).
    notices_stops: whether the process notices that it stood still.
    """

    notices_stops = True

    def __init__(self, offset_ms: float = 0.0, drift: float = 0.0) -> None:
        self.offset_ms, self.drift, self.lost = offset_ms, drift, 0.0

    def monotonic(self) -> float:
        return self.elapsed() - self.lost

    def elapsed(self) -> float:
        return asyncio.get_running_loop().time()

    def worked(self) -> float:
        return 0.0

    def wall_ms(self) -> int:
        return START_MS + int(self.offset_ms + self.elapsed() * 1000 * (1 + self.drift))

    def stand_still(self, seconds: float) -> None:
        """Note that the process stood still for so long until now."""
        if self.notices_stops:
            self.lost += max(0.0, seconds - STEP_SECONDS)
