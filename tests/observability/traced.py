"""Services with telemetry, and what becomes of their spans."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio

from limedb.errors import KeyNotFoundError
from limedb.observability.metrics import RequestStats
from limedb.observability.telemetry import Source, Telemetry, start_telemetry
from limedb.ports import StoreStats
from limedb.rpc.server.server import Server
from limedbpb.v1 import gossip_pb2, kv_pb2, kv_pb2_grpc
from tests.rpc.peers import new_memory
from tests.support.otlp import OtlpReceiver, ReceivedSpan
from tests.support.ports import free_port

GET = "/limedb.v1.KVService/Get"
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = ("traceparent", f"00-{TRACE}-{CALLER}-01")
UNSAMPLED = ("traceparent", f"00-{TRACE}-{CALLER}-00")
LIMIT = 10.0  # seconds
SAMPLER = "OTEL_TRACES_SAMPLER"
KEY = kv_pb2.GetRequest(key="k")
Get = Callable[[kv_pb2.GetRequest, Any], Awaitable[kv_pb2.GetResponse]]


async def _found(request: kv_pb2.GetRequest, context: Any) -> kv_pb2.GetResponse:
    return kv_pb2.GetResponse(value="v", node_url="http://owner:1")


def raising(error: Exception) -> Get:
    async def get(request: kv_pb2.GetRequest, context: Any) -> kv_pb2.GetResponse:
        raise error

    return get


class KV:
    """Answers Get with a function of the test's; streams as many pages as the limit says, and then the error
    if the prefix is the key of one; echoes the ids of a session.
    """

    service = kv_pb2.DESCRIPTOR.services_by_name["KVService"]

    def __init__(self, get: Get = _found) -> None:
        self.Get = get
        self.closed = asyncio.Event()

    async def Scan(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        try:
            for _ in range(request.limit):
                yield kv_pb2.ScanResponse(after="x" * 1000)
            if request.prefix:
                raise KeyNotFoundError(request.prefix)
        finally:
            self.closed.set()

    async def Session(self, requests: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        async for request in requests:
            yield kv_pb2.SessionResponse(id=request.id)

    def __getattr__(self, _name: str) -> Any:
        return None


class Gossip:
    service = gossip_pb2.DESCRIPTOR.services_by_name["GossipService"]

    async def Exchange(self, request: Any, context: Any) -> Any:  # noqa: N802
        return gossip_pb2.ExchangeResponse()


@dataclass
class Bench:
    """Starts servers and channels with telemetry, and shows what became of their spans."""

    receiver: OtlpReceiver
    telemetry: dict[str, Telemetry] = field(default_factory=dict)
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    def at(self, node: str) -> Telemetry:
        if node not in self.telemetry:
            store = StoreStats("memory", 0, 0)
            source = Source(node, "1", "", RequestStats(0.0), dict, lambda: store)
            self.telemetry[node] = start_telemetry(self.receiver.endpoint, source, metric_interval=3600.0)
        return self.telemetry[node]

    async def serve(self, node: str, service: Any, recorder: RequestStats | None = None) -> str:
        """The address of a new server."""
        server = Server(new_memory(), self.at(node).tracing)
        server.add(service, recorder)
        port = self.stack.enter_context(free_port())
        await server.start([f"127.0.0.1:{port}"])
        self.stack.push_async_callback(server.stop, 0)
        return f"127.0.0.1:{port}"

    async def channel(self, address: str, node: str = "") -> Any:
        """A channel of a node's sampled call, or of a client without telemetry."""
        channel = await self.stack.enter_async_context(grpc.aio.insecure_channel(address))
        made = self.at(node).tracing if node else None
        return made.calling(channel) if made else channel

    async def kv(self, service: KV, node: str = "") -> Any:
        """The stub of a service that is served by node n."""
        return kv_pb2_grpc.KVServiceStub(await self.channel(await self.serve("http://n:1", service), node))

    async def spans(self) -> list[ReceivedSpan]:
        """End everything, and take what arrived."""
        await self.stack.aclose()
        for telemetry in self.telemetry.values():
            await asyncio.to_thread(telemetry.shutdown)
        return self.receiver.spans()

    async def span(self, kind: str) -> ReceivedSpan:
        """The only span of a kind."""
        spans = await self.spans()
        [span] = [span for span in spans if span.kind == kind]
        return span
