"""The answering side of the stream between peers (proto: ReplicaService.Carry).

It owns the questions of one stream that are being processed. It must never decide an answer: the replica
does. Questions that can be answered at once are; every other one is a separate task, so that nothing waits
for a slow one. Answers that are ready in the same turn of the event loop go out as one frame.

When the stream breaks, running tasks are cancelled; a write that has begun is still completed
(`LocalReplica`). When the node stops, it reads no more questions, completes and answers the running ones, and
closes the stream.

Tested in tests/rpc/peer/test_stream.py.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol

from limedb.core.record import Record
from limedb.core.topology import Fence
from limedb.encoding.batch import all_received
from limedb.encoding.record import encode
from limedb.errors import (
    LimeDBError,
    OverloadedError,
    RecordDamagedError,
    RequestTimeoutError,
    ResponseTooLargeError,
    StaleEpochError,
)
from limedb.ports import Applied, Clock, Held, Promised
from limedb.rpc.server.memory import PEER_COPIES, ROOM_SECONDS, SMALL_BYTES, Share
from limedb.wire import frames
from limedb.wire.old_errors import facts_of, kind_of
from limedb.wire.replica import promise_response
from limedb.wire.status import status_of
from limedb.wire.topology import fence_from
from limedbpb.v1 import replica_pb2

METHOD = "ReplicaService/Carry"

FRAME_BYTES = 1 << 20
"""Bytes after which a frame ends."""
MAX_READY_BYTES = 16 << 20
"""Bytes of answers that may wait to be sent; no more questions are read until the peer has taken some."""
MAX_RUNNING = 2048
"""Questions of one stream that may be processed at a time; no more are started until some are done. A peer
asks at most half as many.
"""
MAX_ANSWER_BYTES = 63 << 20
"""Bytes of one answer. A frame larger than the peer accepts would end the stream."""

Work = Callable[[], Awaitable[bytes]]
"""The work on a question; it begins when it is called, which a stream that ends at once never does."""


class Own(Protocol):
    """The part of the node's own replica that a stream uses; see `replication.replica.LocalReplica`."""

    def read_stored(
        self, keys: Sequence[str], fence: Fence, most: int | None = None
    ) -> list[bytes | RecordDamagedError | None] | None:
        """The stored bytes of keys, at once; None: the store can't, or they may be too large together."""

    def compare_stored(self, keys: Sequence[str], sums: bytes, fence: Fence) -> list[int] | None:
        """As ports.Replica.compare, at once; None: the store can't, so that the peer gets the records."""

    async def read(
        self, keys: Sequence[str], fence: Fence, deadline: float, most: int | None = None
    ) -> list[Held]:
        """As ports.Replica.read."""

    async def apply(
        self, records: Sequence[Record], fence: Fence, deadline: float, copied: bool = False
    ) -> Sequence[Applied]:
        """As ports.Replica.apply."""

    async def promise(self, key: str, ballot: int, fence: Fence, deadline: float) -> Promised:
        """As ports.Replica.promise."""

    async def release(self, key: str, ballot: int, fence: Fence, deadline: float) -> None:
        """As ports.Replica.release."""


class StreamResponder:
    """Answers one stream. memory: counts its large questions and answers, for the peer `holder`."""

    def __init__(self, own: Own, clock: Clock, memory: Share, holder: str) -> None:
        self._own, self._clock = own, clock
        self._memory, self._holder = memory, holder
        self._has_ended = False
        self._held = memory.hold(holder, 0)  # answers that the peer hasn't taken
        self._loop = asyncio.get_running_loop()
        self._ready: list[bytes] = []
        self._ready_bytes = 0
        self._running: set[asyncio.Task[None]] = set()
        self._idle: asyncio.Future[None] | None = None  # the sender's, while it has nothing to send
        self._has_room = asyncio.Event()
        self._has_room.set()

    async def answer(self, requests: AsyncIterator[replica_pb2.CarryRequest]) -> AsyncGenerator[bytes, None]:
        """Frames of answers to frames of questions, until the peer ends its side. UnavailableError: the
        server stops, and has answered all questions that it read.
        """
        reading = self._loop.create_task(self._read(requests))
        reading.add_done_callback(self._nudge)
        try:
            while self._ready or self._running or not reading.done():
                if self._ready:
                    yield self._next_frame()
                else:
                    self._held.resize(
                        0
                    )  # the peer took everything; otherwise an idle stream would hold bytes forever
                    self._idle = self._loop.create_future()
                    await self._idle
            reading.result()
        finally:
            ending = [reading, *self._running]
            for task in ending:
                task.cancel()
            self._has_ended = True
            self._held.release()
            await asyncio.gather(*ending, return_exceptions=True)

    async def _read(self, requests: AsyncIterator[replica_pb2.CarryRequest]) -> None:
        async for request in requests:
            for question in request.questions:
                while self._ready_bytes > MAX_READY_BYTES or len(self._running) >= MAX_RUNNING:
                    self._has_room.clear()
                    await self._has_room.wait()
                self._begin(question)

    def _begin(self, question: replica_pb2.Question) -> None:
        """Start on a question; reads that the store answers at once are done when this returns."""
        try:
            if not question.timeout_ms:
                raise RequestTimeoutError(0, "the caller, which waits no longer")
            fence = fence_from(question.fence)
            deadline = self._clock.monotonic() + question.timeout_ms / 1000
            if question.records:
                records = all_received(question.records)
                applying = partial(self._apply, records, fence, deadline, question)
                size = question.ByteSize()
                is_small = size <= SMALL_BYTES
                self._start(question.number, applying if is_small else partial(self._in_room, applying, size))
                return
            if (work := self.about_promises(question, fence, deadline)) is not None:
                self._start(question.number, work)
                return
            if question.sums:
                places = self._own.compare_stored(question.keys, question.sums, fence)
                if places is not None:
                    self._put(question.number, frames.compare_answer(places))
                    return
            most = question.most_bytes or None
            found = self._own.read_stored(question.keys, fence, most)
            if found is None:
                work = partial(self._read_slowly, question.keys, fence, deadline, most)
                self._start(question.number, work)
                return
            body = frames.read_answer(found)
        except Exception as error:  # each becomes an answer
            body = _refusal(error)
        self._put(question.number, body)

    def _start(self, number: int, work: Work) -> None:
        task = self._loop.create_task(self._finish(number, work))
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        if self._ready_bytes <= MAX_READY_BYTES:
            self._has_room.set()

    async def _in_room(self, work: Work, size: int) -> bytes:
        """Process a large question when there is room for it. OverloadedError: there is none."""
        with await self._memory.wait(self._holder, PEER_COPIES * size, ROOM_SECONDS):
            return await work()

    async def _finish(self, number: int, work: Work) -> None:
        try:
            body = await work()
        except Exception as error:
            body = _refusal(error)
        self._put(number, body)

    async def _apply(
        self, records: Sequence[Record], fence: Fence, deadline: float, question: replica_pb2.Question
    ) -> bytes:
        applied = await self._own.apply(records, fence, deadline, question.copied)
        return frames.columns_answer(applied) if question.in_columns else frames.apply_answer(applied)

    def about_promises(self, question: replica_pb2.Question, fence: Fence, deadline: float) -> Work | None:
        """The work on a question about a promise; None: it is another question."""
        if question.HasField("promise"):
            return partial(self._promise, question.promise, fence, deadline)
        is_release = question.HasField("release")
        return partial(self._release, question.release, fence, deadline) if is_release else None

    async def _promise(self, asked: replica_pb2.PromiseRequest, fence: Fence, deadline: float) -> bytes:
        promised = await self._own.promise(asked.key, asked.ballot, fence, deadline)
        return frames.promise_answer(promise_response(promised))

    async def _release(self, asked: replica_pb2.ReleaseRequest, fence: Fence, deadline: float) -> bytes:
        await self._own.release(asked.key, asked.ballot, fence, deadline)
        return frames.release_answer()

    async def _read_slowly(
        self, keys: Sequence[str], fence: Fence, deadline: float, most: int | None
    ) -> bytes:
        seconds = deadline - self._clock.monotonic()
        try:
            async with asyncio.timeout(seconds):
                found = await self._own.read(keys, fence, deadline, most)
        except TimeoutError:
            raise RequestTimeoutError(seconds, "the store") from None
        return frames.read_answer(encode(held) if isinstance(held, Record) else held for held in found)

    # --- out

    def _put(self, number: int, body: bytes) -> None:
        if len(body) > MAX_ANSWER_BYTES:
            body = _refusal(_too_large(len(body)))
        if len(body) > SMALL_BYTES and not self._has_ended:
            body = self._counted(body)
        self._ready.append(frames.answer(number, body))
        self._ready_bytes += len(body)
        self._nudge()

    def _counted(self, body: bytes) -> bytes:
        """A large answer, or a refusal if there is no room for it."""
        try:
            self._held.resize(self._held.amount + len(body))
        except OverloadedError as error:
            return _refusal(error)
        return body

    def _nudge(self, _task: object = None) -> None:
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def _next_frame(self) -> bytes:
        size = count = 0
        while count < len(self._ready) and size < FRAME_BYTES:
            size += len(self._ready[count])
            count += 1
        frame = b"".join(self._ready[:count])
        del self._ready[:count]
        if not self._ready:
            self._ready_bytes = 0
            self._has_room.set()
            self._held.resize(min(self._held.amount, len(frame)))
        return frame


def _refusal(error: Exception) -> bytes:
    """The bytes that a question gets instead of its answer."""
    if isinstance(error, StaleEpochError):
        return frames.newer_answer(error.topology)
    return frames.refusal_answer(status_of(error, METHOD), kind_of(error), facts_of(error))


def _too_large(size: int) -> LimeDBError:
    return ResponseTooLargeError(size, MAX_ANSWER_BYTES, "ask for fewer keys at once")
