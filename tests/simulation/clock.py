"""The clocks of a simulated node.

It owns how far a node's wall clock is off. Monotonic time is the loop's, as on a real node.
"""

import asyncio

from tests.cluster.virtual import START_MS


class SimClock:
    """`ports.Clock`. offset_ms: how far the wall clock is ahead; drift: what it gains, as a share of time."""

    def __init__(self, offset_ms: float = 0.0, drift: float = 0.0) -> None:
        self.offset_ms, self.drift = offset_ms, drift

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def wall_ms(self) -> int:
        return START_MS + int(self.offset_ms + self.monotonic() * 1000 * (1 + self.drift))
