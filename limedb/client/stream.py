"""One session with a node: batches go out, and come back answered.

It owns one stream and what it has unanswered, and fails that when the stream ends, when a batch is too late,
or when it is closed. It must never choose where to send, or send anything twice.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable

import grpc
from google.protobuf.message import DecodeError

from limedb.client.batches import Batch
from limedb.client.outcomes import NoAnswer
from limedb.errors import InvalidRequestError
from limedb.wire.status import remote_error
from limedbpb.v1 import kv_pb2

log = logging.getLogger(__name__)

METHOD = "/limedb.v1.KVService/Session"


class _Sent:
    """A batch under way. written: whether it has been handed to gRPC; since: seconds of the loop's clock."""

    __slots__ = ("batch", "since", "timer", "written")

    def __init__(self, batch: Batch, since: float, timer: asyncio.TimerHandle) -> None:
        self.batch, self.since, self.timer = batch, since, timer
        self.written = False


class Stream:
    """A session with the node at an address. ended: is told when it ends by itself, and why.

    heard: when the last answer came, in seconds of the loop's clock.
    """

    def __init__(
        self, address: str, channel: grpc.aio.Channel, ended: "Callable[[Stream, str], None]"
    ) -> None:
        self._address, self._ended = address, ended
        self._loop = asyncio.get_running_loop()
        self._sent: dict[int, _Sent] = {}
        self._queue: deque[int] = deque()
        self._wake: asyncio.Future[None] | None = None
        self._number = 0
        self.heard = self._loop.time()
        self.answered: Callable[[], None] = _nothing
        call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(METHOD)()
        self._call, self._channel = call, channel
        self._tasks = [self._loop.create_task(self._write()), self._loop.create_task(self._read())]

    @property
    def in_flight(self) -> int:
        """How many batches are unanswered."""
        return len(self._sent)

    @property
    def silent_since(self) -> float:
        """Since when it owes an answer and gave none, in seconds of the loop's clock."""
        first = next(iter(self._sent.values()), None)
        return max(self.heard, first.since) if first else self._loop.time()

    def send(self, batch: Batch) -> None:
        """Send a batch; it is told its outcomes in any case."""
        self._number = number = self._number + 1
        timer = self._loop.call_later(batch.timeout, self._late, number)
        self._sent[number] = _Sent(batch, self._loop.time(), timer)
        self._queue.append(number)
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def shed(self, reason: str) -> bool:
        """Fail what may be tried elsewhere, for the node gives no answer; whether anything is left. That is
        writes of which nobody else can say what became of them: they wait, by their callers' deadlines.
        """
        kept = {n: sent for n, sent in self._sent.items() if sent.written and not sent.batch.may_repeat}
        failed = {n: sent for n, sent in self._sent.items() if n not in kept}
        self._sent = failed
        self._fail(reason, unread=False)
        self._sent = kept | self._sent  # callers that just heard of it may have sent again
        return bool(kept)

    async def close(self, reason: str) -> None:
        """End it; what is unanswered fails."""
        self._call.cancel()
        self._tasks[0].cancel()  # the reader ends with the call: see aio/whole_reads.py
        self._fail(reason, unread=False)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _write(self) -> None:
        await self._channel.channel_ready()  # what never had a connection was not begun
        while True:
            while self._queue:
                number = self._queue.popleft()
                sent = self._sent.get(number)
                if sent is None:
                    continue
                sent.written = True
                try:
                    request = sent.batch.request(number)
                except Exception as error:  # it fails alone: the next ones may be sent
                    self._refuse(number, InvalidRequestError(f"it can't be sent: {error!r}"))
                    continue
                try:
                    await self._call.write(request)
                except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                    return  # the reader learns why
            self._wake = self._loop.create_future()
            await self._wake
            self._wake = None

    async def _read(self) -> None:
        reason, unread = "the session ended", False
        try:
            while isinstance(data := await self._call.read(), bytes):
                self._take(data)
        except grpc.aio.AioRpcError as error:
            told = remote_error(self._address, error)
            unread = told is not None  # it answered all that it had read
            reason = str(told) if told else f"{error.code().name}: {error.details()}"
        except asyncio.CancelledError:
            if not self._call.cancelled():
                self._call.cancel()
                raise
            reason = "the session was cancelled"
        except DecodeError as error:
            reason = f"what it answers is no SessionResponse: {error}"
            self._call.cancel()
        except Exception as error:  # nobody may wait for a session that nobody reads
            log.exception("the session with %s failed", self._address)
            reason = f"this client failed to read it: {error!r}"
            self._call.cancel()
        self._tasks[0].cancel()
        self._fail(reason, unread)
        self._ended(self, reason)

    def _take(self, data: bytes) -> None:
        self.heard = self._loop.time()
        response = kv_pb2.SessionResponse.FromString(data)
        sent = self._sent.pop(response.id, None)
        if sent is not None:  # else it was too late
            sent.timer.cancel()
            for part in sent.batch.take(self._address, response):
                self.send(part)
        self.answered()

    def _refuse(self, number: int, error: InvalidRequestError) -> None:
        """Fail a batch that was not sent."""
        sent = self._sent.pop(number)
        sent.timer.cancel()
        sent.batch.tell_all(error)

    def _late(self, number: int) -> None:
        sent = self._sent.pop(number)
        waited = sent.batch.timeout
        reason = f"no answer within {waited:.3g} s"
        sent.batch.tell_all(NoAnswer(self._address, reason, sent.written, waited))
        self.answered()

    def _fail(self, reason: str, unread: bool) -> None:
        """Fail what is unanswered. unread: the node says that it began nothing of it."""
        left, self._sent = self._sent, {}
        for sent in left.values():
            sent.timer.cancel()
            sent.batch.tell_all(NoAnswer(self._address, reason, sent.written and not unread))


def _nothing() -> None:
    pass
