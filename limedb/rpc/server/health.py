"""grpc.health.v1, which also knows whether load balancers have noticed that the node stops.

It owns the answers of that service. It must never decide whether the node serves.

A load balancer asks periodically on one connection (Envoy each second) and sends requests until the answer is
NOT_SERVING. A node that stopped listening earlier would lose the requests in between. Probes that come
through Envoy don't count: once the node is NOT_SERVING, Envoy sends them elsewhere.

Tested in tests/rpc/server/test_health.py.
"""

import asyncio

import grpc
from grpc_health.v1 import health
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from limedb.core.exposure import HEALTH_NAME
from limedb.rpc.server.front import is_from_envoy

Context = grpc.aio.ServicerContext[HealthCheckRequest, HealthCheckResponse]

RECENT_SECONDS = 5.0
"""A caller whose last question is older is gone, or asks too rarely to wait for it."""
LONGEST_SECONDS = 2.5
"""The longest time that a stop waits for callers."""
SETTLE_SECONDS = 0.1
"""The time that a caller may need to apply an answer to its routing."""
ASKERS = 256
"""The most callers that are remembered; a stop doesn't wait for others."""


class Health(health.aio.HealthServicer):
    """The service, which remembers its callers by their connections."""

    def __init__(self) -> None:
        super().__init__()
        self._asked: dict[
            str, tuple[float, int]
        ] = {}  # the time of the last question, and how many there were
        self._waited_for: set[str] = set()
        self._noticed = asyncio.Event()
        self._exposed_at = -RECENT_SECONDS

    @property
    def is_asked_from_beyond(self) -> bool:
        """Whether an Envoy that listens beyond loopback has asked lately."""
        return asyncio.get_running_loop().time() - self._exposed_at < RECENT_SECONDS

    async def Check(self, request: HealthCheckRequest, context: Context) -> HealthCheckResponse:  # noqa: N802
        """Answer, and remember the caller."""
        now = asyncio.get_running_loop().time()
        if not is_from_envoy(context):
            self._remember(context.peer(), now)
            if request.service == HEALTH_NAME:
                self._exposed_at = now
        return await super().Check(request, context)

    async def wait_noticed(self) -> None:
        """Return once each regular caller got a new answer, after LONGEST_SECONDS at the latest."""
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
            self._asked = {peer: last for peer, last in self._asked.items() if now - last[0] < RECENT_SECONDS}
        if asker in self._asked or len(self._asked) < ASKERS:
            self._asked[asker] = now, self._asked.get(asker, (0.0, 0))[1] + 1
        if asker in self._waited_for:
            self._waited_for.discard(asker)
            if not self._waited_for:
                self._noticed.set()
