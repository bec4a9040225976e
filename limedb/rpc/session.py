"""Sessions: many requests over one stream, each answered as soon as its answer is there.

It owns what a session has unanswered, and how an answer is put together; a request is carried out as a call
of its own would be. It must never know what a request asks. At its end, however it came, nothing runs on.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from time import perf_counter
from typing import Any, NamedTuple, cast

from google.protobuf.message import Message
from google.rpc import status_pb2

from limedb.errors import InvalidRequestError, LimeDBError
from limedb.rpc.answers import serialized
from limedb.rpc.failures import failure_of
from limedb.rpc.server import Context
from limedb.rpc.status import code_of, number_of, status_of
from limedb.storage.wire import varint
from limedbpb.v1 import kv_pb2

METHOD = "KVService/Session"
"""What a request of a session is counted under."""

Method = Callable[[Any, Context], Awaitable[Message | bytes]]
"""A unary method of the servicer."""

Recorder = Callable[[str, str, float], None]
"""Counts a finished request: its method, its code's name, its duration in seconds."""


class Limits(NamedTuple):
    """What one session may have unanswered. items: keys read or written; size: bytes, of requests that are
    worked on and of answers that the client has not taken. One request is worked on, whatever it holds.
    """

    requests: int
    items: int
    size: int


LIMITS = Limits(requests=64, items=20_000, size=16 << 20)
"""What clients have: batches of hundreds keep a core busy long before these bounds."""


class _Turn:
    """The context of one request: when its client gives up."""

    def __init__(self, context: Context, timeout_ms: int) -> None:
        self._context, self._timeout = context, timeout_ms / 1000 if timeout_ms else None

    def time_remaining(self) -> float | None:
        """Seconds that the client waits; None: it said nothing."""
        whole = self._context.time_remaining()
        return whole if self._timeout is None else min(self._timeout, whole or self._timeout)


class _Answer(NamedTuple):
    data: bytes
    items: int
    size: int


class Session:
    """One session. methods: by the name of the operation in a request."""

    def __init__(
        self, methods: dict[str, Method], context: Context, record: Recorder, limits: Limits = LIMITS
    ) -> None:
        self._methods, self._context, self._record, self._limits = methods, context, record, limits
        self._requests = self._items = self._size = 0
        self._answers: deque[_Answer] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._change = asyncio.Event()
        self._room = asyncio.Event()

    async def run(
        self, requests: AsyncIterator[kv_pb2.SessionRequest]
    ) -> AsyncGenerator[kv_pb2.SessionResponse | bytes, None]:
        """Answer all requests. What their iterator raises is raised once those before it are answered."""
        reading = asyncio.create_task(self._read(requests))
        reading.add_done_callback(lambda _: self._change.set())
        try:
            while await self._wait_answer(reading):
                answer = self._answers.popleft()
                yield answer.data
                self._leave(answer)
            reading.result()
        finally:
            await _end({reading, *self._tasks})

    async def _wait_answer(self, reading: "asyncio.Task[None]") -> bool:
        """Whether there is an answer to give; False: there will be none."""
        while not self._answers:
            if reading.done() and not self._tasks:
                return False
            self._change.clear()
            await self._change.wait()
        return True

    async def _read(self, requests: AsyncIterator[kv_pb2.SessionRequest]) -> None:
        async for request in requests:
            size, items = request.ByteSize(), _items(request)
            while not self._has_room(items, size):
                self._room.clear()
                await self._room.wait()
            self._requests, self._items, self._size = (
                self._requests + 1,
                self._items + items,
                self._size + size,
            )
            task = asyncio.create_task(self._answer(request, items, size))
            self._tasks.add(task)
            task.add_done_callback(self._finished)

    def _has_room(self, items: int, size: int) -> bool:
        limits = self._limits
        return not self._requests or (
            self._requests < limits.requests
            and self._items + items <= limits.items
            and self._size + size <= limits.size
        )

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._change.set()

    def _leave(self, answer: _Answer) -> None:
        self._requests -= 1
        self._items -= answer.items
        self._size -= answer.size
        self._room.set()

    async def _answer(self, request: kv_pb2.SessionRequest, items: int, size: int) -> None:
        started, code = perf_counter(), "OK"
        try:
            data = await self._outcome(request)
        except Exception as error:
            code = code_of(error).name
            data = _refusal(request.id, error)
        self._record(METHOD, code, perf_counter() - started)
        self._size += len(data)
        self._answers.append(_Answer(data, items, size + len(data)))

    async def _outcome(self, request: kv_pb2.SessionRequest) -> bytes:
        operation = request.WhichOneof("operation")
        if operation is None:
            raise InvalidRequestError(f"request {request.id} of the session asks for no operation")
        turn = cast("Context", _Turn(self._context, request.timeout_ms))
        answer = await self._methods[operation](getattr(request, operation), turn)
        return _framed(request.id, operation, answer)


def _items(request: kv_pb2.SessionRequest) -> int:
    operation = request.WhichOneof("operation")
    if operation == "batch_get":
        return len(request.batch_get.keys)
    return len(request.batch_set.writes) if operation == "batch_set" else 1


def _framed(number: int, operation: str, answer: Message | bytes) -> bytes:
    """A SessionResponse around an answer, whose bytes are joined and not built again."""
    data = serialized(answer)
    return b"".join((b"\x08", varint(number), _TAGS[operation], varint(len(data)), data))


def _refusal(number: int, error: Exception) -> bytes:
    code, text = status_of(error, METHOD)
    known = failure_of(error) if isinstance(error, LimeDBError) else kv_pb2.Failure(kind="InternalError")
    status = status_pb2.Status(code=number_of(code), message=text)
    return kv_pb2.SessionResponse(id=number, error=status, failure=known).SerializeToString()


async def _end(tasks: "set[asyncio.Task[None]]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


_OUTCOMES = kv_pb2.SessionResponse.DESCRIPTOR.fields_by_name
_TAGS = {
    name: varint(_OUTCOMES[name].number << 3 | 2)
    for name in ("batch_get", "batch_set", "get", "set", "delete")
}
"""What stands before an outcome in a SessionResponse: the number of its field, and that bytes follow."""
