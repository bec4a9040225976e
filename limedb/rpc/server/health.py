"""grpc.health.v1, and whether those that route by it have seen that the node stops.

It owns the answers of that service. It must never decide whether the node serves.

A load balancer asks again and again on one connection (Envoy each second) and sends requests until it is
answered NOT_SERVING. A node that stopped listening before would lose what comes in between.

Tested in tests/rpc/server/test_health.py.
"""

import asyncio

import grpc
from grpc_health.v1 import health
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

Context = grpc.aio.ServicerContext[HealthCheckRequest, HealthCheckResponse]

RECENT_SECONDS = 5.0
"""An asker that asked before that is gone, or asks so rarely that nobody can wait for it."""
LONGEST_SECONDS = 2.5
"""What a stop waits for askers at most."""
SETTLE_SECONDS = 0.1
"""What an asker may need to carry an answer to where it routes."""
ASKERS = 256
"""That are remembered at most; others are not waited for."""


class Health(health.aio.HealthServicer):
    """The service, which remembers its askers by their connections."""

    def __init__(self) -> None:
        super().__init__()
        self._asked: dict[str, tuple[float, int]] = {}  # when it asked last, and how often
        self._waited_for: set[str] = set()
        self._noticed = asyncio.Event()

    async def Check(self, request: HealthCheckRequest, context: Context) -> HealthCheckResponse:  # noqa: N802
        """Answer, and remember the asker."""
        answer = await super().Check(request, context)
        self._remember(context.peer(), asyncio.get_running_loop().time())
        return answer

    async def wait_noticed(self) -> None:
        """Return once each that asks regularly was answered anew, after LONGEST_SECONDS at the latest."""
        now = asyncio.get_running_loop().time()
        self._waited_for = {
            asker for asker, (at, times) in self._asked.items() if times > 1 and now - at < RECENT_SECONDS
        }
        if not self._waited_for:
            return
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                await self._noticed.wait()
        except TimeoutError:
            return
        await asyncio.sleep(SETTLE_SECONDS)

    def _remember(self, asker: str, now: float) -> None:
        if asker not in self._asked and len(self._asked) >= ASKERS:
            self._asked = {who: last for who, last in self._asked.items() if now - last[0] < RECENT_SECONDS}
        if asker in self._asked or len(self._asked) < ASKERS:
            self._asked[asker] = now, self._asked.get(asker, (0.0, 0))[1] + 1
        if asker in self._waited_for:
            self._waited_for.discard(asker)
            if not self._waited_for:
                self._noticed.set()
