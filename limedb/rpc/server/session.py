"""Sessions: many requests over one stream, each answered as soon as its answer is there.

It owns what a session has unanswered, and how an answer is put together; a request is carried out as a call
of its own would be. It must never know what a request asks. At its end, however it came, nothing runs on.

A read is begun when there is room for its answer, which is expected to be as large as those before it. Where
it turns out to be too large for what is left, it is dropped, and read again when the client has taken enough.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from time import perf_counter
from typing import Any, NamedTuple, cast

from google.protobuf.message import Message

from limedb.encoding.varint import varint
from limedb.errors import InvalidRequestError
from limedb.rpc.server.answers import serialized
from limedb.rpc.server.memory import ANSWER_COPIES, COPIES, ROOM_SECONDS, SMALL, Held, Memory, holder_of
from limedb.rpc.server.server import Context
from limedb.wire.old_errors import failure_of
from limedb.wire.status import code_of, status_of
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


READS = frozenset({"get", "batch_get"})
"""What can be carried out again."""
FADING = 0.9
"""What is expected of an answer falls to so much of itself with each that is smaller."""


class _Turn:
    """The context of one request: when its client gives up, and who that is."""

    def __init__(self, context: Context, timeout_ms: int) -> None:
        self._context, self._timeout = context, timeout_ms / 1000 if timeout_ms else None

    def time_remaining(self) -> float | None:
        """Seconds that the client waits; None: it said nothing."""
        whole = self._context.time_remaining()
        return whole if self._timeout is None else min(self._timeout, whole or self._timeout)

    def peer(self) -> str:
        """The address of the client."""
        return self._context.peer()

    def invocation_metadata(self) -> object:
        """The headers of the session."""
        return self._context.invocation_metadata()


class _Answer(NamedTuple):
    """data: unread until it is written. items, size: of its request. held: of the node's memory."""

    data: bytes
    items: int
    size: int
    held: Held | None


class SessionHandler:
    """One session. methods: by the name of the operation in a request. memory: where what is large counts."""

    def __init__(
        self,
        methods: dict[str, Method],
        context: Context,
        record: Recorder,
        memory: Memory,
        limits: Limits = LIMITS,
    ) -> None:
        self._methods, self._context, self._record, self._limits = methods, context, record, limits
        self._memory, self._holder = memory, holder_of(context)
        self._requests = self._items = self._size = 0
        self._unread = self._reading = self._expected = 0
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
                yield self._answers[0].data
                self._leave(self._answers.popleft())
            reading.result()
        finally:
            try:
                await _end({reading, *self._tasks})
            finally:  # the wait may be cancelled, too
                for answer in self._answers:
                    self._leave(answer)

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
        self._unread -= len(answer.data)
        if answer.held is not None:
            answer.held.release()
        self._room.set()

    async def _answer(self, request: kv_pb2.SessionRequest, items: int, size: int) -> None:
        started, code, held = perf_counter(), "OK", None
        try:
            data = await (self._carried_out(request) if size <= SMALL else self._in_room(request, size))
            if len(data) > SMALL:
                answers = self._memory.answers
                hold = answers.hold if _is_read(request) else answers.force  # what was written is told
                held = hold(self._holder, ANSWER_COPIES * len(data))
        except Exception as error:
            code = code_of(error).name
            data = _refusal(request.id, error)
        self._record(METHOD, code, perf_counter() - started)
        self._size += len(data)
        self._unread += len(data)
        self._answers.append(_Answer(data, items, size + len(data), held))

    async def _in_room(self, request: kv_pb2.SessionRequest, size: int) -> bytes:
        """A large request, carried out when there is room for it. OverloadedError: there is none."""
        with await self._memory.requests.wait(self._holder, COPIES * size, ROOM_SECONDS):
            return await self._carried_out(request)

    async def _carried_out(self, request: kv_pb2.SessionRequest) -> bytes:
        return await (self._read_outcome if _is_read(request) else self._outcome)(request)

    async def _read_outcome(self, request: kv_pb2.SessionRequest) -> bytes:
        """The answer to a read, made when there is room for it. OverloadedError: the node has none."""
        await self._wait_room(self._expected)
        while True:
            self._reading += 1
            try:
                data = await self._outcome(request)
            finally:
                self._reading -= 1
            self._expected = max(len(data), int(FADING * self._expected))
            if self._fits(len(data)):
                return data
            size = len(data)
            del data  # while it waits, nothing is held
            await self._wait_room(size)

    async def _wait_room(self, size: int) -> None:
        if size > SMALL:
            self._memory.answers.check(self._holder, ANSWER_COPIES * size)
        while not self._fits(size):
            self._room.clear()
            await self._room.wait()

    def _fits(self, size: int) -> bool:
        """Whether an answer may be made, beside those that are unread and those that are being made. Of what
        nobody holds up, one is.
        """
        ahead = self._unread + self._reading * self._expected
        return size <= SMALL or not ahead or ahead + size <= self._limits.size

    async def _outcome(self, request: kv_pb2.SessionRequest) -> bytes:
        operation = request.WhichOneof("operation")
        if operation is None:
            raise InvalidRequestError(f"request {request.id} of the session asks for no operation")
        turn = cast("Context", _Turn(self._context, request.timeout_ms))
        answer = await self._methods[operation](getattr(request, operation), turn)
        return _framed(request.id, operation, answer)


def _is_read(request: kv_pb2.SessionRequest) -> bool:
    return request.WhichOneof("operation") in READS


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
    status = status_of(error, METHOD)
    return kv_pb2.SessionResponse(id=number, error=status, failure=failure_of(error)).SerializeToString()


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
