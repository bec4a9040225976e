"""One stream to a peer: the questions of one turn of the event loop travel as one frame, and so do the
answers.

It owns the questions on their way: the queue, the bounds, the deadlines, and their failure when the stream
breaks. It must never know the content of a question (`frames.py` writes the bodies), nor retry anything.

A question waits for no other: answers come in the order in which they are ready. Questions beyond the bounds
wait in order, and fail at their deadlines.

While nothing was heard since the last frame, new questions gather for the next one, for at most
LINGER_SECONDS: a frame costs both sides more than many questions, and a busy peer processes them no sooner
one by one. A lone question never waits. Source: Nagle 1984, RFC 896.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from itertools import chain
from typing import Any

import grpc

from limedb.aio.batch_window import BatchWindow
from limedb.aio.running_time import TIMER_SLACK_SECONDS
from limedb.errors import LimeDBError, MalformedRequestError, ReplicaUnreachableError, RequestTimeoutError
from limedb.ports import Clock
from limedb.rpc.peer.watchdog import Watchdog
from limedb.wire.frames import HEAD_SIZE, answers_of, question
from limedb.wire.status import peer_error
from limedbpb.v1 import replica_pb2

log = logging.getLogger(__name__)

Call = grpc.aio.StreamStreamCall[Any, Any]

MAX_QUESTIONS = 1024
"""Questions that may be unanswered at a time; one more waits."""
MAX_BYTES = 16 << 20
"""Bytes of questions that may be unanswered at a time. One question alone may be larger."""
FRAME_BYTES = 1 << 20
"""Bytes after which a frame ends, so that small questions don't wait long for large ones."""
LINGER_SECONDS = 0.005
"""Seconds that a question may wait for an answer to earlier ones, so that more questions share its frame."""


class PendingCall:
    """A question on its way. answer: its answer, or ReplicaUnreachableError or RequestTimeoutError. timeout:
    its time limit in seconds; deadline: the end of it, by the clock. is_sent: it may have reached the peer.
    """

    __slots__ = ("answer", "body", "deadline", "is_sent", "timeout")

    def __init__(
        self, body: bytes, timeout: float, deadline: float, answer: "asyncio.Future[replica_pb2.Answer]"
    ) -> None:
        self.body, self.timeout, self.deadline, self.answer = body, timeout, deadline, answer
        self.is_sent = False


class PeerStream:
    """A stream from its start to its end; it can't be restarted.

    call: the new stream, of bytes. watchdog: of the link; it cancels the stream when the peer gives no sign
    of life. lost: called when the connection broke. trouble: why the stream ended, empty while it runs.
    """

    def __init__(
        self, node_url: str, call: Call, clock: Clock, watchdog: Watchdog, lost: Callable[[str], None]
    ) -> None:
        self._node_url, self._call, self._clock = node_url, call, clock
        self._watchdog, self._lost = watchdog, lost
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[PendingCall] = deque()
        self._sent: dict[int, PendingCall] = {}
        self._number = self._sent_bytes = 0
        self._idle: asyncio.Future[None] | None = None  # the writer's, while it has nothing to write
        self._window = BatchWindow(self._loop, self._wake, LINGER_SECONDS)
        self._is_unheard = False  # nothing was heard since the last frame
        self._release: asyncio.TimerHandle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")
        self._is_watched = False
        self.trouble = ""
        self._tasks = [self._loop.create_task(self._write()), self._loop.create_task(self._read())]

    def ask(self, body: bytes, timeout: float) -> PendingCall:
        """Queue a question; its frame is sent after this turn of the loop. ReplicaUnreachableError."""
        if self.trouble:
            raise ReplicaUnreachableError(self._node_url, self.trouble)
        deadline = self._clock.monotonic() + timeout
        asked = PendingCall(body, timeout, deadline, self._loop.create_future())
        self._waiting.append(asked)
        if not self._is_watched:
            self._is_watched = True
            self._watchdog.begin(self)
        if deadline < self._timer_at:
            self._set_timer(deadline)
        if not self._is_unheard:
            self._window.notify()
        elif self._release is None:
            self._release = self._loop.call_later(LINGER_SECONDS, self._let_go)
        return asked

    def cancel(self) -> bool:
        """End the stream, and at once all its questions: the watchdog has given the peer up."""
        self.end(self._watchdog.trouble or "the link was closed")
        return True

    def end(self, trouble: str) -> None:
        """End the stream, and at once all its questions."""
        if self.trouble:
            return
        self.trouble = trouble
        self._call.cancel()
        for timer in self._timer, self._release:
            if timer is not None:
                timer.cancel()
        if self._is_watched:
            self._watchdog.end(self, answered=False)
        for asked in chain(self._sent.values(), self._waiting):
            _fail(asked, ReplicaUnreachableError(self._node_url, trouble))
        self._sent.clear()
        self._waiting.clear()
        self._tasks[0].cancel()  # the reader ends with the call: see aio/whole_reads.py

    async def close(self) -> None:
        """End the stream, and wait for that."""
        self.end("the link was closed")
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- out

    async def _write(self) -> None:
        try:
            while True:
                if frame := self._next_frame():
                    self._is_unheard = not self._waiting
                    await self._call.write(frame)
                else:
                    self._idle = self._loop.create_future()
                    await self._idle
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            pass  # the call is done: the reader learns why
        except Exception as error:  # no question may wait for a stream without a writer
            log.exception("the stream to %s failed", self._node_url)
            self.end(f"this node failed to write to it: {error!r}")

    def _next_frame(self) -> bytes:
        """The waiting questions, as far as the bounds allow; empty: nothing may be sent now."""
        if self._is_unheard:
            return b""
        parts: list[bytes] = []
        size, now = 0, self._clock.monotonic()
        while self._waiting and size < FRAME_BYTES and self._has_room():
            asked = self._waiting.popleft()
            if asked.answer.done():  # its caller is gone, or its deadline has passed
                continue
            if asked.deadline - now < TIMER_SLACK_SECONDS:
                self._expire(asked)
                continue
            parts.append(self._send(asked, now))
            size += len(parts[-1])
        self._look_idle()
        return b"".join(parts)

    def _has_room(self) -> bool:
        return len(self._sent) < MAX_QUESTIONS and (
            not self._sent or self._sent_bytes + len(self._waiting[0].body) <= MAX_BYTES
        )

    def _send(self, asked: PendingCall, now: float) -> bytes:
        self._number = number = (self._number + 1) & 0xFFFFFFFF
        asked.is_sent = True
        self._sent[number] = asked
        self._sent_bytes += len(asked.body) + HEAD_SIZE
        return question(number, min(int((asked.deadline - now) * 1000), 0xFFFFFFFF), asked.body)

    # --- in

    async def _read(self) -> None:
        trouble = "the peer ended the stream"
        try:
            while isinstance(data := await self._call.read(), bytes):
                self._take(data)
        except grpc.aio.AioRpcError as error:
            trouble = f"{error.code().name}, {error.details()}"
            if error.code() is grpc.StatusCode.UNAVAILABLE and not self.trouble:
                own = peer_error(self._node_url, error)
                astray = own.why if isinstance(own, ReplicaUnreachableError) else ""
                self._lost(astray or "the connection was lost")
        except MalformedRequestError as error:
            trouble = f"it sent an invalid frame: {error}"
        finally:
            self.end(trouble)

    def _take(self, frame: bytes) -> None:
        for answer in answers_of(frame):
            asked = self._sent.pop(answer.number, None)
            if asked is None:
                continue
            self._sent_bytes -= len(asked.body) + HEAD_SIZE
            if not asked.answer.done():
                asked.answer.set_result(answer)
        self._watchdog.heard(self)
        self._look_idle()
        self._let_go()

    def _let_go(self) -> None:
        """Release the next frame, if questions wait for it."""
        self._is_unheard = False
        if self._release is not None:
            self._release.cancel()
            self._release = None
        if self._waiting:
            self._window.notify(len(self._waiting))

    def _wake(self) -> None:
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def _look_idle(self) -> None:
        """Stop watching a peer that owes nothing."""
        if self._is_watched and not self._sent and not self._waiting:
            self._is_watched = False
            self._watchdog.end(self, answered=False)

    # --- deadlines

    def _set_timer(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = self._loop.call_later(max(0.0, deadline - self._clock.monotonic()), self._look_late)

    def _look_late(self) -> None:
        """Let questions past their deadlines expire. One timer serves all: usually none expires, and the next
        deadline is far away.
        """
        self._timer, self._timer_at = None, float("inf")
        now, soonest = self._clock.monotonic(), float("inf")
        for asked in chain(self._sent.values(), self._waiting):
            if asked.answer.done():
                continue
            if asked.deadline - now < TIMER_SLACK_SECONDS:
                self._expire(asked)
            else:
                soonest = min(soonest, asked.deadline)
        if soonest < float("inf"):
            self._set_timer(soonest)

    def _expire(self, asked: PendingCall) -> None:
        if asked.is_sent:
            _fail(asked, RequestTimeoutError(asked.timeout, f"node {self._node_url}"))
        else:
            _fail(asked, ReplicaUnreachableError(self._node_url, "it owes too many answers already"))


def _fail(asked: PendingCall, error: LimeDBError) -> None:
    if not asked.answer.done():
        asked.answer.set_exception(error)
