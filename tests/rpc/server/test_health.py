"""A load balancer that asks for the health of a node is answered before the node stops.

Tests limedb/rpc/server/running_streams.py.
"""

import asyncio
from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from limedb.errors import UnavailableError
from limedb.rpc.server.front import HEADER
from limedb.rpc.server.health import ASKERS, LONGEST_SECONDS, Health
from limedb.rpc.server.server import Server
from limedb.wire.status import remote_error
from limedbpb.v1.cluster_pb2 import GetHealthRequest
from limedbpb.v1.cluster_pb2_grpc import ClusterServiceStub
from tests.rpc.server.test_server import Watched, served

ASK = HealthCheckRequest()
NOT_SERVING = HealthCheckResponse.NOT_SERVING


async def stopping(server: Server) -> "asyncio.Task[None]":
    """A stop that has begun: health says so."""
    stop = asyncio.create_task(server.stop(grace=5))
    await asyncio.sleep(0)
    return stop


async def test_a_stop_waits_for_an_asker_that_has_not_seen_it() -> None:
    async with served(Watched()) as (server, _, _, channel):
        health = HealthStub(channel)
        for _ in range(2):
            await health.Check(ASK)
        stop = await stopping(server)
        assert not stop.done()
        assert (await health.Check(ASK)).status == NOT_SERVING
        await stop


async def test_what_is_not_asked_for_its_health_does_not_wait() -> None:
    health = Health()
    await asyncio.wait_for(health.wait_noticed(), LONGEST_SECONDS / 2)
    async with served(Watched()) as (server, _, _, channel):
        await HealthStub(channel).Check(ASK)  # once: a person, or a probe that starts it
        stop = await stopping(server)
        await stop


async def test_probes_through_envoy_do_not_delay_a_stop() -> None:
    """Envoy sends the next probe to another node, so its connection would never get the new answer."""
    async with served(Watched()) as (server, _, _, channel):
        for _ in range(2):
            await HealthStub(channel).Check(ASK, metadata=((HEADER, "1"),))
        assert server.health._asked == {}


async def test_askers_are_remembered_up_to_a_number() -> None:
    class Caller:
        def __init__(self, name: str) -> None:
            self.name = name

        def peer(self) -> str:
            return self.name

        def invocation_metadata(self) -> tuple[()]:
            return ()

    health = Health()
    for n in range(2 * ASKERS):
        caller: Any = Caller(f"ipv4:127.0.0.1:{n}")
        await health.Check(ASK, caller)
    assert len(health._asked) == ASKERS


async def test_calls_that_come_while_the_server_stops_are_refused_in_words() -> None:
    async with served(Watched()) as (server, recorder, _, channel):
        stub, outcomes, stopped = ClusterServiceStub(channel), set[str](), asyncio.Event()

        async def ask() -> None:
            while not stopped.is_set():
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await stub.GetHealth(GetHealthRequest())
                error = remote_error("http://a:1", refused.value)
                outcomes.add(error.reason if error else f"{refused.value.code()} {refused.value.details()}")

        asking = [asyncio.create_task(ask()) for _ in range(8)]
        await asyncio.wait_for(recorder.something.wait(), 10)  # calls come all the time
        await (await stopping(server))
        stopped.set()
        await asyncio.gather(*asking)
        assert UnavailableError.reason in outcomes
        assert not any("CANCELLED" in outcome for outcome in outcomes), outcomes
