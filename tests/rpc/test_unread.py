"""A real server whose clients send what they can and read nothing: what it holds is bounded, and let go."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import grpc
import pytest

from limedb.rpc.server import memory as memory_module
from limedb.rpc.server.memory import Memory
from limedb.rpc.server.method import STREAM_BYTES
from limedb.rpc.server.server import Server
from limedb.rpc.server.session import SessionHandler
from limedbpb.v1 import kv_pb2, kv_pb2_grpc
from tests.floods import wire
from tests.rpc.peers import new_memory
from tests.support.ports import free_port

MIB = 1 << 20
PATIENCE = 20


class Large:
    """A service whose values are as large as their keys say, in bytes. worked: its calls so far."""

    service = kv_pb2.DESCRIPTOR.services_by_name["KVService"]

    def __init__(self, memory: Memory) -> None:
        self.memory, self.worked, self.peak = memory, 0, 0

    async def Get(self, request: kv_pb2.GetRequest, context: Any) -> bytes:  # noqa: N802 (the RPC's name)
        self.worked += 1
        return kv_pb2.GetResponse(value="v" * int(request.key)).SerializeToString()

    async def BatchSet(self, request: kv_pb2.BatchSetRequest, context: Any) -> bytes:  # noqa: N802
        self.worked += 1
        self.peak = max(self.peak, self.memory.requests.held)
        await asyncio.sleep(0)
        return kv_pb2.BatchSetResponse().SerializeToString()

    async def Scan(self, request: kv_pb2.ScanRequest, context: Any) -> AsyncIterator[bytes]:  # noqa: N802
        while True:
            yield kv_pb2.ScanResponse(after="v" * 100_000).SerializeToString()

    def Session(self, request: Any, context: Any) -> Any:  # noqa: N802
        return SessionHandler({"get": self.Get}, context, lambda *_: None, self.memory).run(request)

    def __getattr__(self, _name: str) -> Any:
        return None


@asynccontextmanager
async def serving(size: int, most_calls: int | None = None) -> AsyncIterator[tuple[Large, str]]:
    memory = new_memory(size, most_calls)
    service, server = Large(memory), Server(memory)
    server.add(service)
    with free_port() as port:
        await server.start([f"127.0.0.1:{port}"])
        yield service, f"127.0.0.1:{port}"
        await server.stop(0.1)


@asynccontextmanager
async def unread(address: str, method: str, requests: Iterable[Any]) -> AsyncIterator[None]:
    """Calls on one connection whose answers have no room on the way."""
    block = wire.header_block(f"/limedb.v1.KVService/{method}")
    parts = [wire.call(2 * n + 1, block, request.SerializeToString()) for n, request in enumerate(requests)]
    with ExitStack() as stack:
        link: socket.socket = stack.enter_context(await asyncio.to_thread(wire.connected, address, 0))
        await asyncio.to_thread(link.sendall, b"".join(parts))
        yield


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 (there is no event for it)
            await asyncio.sleep(0.005)


async def test_answers_that_nobody_reads_are_bounded_and_let_go_with_their_client() -> None:
    async with serving(64 * MIB) as (service, address):
        answers = service.memory.answers
        asked = [kv_pb2.GetRequest(key="500000") for _ in range(100)]
        async with unread(address, "Get", asked):
            await until(lambda: service.worked == 100 and answers.refused > 50)
            assert 0 < answers.held <= answers.limit / 2
            async with grpc.aio.insecure_channel(address) as channel:
                stub = kv_pb2_grpc.KVServiceStub(channel)
                small = await stub.Get(kv_pb2.GetRequest(key="10"), timeout=PATIENCE)
                large = await stub.Get(kv_pb2.GetRequest(key="500000"), timeout=PATIENCE)
            assert (len(small.value), len(large.value)) == (10, 500_000)
        await until(lambda: answers.held == 0)


async def test_large_requests_are_worked_on_as_far_as_memory_reaches_and_all_have_their_turn() -> None:
    async with serving(64 * MIB) as (service, address):
        request = kv_pb2.BatchSetRequest(writes=[kv_pb2.BatchWrite(key="k", value="v" * MIB)])
        async with grpc.aio.insecure_channel(address) as channel:
            stub = kv_pb2_grpc.KVServiceStub(channel)
            calls = [stub.BatchSet(request, timeout=PATIENCE) for _ in range(30)]
            done = await asyncio.gather(*calls, return_exceptions=True)
        codes = {error.code() for error in done if isinstance(error, grpc.aio.AioRpcError)}
        assert codes <= {grpc.StatusCode.RESOURCE_EXHAUSTED}
        served = sum(isinstance(answer, kv_pb2.BatchSetResponse) for answer in done)
        assert served == service.worked >= 3
        assert 0 < service.peak <= service.memory.requests.limit
        await until(lambda: service.memory.requests.held == service.memory.arrivals.held == 0)


async def test_streams_that_nobody_reads_are_counted_refused_in_words_and_let_go() -> None:
    async with serving(64 * MIB) as (service, address):
        streams = service.memory.streams
        async with unread(address, "Scan", [kv_pb2.ScanRequest() for _ in range(100)]):
            await until(lambda: streams.refused > 0 and streams.held > streams.limit / 3 - STREAM_BYTES * 10)
            assert streams.held <= streams.limit / 2
            async with grpc.aio.insecure_channel(address) as channel:
                scan = kv_pb2_grpc.KVServiceStub(channel).Scan(kv_pb2.ScanRequest())
                assert await asyncio.wait_for(scan.read(), PATIENCE)
                scan.cancel()
        await until(lambda: streams.held == 0)
        streams.hold("somebody", streams.limit // 2)
        streams.hold("else", streams.limit // 4)
        async with grpc.aio.insecure_channel(address) as channel:
            await channel.channel_ready()
            held = [streams.hold(f"more-{n}", streams.limit // (8 << n)) for n in range(4)]
            calls = [kv_pb2_grpc.KVServiceStub(channel).Scan(kv_pb2.ScanRequest()) for _ in range(50)]
            read = await asyncio.gather(*(call.read() for call in calls), return_exceptions=True)
            refused = [error for error in read if isinstance(error, grpc.aio.AioRpcError)]
            assert {error.code() for error in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
            assert "memory for streams is full" in str(refused[0].details())
            for call in calls:
                call.cancel()
            for each in held:
                each.release()


async def test_a_session_that_is_not_read_makes_few_answers_and_later_gives_all() -> None:
    async with serving(1024 * MIB) as (service, address), grpc.aio.insecure_channel(address) as channel:
        answers, call = service.memory.answers, kv_pb2_grpc.KVServiceStub(channel).Session()
        for n in range(40):
            get = kv_pb2.GetRequest(key=str(3 * MIB))
            await asyncio.wait_for(call.write(kv_pb2.SessionRequest(id=n, get=get)), PATIENCE)
        await until(lambda: answers.held > 0)
        await call.done_writing()
        seen = set()
        async with asyncio.timeout(PATIENCE):
            for _ in range(40):
                assert answers.held <= 2 * 20 * MIB
                answer = await call.read()
                assert len(answer.get.value) == 3 * MIB
                seen.add(answer.id)
        assert seen == set(range(40))
        assert service.worked < 80  # what did not fit was made again, not again and again
        await until(lambda: answers.held == 0)


async def test_a_session_that_ends_lets_go_of_what_nobody_read() -> None:
    async with serving(1024 * MIB) as (service, address):
        answers = service.memory.answers
        async with grpc.aio.insecure_channel(address) as channel:
            call = kv_pb2_grpc.KVServiceStub(channel).Session()
            for n in range(10):
                await call.write(kv_pb2.SessionRequest(id=n, get=kv_pb2.GetRequest(key=str(3 * MIB))))
            await until(lambda: answers.held > 0)
            call.cancel()
        await until(lambda: answers.held == service.memory.streams.held == 0)


async def test_calls_whose_answers_nobody_reads_leave_room_for_those_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory_module, "FEW_CALLS", 10)
    async with serving(64 * MIB, most_calls=50) as (service, address):
        calls = service.memory.calls
        async with unread(address, "Get", [kv_pb2.GetRequest(key="10") for _ in range(200)]):
            await until(lambda: calls.counted.refused > 100)
            assert 10 < calls.running <= 10 + 40 / 2
            async with grpc.aio.insecure_channel(address) as channel:
                stub = kv_pb2_grpc.KVServiceStub(channel)
                for _ in range(20):
                    assert (await stub.Get(kv_pb2.GetRequest(key="10"), timeout=PATIENCE)).value
        await until(lambda: calls.running == 0)
