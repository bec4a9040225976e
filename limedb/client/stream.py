"""One session with a node: batches go out, and their answers come back.

It owns one stream and its unanswered batches, and fails these when the stream breaks, when their time runs
out, or when it is closed. It must never choose where to send, or send anything twice.

Tested in tests/client/test_patience.py and tests/client/test_client.py.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable

import grpc
from google.protobuf.message import DecodeError

from limedb.client.batch_bytes import response_of
from limedb.client.batches import Batch
from limedb.client.denials import is_denial
from limedb.client.outcomes import NoAnswer
from limedb.errors import InvalidRequestError
from limedb.wire.cluster_header import Metadata
from limedb.wire.status import remote_error

log = logging.getLogger(__name__)

NEWEST = 0.2
"""How much the newest answer counts in the time that answers usually take."""
METHOD = "/limedb.v1.KVService/Session"


class _Sent:
    """A batch under way. written: gRPC has taken it. since: when, in seconds of the loop's clock."""

    __slots__ = ("batch", "since", "timer", "written")

    def __init__(self, batch: Batch, since: float, timer: asyncio.TimerHandle) -> None:
        self.batch, self.since, self.timer = batch, since, timer
        self.written = False


class Stream:
    """A session with the node at an address. metadata: names the cluster. ended: called with the
    reason when the session ends by itself.

    heard: when the last answer came, in seconds of the loop's clock. usual_seconds: how long answers take.
    """

    def __init__(
        self,
        address: str,
        channel: grpc.aio.Channel,
        metadata: Metadata,
        ended: "Callable[[Stream, str], None]",
    ) -> None:
        self._address, self._ended = address, ended
        self._loop = asyncio.get_running_loop()
        self._sent: dict[int, _Sent] = {}
        self._queue: deque[int] = deque()
        self._wake: asyncio.Future[None] | None = None
        self._number = 0
        self.heard = self._loop.time()
        self.usual_seconds = 0.0
        self.answered: Callable[[], None] = _nothing
        call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(METHOD)(metadata=metadata)
        self._call, self._channel = call, channel
        self._tasks = [self._loop.create_task(self._write()), self._loop.create_task(self._read())]

    @property
    def in_flight(self) -> int:
        """The number of unanswered batches."""
        return len(self._sent)

    def unanswered(self, kind: type[Batch]) -> int:
        """How many calls in batches of a kind are unanswered."""
        return sum(len(sent.batch.keys) for sent in self._sent.values() if sent.batch.__class__ is kind)

    @property
    def silent_since(self) -> float:
        """The time, in seconds of the loop's clock, since which it owes an answer and has sent none."""
        first = next(iter(self._sent.values()), None)
        return max(self.heard, first.since) if first else self._loop.time()

    def send(self, batch: Batch) -> None:
        """Send a batch, which gets its outcomes in any case."""
        self._number = number = self._number + 1
        timer = self._loop.call_later(batch.timeout, self._expire, number)
        self._sent[number] = _Sent(batch, self._loop.time(), timer)
        self._queue.append(number)
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def shed(self, reason: str) -> bool:
        """Fail the batches that may be tried elsewhere, since the node does not answer; return whether any
        are left. Those are writes whose outcome only this node knows: they wait until their callers'
        deadlines.
        """
        kept = {n: sent for n, sent in self._sent.items() if sent.written and not sent.batch.may_repeat}
        failed = {n: sent for n, sent in self._sent.items() if n not in kept}
        self._sent = failed
        self._fail(reason, unread=False)
        self._sent = kept | self._sent  # callers of the failed ones may have sent again at once
        return bool(kept)

    async def close(self, reason: str) -> None:
        """Close it, and fail its unanswered batches."""
        self._call.cancel()
        self._tasks[0].cancel()  # the reader ends with the call: see aio/whole_reads.py
        self._fail(reason, unread=False)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _write(self) -> None:
        await self._channel.channel_ready()  # without a connection the node has begun nothing
        while True:
            while self._queue:
                number = self._queue.popleft()
                sent = self._sent.get(number)
                if sent is None:
                    continue
                sent.written = True
                try:
                    request = sent.batch.request(number)
                except Exception as error:  # only this batch fails: the next ones may be sent
                    self._refuse(number, InvalidRequestError(f"the request can't be sent: {error!r}"))
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
            refusal = remote_error(self._address, error)
            unread = refusal is not None  # then the node has answered all that it read
            reason = str(refusal) if refusal else f"{error.code().name}: {error.details()}"
        except asyncio.CancelledError:
            if not self._call.cancelled():
                self._call.cancel()
                raise
            reason = "the session was cancelled"
        except DecodeError as error:
            reason = f"its answer is not a SessionResponse: {error}"
            self._call.cancel()
        except Exception as error:  # no caller may wait for a session that nobody reads
            log.exception("the session with %s failed", self._address)
            reason = f"this client failed to read its answer: {error!r}"
            self._call.cancel()
        self._tasks[0].cancel()
        self._fail(reason, unread)
        self._ended(self, reason)

    def _take(self, data: bytes) -> None:
        self.heard = self._loop.time()
        response = response_of(data)
        sent = self._sent.pop(response.id, None)
        if sent is not None and is_denial(response):
            sent.timer.cancel()
            sent.batch.resolve_all(NoAnswer(self._address, response.error.message, begun=False))
            self._call.cancel()  # the next session shows the token of its moment
        elif sent is not None:  # else its time ran out before
            self.usual_seconds += NEWEST * (self.heard - sent.since - self.usual_seconds)
            try:
                parts = sent.batch.take(self._address, response)
            except DecodeError:
                self._sent[response.id] = sent  # it has no answer, like all others that are left
                raise
            sent.timer.cancel()
            for part in parts:
                self.send(part)
        self.answered()

    def _refuse(self, number: int, error: InvalidRequestError) -> None:
        """Fail a batch that was not sent."""
        sent = self._sent.pop(number)
        sent.timer.cancel()
        sent.batch.resolve_all(error)

    def _expire(self, number: int) -> None:
        sent = self._sent.pop(number)
        waited = sent.batch.timeout
        reason = f"no answer within {waited:.3g} s"
        sent.batch.resolve_all(NoAnswer(self._address, reason, sent.written, waited))
        self.answered()

    def _fail(self, reason: str, unread: bool) -> None:
        """Fail the unanswered batches. unread: the node has reported that it has begun none of them."""
        left, self._sent = self._sent, {}
        for sent in left.values():
            sent.timer.cancel()
            sent.batch.resolve_all(NoAnswer(self._address, reason, sent.written and not unread))


def _nothing() -> None:
    pass
