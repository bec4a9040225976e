"""Sessions over real streams: order, bounds, errors, and their ends."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from limedb.errors import OutcomeUnknownError, ValueTooLargeError
from limedb.rpc.server.memory import Memory
from limedb.rpc.server.server import Server
from limedb.rpc.server.session import Limits, SessionHandler
from limedb.wire.status import item_error
from limedbpb.v1 import kv_pb2, kv_pb2_grpc
from tests.rpc.peers import new_memory
from tests.support.ports import free_port

WIDE = Limits(requests=64, items=1000, size=1 << 20)
PATIENCE = 5


class Gated:
    """A service whose Get waits until its key is let through, and echoes it; BatchGet likewise, by its
    first key."""

    service = kv_pb2.DESCRIPTOR.services_by_name["KVService"]

    def __init__(self, limits: Limits, memory: Memory) -> None:
        self.limits, self.memory = limits, memory
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.remaining: list[float | None] = []
        self.counted: list[str] = []
        self.error: Exception | None = None
        self._gates: dict[str, asyncio.Event] = {}
        self._moved = asyncio.Event()

    async def wait(self, holds: Callable[[], bool]) -> None:
        """Return when something holds of what has begun and ended."""
        async with asyncio.timeout(PATIENCE):
            while not holds():
                self._moved.clear()
                await self._moved.wait()

    def gate(self, key: str) -> asyncio.Event:
        return self._gates.setdefault(key, asyncio.Event())

    def Session(self, request: Any, context: Any) -> AsyncGenerator[Any, None]:  # noqa: N802 (the RPC's name)
        methods: dict[str, Callable[[Any, Any], Awaitable[Any]]] = {
            "get": self._get,
            "batch_get": self._batch,
        }
        return SessionHandler(methods, context, self._count, self.memory, self.limits).run(request)

    def _count(self, _method: str, code: str, _seconds: float) -> None:
        self.counted.append(code)

    async def _get(self, request: kv_pb2.GetRequest, context: Any) -> kv_pb2.GetResponse:
        self.remaining.append(context.time_remaining())
        await self._pass(request.key)
        return kv_pb2.GetResponse(value=request.key)

    async def _batch(self, request: kv_pb2.BatchGetRequest, context: Any) -> bytes:
        await self._pass(request.keys[0])
        results = [kv_pb2.BatchGetResult(found=True, value=key) for key in request.keys]
        return kv_pb2.BatchGetResponse(results=results).SerializeToString()

    async def _pass(self, key: str) -> None:
        self.begun.append(key)
        self._moved.set()
        try:
            await self.gate(key).wait()
            if self.error is not None:
                raise self.error
        finally:
            self.ended.append(key)
            self._moved.set()

    async def Get(self, request: kv_pb2.GetRequest, context: Any) -> kv_pb2.GetResponse:  # noqa: N802
        return kv_pb2.GetResponse(value="at once")

    def __getattr__(self, _name: str) -> Any:
        return None


class Talk:
    """A client's side of a session."""

    def __init__(self, service: Gated, server: Server, channel: grpc.aio.Channel) -> None:
        self.service, self.server, self.channel = service, server, channel
        self.stub = kv_pb2_grpc.KVServiceStub(channel)
        self.call: Any = self.stub.Session()

    async def get(self, number: int, key: str, timeout_ms: int = 0) -> None:
        get = kv_pb2.GetRequest(key=key)
        await self.call.write(kv_pb2.SessionRequest(id=number, get=get, timeout_ms=timeout_ms))

    async def batch(self, number: int, *keys: str) -> None:
        await self.call.write(kv_pb2.SessionRequest(id=number, batch_get=kv_pb2.BatchGetRequest(keys=keys)))

    async def answer(self) -> kv_pb2.SessionResponse:
        async with asyncio.timeout(PATIENCE):
            answer = await self.call.read()
        assert isinstance(answer, kv_pb2.SessionResponse), answer
        return answer

    async def wait_begun(self, count: int) -> None:
        await self.service.wait(lambda: len(self.service.begun) == count)

    async def all_has_arrived(self) -> None:
        """What was sent before on the connection is at the server, and it had its turns."""
        for _ in range(3):
            await self.stub.Get(kv_pb2.GetRequest(key="k"), timeout=PATIENCE)

    async def all_is_refused(self) -> None:
        """The server is stopping: new calls fail."""
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await self.stub.Get(kv_pb2.GetRequest(key="k"), timeout=PATIENCE)
                except grpc.aio.AioRpcError:
                    return

    async def end(self) -> grpc.aio.AioRpcError:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await asyncio.wait_for(self.call.read(), PATIENCE)
        return caught.value


@asynccontextmanager
async def talking(limits: Limits = WIDE, memory: Memory | None = None) -> AsyncIterator[Talk]:
    memory = memory or new_memory()
    service, server = Gated(limits, memory), Server(memory)
    server.add(service)
    with free_port() as port:
        await server.start([f"127.0.0.1:{port}"])
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            talk = Talk(service, server, channel)
            yield talk
            talk.call.cancel()
        await server.stop(0.1)


async def test_answers_come_as_they_are_ready_and_bear_their_number() -> None:
    async with talking() as talk:
        await talk.get(1, "slow")
        await talk.get(2, "quick")
        talk.service.gate("quick").set()
        first = await talk.answer()
        talk.service.gate("slow").set()
        second = await talk.answer()
        assert [(a.id, a.get.value) for a in (first, second)] == [(2, "quick"), (1, "slow")]
        assert talk.service.counted == ["OK", "OK"]


async def test_a_batch_is_answered_in_its_order() -> None:
    async with talking() as talk:
        talk.service.gate("a").set()
        await talk.batch(7, "a", "b", "c")
        answer = await talk.answer()
        assert (answer.id, [r.value for r in answer.batch_get.results]) == (7, ["a", "b", "c"])


async def test_who_half_closes_gets_all_answers() -> None:
    async with talking() as talk:
        for number in range(10):
            await talk.get(number, f"k{number}")
        await talk.call.done_writing()
        await talk.wait_begun(10)
        for number in reversed(range(10)):
            talk.service.gate(f"k{number}").set()
        answers = {(await talk.answer()).id for _ in range(10)}
        assert answers == set(range(10))
        assert await talk.call.read() is grpc.aio.EOF
        assert await talk.call.code() is grpc.StatusCode.OK


@pytest.mark.parametrize(
    ("limits", "more"),
    [
        (Limits(requests=2, items=1000, size=1 << 20), ["c"]),
        (Limits(requests=64, items=3, size=1 << 20), ["c", "d"]),
        (Limits(requests=64, items=1000, size=100), ["c" * 90]),
    ],
    ids=["requests", "items", "size"],
)
async def test_beyond_a_bound_nothing_more_is_begun_until_an_answer_is_taken(
    limits: Limits, more: list[str]
) -> None:
    async with talking(limits) as talk:
        await talk.get(1, "a")
        await talk.get(2, "b")
        await talk.batch(3, *more)
        await talk.wait_begun(2)
        await talk.all_has_arrived()
        assert talk.service.begun == ["a", "b"]
        for key in ("a", "b", more[0]):
            talk.service.gate(key).set()
        assert {(await talk.answer()).id for _ in range(3)} == {1, 2, 3}


async def test_one_request_over_all_bounds_is_worked_on_alone() -> None:
    async with talking(Limits(requests=1, items=1, size=1)) as talk:
        talk.service.gate("a").set()
        await talk.batch(1, "a", "b", "c")
        assert len((await talk.answer()).batch_get.results) == 3


async def test_an_error_is_its_requests_own_and_keeps_class_and_facts() -> None:
    async with talking() as talk:
        talk.service.error = OutcomeUnknownError("k", 2, 1, {"http://a:1": "gone"})
        talk.service.gate("k").set()
        await talk.get(5, "k")
        answer = await talk.answer()
        assert (answer.id, answer.error.code) == (5, grpc.StatusCode.UNAVAILABLE.value[0])
        error = item_error("here", answer.error, answer.failure)
        assert isinstance(error, OutcomeUnknownError)
        assert (error.key, error.needed, error.acked, error.missing) == ("k", 2, 1, {"http://a:1": "gone"})
        assert str(error) == str(talk.service.error)
        talk.service.error = None
        await talk.get(6, "k")
        assert (await talk.answer()).get.value == "k"
        assert talk.service.counted == ["UNAVAILABLE", "OK"]


async def test_numbers_stay_numbers_among_the_facts() -> None:
    async with talking() as talk:
        talk.service.error = ValueTooLargeError("k", 2 << 20, 1 << 20)
        talk.service.gate("k").set()
        await talk.get(1, "k")
        answer = await talk.answer()
        error = item_error("here", answer.error, answer.failure)
        assert isinstance(error, ValueTooLargeError)
        assert (error.size, error.limit) == (2 << 20, 1 << 20)
        assert isinstance(error.size, int)


async def test_a_bug_reports_its_id_and_the_session_continues() -> None:
    async with talking() as talk:
        talk.service.error = ZeroDivisionError("secret")
        talk.service.gate("k").set()
        await talk.get(1, "k")
        answer = await talk.answer()
        assert answer.error.code == grpc.StatusCode.INTERNAL.value[0]
        assert "secret" not in answer.error.message
        assert answer.failure.kind == "InternalError"


async def test_a_request_for_nothing_is_refused() -> None:
    async with talking() as talk:
        await talk.call.write(kv_pb2.SessionRequest(id=3))
        answer = await talk.answer()
        assert (answer.id, answer.failure.kind) == (3, "InvalidRequestError")


async def test_a_requests_own_timeout_is_its_deadline() -> None:
    async with talking() as talk:
        for key in ("a", "b"):
            talk.service.gate(key).set()
        await talk.get(1, "a", timeout_ms=1500)
        await talk.get(2, "b")
        await talk.answer()
        await talk.answer()
        assert talk.service.remaining == [1.5, None]


async def test_nothing_runs_on_when_the_client_goes_away() -> None:
    async with talking() as talk:
        await talk.get(1, "a")
        await talk.get(2, "b")
        await talk.wait_begun(2)
        talk.call.cancel()
        await talk.service.wait(lambda: len(talk.service.ended) == 2)
        assert sorted(talk.service.ended) == ["a", "b"]


async def test_a_stop_answers_what_was_begun_and_says_that_nothing_else_was() -> None:
    async with talking() as talk:
        await talk.get(1, "a")
        await talk.wait_begun(1)
        stopping = asyncio.create_task(talk.server.stop(PATIENCE))
        await talk.all_is_refused()
        talk.service.gate("a").set()
        assert (await talk.answer()).id == 1
        ended = await talk.end()
        await stopping
        assert ended.code() is grpc.StatusCode.UNAVAILABLE
        assert ("limedb-error", "UnavailableError") in list(ended.trailing_metadata() or ())
        assert talk.service.begun == ["a"]


async def test_bytes_that_are_no_request_end_the_session_after_what_was_before() -> None:
    async with talking() as talk:
        call: Any = talk.channel.stream_stream("/limedb.v1.KVService/Session")()
        get = kv_pb2.SessionRequest(id=1, get=kv_pb2.GetRequest(key="a"))
        await call.write(get.SerializeToString())
        await call.write(b"\xff")
        await talk.wait_begun(1)
        talk.service.gate("a").set()
        assert kv_pb2.SessionResponse.FromString(await call.read()).get.value == "a"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
