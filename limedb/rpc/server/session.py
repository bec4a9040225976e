"""Sessions: many requests over one stream, each answered as soon as its answer is ready.

It owns the unanswered requests of a session, and how an answer is put together; it carries out a request like
a separate call. It must never know the content of a request. After a session's end, however it came, nothing
of it runs.

A read begins when there is room for its answer, which is expected to be as large as the ones before. An
answer that turns out to be too large for the room is dropped, and read again when the client has taken
enough.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from time import perf_counter
from typing import Any, NamedTuple, cast

from google.protobuf.message import Message

from limedb.aio.stages import begin_stages
from limedb.encoding.varint import varint
from limedb.errors import InvalidRequestError
from limedb.rpc.server.answers import serialized
from limedb.rpc.server.behaviour import Context
from limedb.rpc.server.limits import items_of
from limedb.rpc.server.memory import ANSWER_COPIES, COPIES, ROOM_SECONDS, SMALL_BYTES, Held, Memory
from limedb.wire.old_errors import failure_of
from limedb.wire.status import code_of, status_of
from limedbpb.v1 import kv_pb2

METHOD = "KVService/Session"
_METHODS = {
    field.name: f"{METHOD} ({field.name})"
    for field in kv_pb2.SessionRequest.DESCRIPTOR.oneofs_by_name["operation"].fields
}
"""The names under which a session's requests are counted, by their operations; one of none has METHOD's."""

Method = Callable[[Any, Context], Awaitable[Message | bytes]]
"""A unary method of the servicer."""

Recorder = Callable[[str, str, float], None]
"""Counts a finished request: its method, its code's name, its duration in seconds."""


class Limits(NamedTuple):
    """The limits of one session's unanswered requests."""

    requests: int
    items: int
    """Keys read or written."""
    size: int
    """Bytes of requests being processed and of answers that the client has not taken. A single request is
    always processed, whatever its size.
    """


LIMITS = Limits(requests=64, items=20_000, size=16 << 20)
"""The limits for clients: batches of hundreds keep a core busy long before these bounds."""


READS = frozenset({"get", "batch_get"})
"""Operations that can be repeated."""
FADING = 0.9
"""The factor by which the expected size of an answer shrinks with each smaller one."""


class _Turn:
    """The context of one request: its deadline and its client."""

    def __init__(self, context: Context, timeout_ms: int) -> None:
        self._context, self._timeout = context, timeout_ms / 1000 if timeout_ms else None

    def time_remaining(self) -> float | None:
        """Seconds that the client waits; None: it set no limit."""
        whole = self._context.time_remaining()
        return whole if self._timeout is None else min(self._timeout, whole or self._timeout)

    def peer(self) -> str:
        """The address of the client."""
        return self._context.peer()

    def invocation_metadata(self) -> Iterable[tuple[str, str | bytes]] | None:
        """The headers of the session."""
        return self._context.invocation_metadata()


class _Answer(NamedTuple):
    """An answer."""

    data: bytes
    """Unread until it is written."""
    items: int
    """Keys of the request."""
    size: int
    """Bytes of request and answer."""
    held: Held | None
    """The node's memory for it."""


class SessionHandler:
    """One session. methods: by the name of the operation in a request. memory: counts large requests and
    answers. check: raises the refusal of requests that are not meant for this node's cluster any longer.
    """

    def __init__(
        self,
        methods: dict[str, Method],
        context: Context,
        record: Recorder,
        memory: Memory,
        limits: Limits = LIMITS,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._check = check
        self._methods, self._context, self._record, self._limits = methods, context, record, limits
        self._memory, self._holder = memory, memory.clients.of(context)
        self._requests = self._items = self._size = 0
        self._unread = self._reading = self._expected = 0
        self._answers: deque[_Answer] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._change = asyncio.Event()
        self._room = asyncio.Event()

    async def run(
        self, requests: AsyncIterator[kv_pb2.SessionRequest]
    ) -> AsyncGenerator[kv_pb2.SessionResponse | bytes, None]:
        """Answer all requests. An error of their iterator is raised once the earlier requests are
        answered.
        """
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
        """Wait for an answer; False: there will be none."""
        while not self._answers:
            if reading.done() and not self._tasks:
                return False
            self._change.clear()
            await self._change.wait()
        return True

    async def _read(self, requests: AsyncIterator[kv_pb2.SessionRequest]) -> None:
        async for request in requests:
            self._check()  # a refusal ends the session: this request has no answer, and later ones have none
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
        operation = request.WhichOneof("operation") or ""
        begin_stages(operation)
        try:
            data = await (self._carried_out(request) if size <= SMALL_BYTES else self._in_room(request, size))
            if len(data) > SMALL_BYTES:
                answers = self._memory.answers
                hold = (
                    answers.hold if _is_read(request) else answers.force
                )  # a write's answer must not be refused
                held = hold(self._holder, ANSWER_COPIES * len(data))
        except Exception as error:
            code = code_of(error).name
            data = _refusal(request.id, error)
        self._record(_METHODS.get(operation, METHOD), code, perf_counter() - started)
        self._size += len(data)
        self._unread += len(data)
        self._answers.append(_Answer(data, items, size + len(data), held))

    async def _in_room(self, request: kv_pb2.SessionRequest, size: int) -> bytes:
        """Carry out a large request when there is room for it. OverloadedError: there is none."""
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
            del data  # hold nothing while waiting
            await self._wait_room(size)

    async def _wait_room(self, size: int) -> None:
        if size > SMALL_BYTES:
            self._memory.answers.check(self._holder, ANSWER_COPIES * size)
        while not self._fits(size):
            self._room.clear()
            await self._room.wait()

    def _fits(self, size: int) -> bool:
        """Whether an answer may be made, in addition to the unread ones and those being made. If there are
        none of these, it may.
        """
        ahead = self._unread + self._reading * self._expected
        return size <= SMALL_BYTES or not ahead or ahead + size <= self._limits.size

    async def _outcome(self, request: kv_pb2.SessionRequest) -> bytes:
        self._check()  # once more: the request may have waited for memory
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
    return 1 if operation is None else items_of(getattr(request, operation))


def _framed(number: int, operation: str, answer: Message | bytes) -> bytes:
    """A SessionResponse around an answer, whose bytes are joined, not rebuilt."""
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
    for name in (
        "batch_get",
        "batch_set",
        "get",
        "set",
        "delete",
        "increment",
        "append",
        "get_and_set",
        "get_and_delete",
        "txn",
        "grant_lease",
        "renew_lease",
        "revoke_lease",
        "lease_time_to_live",
    )
}
"""The bytes before an outcome in a SessionResponse: the number of its field, and the wire type."""
