"""How methods are served: statuses, counters, streams and their ends.

Tests limedb/rpc/server/running_streams.py, limedb/rpc/server/stream_messages.py and
limedb/rpc/server/method.py.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import grpc
import pytest

from limedb.errors import InvalidRequestError
from limedb.rpc.server.connections import BACKLOG
from limedb.rpc.server.server import Server
from limedbpb.v1 import cluster_pb2, cluster_pb2_grpc
from tests.rpc.peers import new_memory, serving
from tests.support.listening import backlogs_at
from tests.support.ports import free_port


class Watched:
    """A service with a stream. It counts who listens; `last` ends the stream, with an error if it is one."""

    service = cluster_pb2.DESCRIPTOR.services_by_name["ClusterService"]

    def __init__(self, last: int | None = None, error: Exception | None = None) -> None:
        self.last, self.error = last, error
        self.listening = 0
        self.left = asyncio.Event()

    async def WatchCluster(  # noqa: N802 (the name of the RPC)
        self, request: Any, context: Any
    ) -> AsyncGenerator[cluster_pb2.WatchClusterResponse, None]:
        self.listening += 1
        try:
            epoch = 0
            while self.last is None or epoch < self.last:
                epoch += 1
                yield cluster_pb2.WatchClusterResponse(epoch=epoch)
                await asyncio.sleep(0.01)  # the pace of the stream
            if self.error:
                raise self.error
        finally:
            self.listening -= 1
            self.left.set()

    def __getattr__(self, _name: str) -> Any:
        return None


class Recorder:
    """Keeps what was counted."""

    def __init__(self) -> None:
        self.counted: list[tuple[str, str]] = []
        self.seconds: list[float] = []
        self.something = asyncio.Event()

    def record(self, method: str, code: str, seconds: float) -> None:
        self.counted.append((method, code))
        self.seconds.append(seconds)
        self.something.set()


@asynccontextmanager
async def served(watched: Watched) -> AsyncIterator[tuple[Server, Recorder, Any, grpc.aio.Channel]]:
    """A server with the service, its counters, and a client's multi-callable and channel."""
    recorder, server = Recorder(), Server(new_memory())
    server.add(watched, recorder)
    with free_port() as port:
        await server.start([f"127.0.0.1:{port}"])
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield server, recorder, cluster_pb2_grpc.ClusterServiceStub(channel).WatchCluster, channel
        await server.stop(0.1)


async def read_to_the_end(call: Any) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass


REQUEST = cluster_pb2.WatchClusterRequest()
HEALTH = "/grpc.health.v1.Health/Check"


async def test_the_queue_before_each_port_is_short() -> None:
    """A storm of connections that come and go would take all of the thread that reads from sockets."""
    server = Server(new_memory())
    with free_port() as first, free_port() as second:
        await server.start([f"127.0.0.1:{first}", f"127.0.0.1:{second}"])
        found = [backlogs_at(port) for port in (first, second)]
        await server.stop(0.1)
    assert all(backlogs and {*backlogs} == {BACKLOG} for backlogs in found), found


async def test_a_stream_ends_when_the_behaviour_does() -> None:
    async with served(Watched(last=3)) as (_, recorder, watch, _channel):
        assert [m.epoch async for m in watch(REQUEST)] == [1, 2, 3]
        assert recorder.counted == [("ClusterService/WatchCluster", "OK")]


async def test_a_stream_counts_with_the_time_to_its_first_message() -> None:
    async with served(Watched(last=30)) as (_, recorder, watch, _channel):
        started = time.perf_counter()
        await read_to_the_end(watch(REQUEST))
        await asyncio.wait_for(recorder.something.wait(), 5)
        assert recorder.seconds[0] < (time.perf_counter() - started) / 2


async def test_an_error_in_a_stream_becomes_its_status() -> None:
    watched = Watched(last=2, error=InvalidRequestError("no such thing"))
    async with served(watched) as (_, recorder, watch, _channel):
        call = watch(REQUEST)
        assert [(await call.read()).epoch for _ in range(2)] == [1, 2]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        assert (caught.value.code(), caught.value.details()) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "no such thing",
        )
        assert ("limedb-error", "InvalidRequestError") in list(caught.value.trailing_metadata() or ())
        assert recorder.counted == [("ClusterService/WatchCluster", "INVALID_ARGUMENT")]


async def test_bytes_that_are_no_request_are_refused_in_a_stream_too() -> None:
    async with served(Watched()) as (_, _recorder, _watch, channel):
        call = channel.unary_stream("/limedb.v1.ClusterService/WatchCluster")(b"\xff")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_nothing_runs_on_when_the_client_goes_away() -> None:
    watched = Watched()
    async with served(watched) as (_, recorder, watch, _channel):
        call = watch(REQUEST)
        await call.read()
        assert watched.listening == 1
        call.cancel()
        await asyncio.wait_for(watched.left.wait(), 5)
        assert watched.listening == 0
        async with asyncio.timeout(5):
            await recorder.something.wait()
        assert recorder.counted == [("ClusterService/WatchCluster", "CANCELLED")]


async def test_a_client_that_vanishes_with_its_connection_leaves_nothing() -> None:
    watched = Watched()
    async with served(watched) as (_, _recorder, watch, channel):
        await watch(REQUEST).read()
        await channel.close()
        await asyncio.wait_for(watched.left.wait(), 5)


async def test_a_stop_ends_streams_at_once_and_says_so() -> None:
    watched = Watched()
    async with served(watched) as (server, recorder, watch, _channel):
        call = watch(REQUEST)
        await call.read()
        started = asyncio.get_running_loop().time()
        await server.stop(10)
        assert asyncio.get_running_loop().time() - started < 5
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await read_to_the_end(call)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "stopping" in (caught.value.details() or "")
        assert (watched.listening, recorder.counted) == (0, [("ClusterService/WatchCluster", "UNAVAILABLE")])


async def test_calls_that_come_while_the_node_is_busy_are_not_dropped() -> None:
    """gRPC would cancel some beyond 1,000, and all beyond 3,000, anybody's, without a word."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    with free_port() as port, ExitStack() as stack:
        async with serving(f"127.0.0.1:{port}"):
            channels = [grpc.insecure_channel(f"127.0.0.1:{port}", options) for _ in range(20)]
            checks = [stack.enter_context(channel).unary_unary(HEALTH) for channel in channels]
            # The event loop has no turn while they come: they are sent by other threads.
            calls = [check.future(b"", wait_for_ready=True) for _ in range(200) for check in checks]
            codes = Counter(await asyncio.to_thread(lambda: [call.code() for call in calls]))
    assert codes == {grpc.StatusCode.OK: 4000}
