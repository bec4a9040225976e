"""One served method, from bytes to bytes.

It owns the parts that all methods share: parsing, the memory of requests and answers, the status of an error,
the counters, spans if telemetry is on. It must never listen.

Tested in tests/rpc/server/test_server.py.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, nullcontext
from functools import partial
from time import perf_counter
from traceback import clear_frames
from typing import NamedTuple, NoReturn

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from limedb.core.rights import Identity
from limedb.errors import MalformedRequestError, UnauthenticatedError
from limedb.ports import Answer, CallTracing, Recorder
from limedb.rpc.server import connect, outcomes
from limedb.rpc.server.behaviour import Behaviour, Check, Context
from limedb.rpc.server.clients import CALLER, Clients
from limedb.rpc.server.gate import CHALLENGE, Guard, Shown
from limedb.rpc.server.limits import BATCHES, FREE, Limits, Taken
from limedb.rpc.server.memory import (
    ANSWER_COPIES,
    COPIES,
    SMALL_BYTES,
    Calls,
    Held,
    Share,
    room_seconds,
)
from limedb.rpc.server.receiving import Receiving, running_task
from limedb.rpc.server.rest_streams import BREAK_SECONDS, NO_MESSAGE, is_rest
from limedb.rpc.server.running_streams import Streams
from limedb.rpc.server.stream_messages import Incoming, write_whole
from limedb.wire.batch_set import request_class
from limedb.wire.status import FACT_BYTES_IN_TRAILERS, code_of, status_of, trailers_of

LONG_BYTES = 4 << 20
"""Bytes of a request that makes others wait: the event loop takes 40 ms to receive 60 MB, and 30 ms to parse
them.
"""
STREAM_BYTES = 64 << 10
"""The least bytes that a stream counts for: gRPC's buffers, and the objects that serve it."""
STREAM_COPIES = 4
"""How many times the bytes of a stream's last message may be in memory: as sent, and as pages of nodes."""
WATCH_BYTES = 1 << 20
"""Bytes that a constantly refilled stream counts for: it takes processor time, too."""
BUSY_STREAMS = frozenset({"ClusterService/WatchCluster", "AdminService/Repair"})
DONE = frozenset(
    {"KVService/BatchSet", "ReplicaService/Apply", "ReplicaService/Agree", "ReplicaService/Release"}
)
"""Methods whose answer can't be refused: the work is done by then. The answer is much smaller than the
request.
"""

UNBEGUN = (("limedb-unbegun", "1"),)
"""The trailer of a call that a stopping node refuses: Envoy sends it to another node, even a write."""


class Method:
    """One method, from bytes to bytes: so a key that isn't UTF-8 is the client's error, not ours.

    streams: the running streams, to end them when the server stops. room: the memory for its requests and
    answers. check: raises the refusal of a call that is meant for another node or cluster. guard: identifies
    callers and checks their rights; None: everybody may call.
    """

    def __init__(
        self,
        method: MethodDescriptor,
        behaviour: Behaviour,
        recorder: Recorder | None,
        streams: Streams,
        room: "Room",
        check: Check,
        json: connect.JsonMessages | None = None,
        guard: Guard | None = None,
    ) -> None:
        self._guard = guard
        self._name = f"{method.containing_service.name}/{method.name}"
        self._request_class = request_class(method.input_type)
        self._response_class = GetMessageClass(method.output_type)
        self._behaviour, self._streams = behaviour, streams
        self._check = check
        self._record = recorder.record if recorder else _record_nothing
        self._room, self._receive, self._calls = room, room.receiving.message, room.calls
        self._limits, self._clients = room.limits, room.clients
        self._rates = room.limits.for_requests if room.limits and self._name not in FREE else None
        self._asks = guard is not None or self._rates is not None
        if self._rates is not None and self._name in BATCHES:
            self._behaviour = self._rates.charged(behaviour)
        self._json = json
        self._copies, self._answer_copies = room.copies, ANSWER_COPIES
        if json is not None:
            self._copies, self._answer_copies = connect.COPIES * room.copies, connect.COPIES * ANSWER_COPIES

    async def answer(self, _requests: object, context: Context) -> bytes:
        """Serve a unary call. It reads its message itself, so that surplus messages are not even received."""
        started, held = perf_counter(), None
        data: object = None
        request: Message | None = None
        response: Message | bytes = b""
        answer = b""
        if self._streams.is_ended:
            await self._refuse(await self._streams.refusal(), context, started, UNBEGUN)
        try:
            caller = await self._admitted(context) if self._asks else None
            self._begin(context)
            data = await self._receive(context)
            if not isinstance(data, bytes):
                raise MalformedRequestError("the call has no message")
            if len(data) > SMALL_BYTES:
                held = await self._hold(data, context)
            request = await self._message_of(data)
            data = b""
            if caller is None or self._guard is None:
                response = await self._behaviour(request, context)
            else:
                response = await self._guard.serve(caller, self._behaviour, request, context)
            answer = await self._as_sent(self._held(_serialized(response), context))
        except asyncio.CancelledError:
            self._record(self._name, "CANCELLED", perf_counter() - started)
            raise
        except Exception as error:  # errors become statuses only here and in `stream`
            request, data, response, answer = None, b"", b"", b""  # gRPC keeps the error, and so this frame
            await self._refuse(error, context, started)
            raise AssertionError("abort returned") from error
        finally:
            if held is not None:
                held.release()
        self._record(self._name, "OK", perf_counter() - started)
        return answer

    async def _admitted(self, context: Context) -> Identity | None:
        """The identity of the caller, if the method has a guard. Errors as `Guard.admit`; LimitExceededError:
        too many calls.
        """
        caller: Identity | None = None
        if self._guard is not None:
            caller = await self._guard.admit(context)
            CALLER.set(caller)
        if self._rates is not None:
            self._rates.begin(context, caller)
        return caller

    def _begin(self, context: Context) -> None:
        """Check the addressee of a call, and count it. OverloadedError: there are too many."""
        self._check(context)
        if self._calls is not None:
            self._calls.begin(context, running_task())

    async def _message_of(self, data: bytes) -> Message:
        if self._json is not None:
            data = await self._json.request(data)
        return _parse(self._request_class, data) if len(data) < LONG_BYTES else await self._parsed(data)

    async def _as_sent(self, data: bytes) -> bytes:
        return data if self._json is None else await self._json.answer(data)

    async def _parsed(self, data: bytes) -> Message:
        """A long request, parsed in a separate turn of the loop."""
        await asyncio.sleep(0)
        request = _parse(self._request_class, data)
        await asyncio.sleep(0)
        return request

    async def _hold(self, data: bytes, context: Context) -> Held:
        """Room for a large request while it is processed. OverloadedError: there is none soon enough."""
        holder = self._clients.of(context)
        with self._room.arrivals.hold(holder, len(data)):
            return await self._room.requests.wait(holder, self._copies * len(data), room_seconds(context))

    def _held(self, answer: bytes, context: Context) -> bytes:
        """Count an answer, if it is large, until its client has taken it, or is gone."""
        if len(answer) <= SMALL_BYTES:
            return answer
        holder, answers = self._clients.of(context), self._room.answers
        hold = answers.force if self._name in DONE else answers.hold
        held = hold(holder, self._answer_copies * len(answer))
        running_task().add_done_callback(held.release)
        return answer

    async def stream(self, _requests: object, context: Context) -> None:
        """Serve a call whose answer is a stream. When the client goes away, or the server stops, the
        behaviour's generator is closed before this returns.
        """
        await self._stream(lambda: self._answers_to_one(context), context, True)

    async def _answers_to_one(self, context: Context) -> AsyncGenerator[Message | bytes, None]:
        """Yield each answer only while the caller's credentials are valid: a stream may outlive a token."""
        data = await self._receive(context)
        if not isinstance(data, bytes):
            raise MalformedRequestError("the call has no message")
        request, guard = await self._message_of(data), self._guard
        if guard is not None:
            guard.judge(await guard.admit(context), request, context)
        async with aclosing(self._behaviour(request, context)) as responses:
            async for response in responses:
                if guard is not None:
                    guard.judge(await guard.admit(context), request, context)
                yield response

    async def converse(self, _requests: object, context: Context) -> None:
        """Serve a call of two streams. The behaviour gets an iterator of messages, which raises
        UnavailableError when the server stops: the behaviour may still answer earlier messages, and ends by
        raising the error. It counts its requests itself.
        """
        requests = Incoming(self._message_of, context, self._streams, self._shown)
        await self._stream(lambda: self._behaviour(requests, context), context, False)

    async def _stream(
        self, behave: Callable[[], AsyncGenerator[Message | bytes, None]], context: Context, bounded: bool
    ) -> None:
        """The recorded time is that to the first message: the client decides how long the stream lasts."""
        started, first = perf_counter(), 0.0
        counted: _Counted | None = None
        response: Message | bytes = b""
        data = b""
        least = WATCH_BYTES if self._name in BUSY_STREAMS else STREAM_BYTES
        try:
            counted = await self._begin_stream(context, least)
            bound = self._streams.bound(self._shown(context)) if bounded else nullcontext()
            async with bound, aclosing(behave()) as responses:
                async for response in responses:
                    data = await self._as_sent(_serialized(response))
                    if bounded and (size := max(least, STREAM_COPIES * len(data))) != counted.held.amount:
                        counted.held.resize(size)
                    await (write_whole(context, data) if bounded else context.write(data))
                    first = first or perf_counter()
        except asyncio.CancelledError:
            self._record(self._name, "CANCELLED", (first or perf_counter()) - started)
            raise
        except grpc.aio.BaseError:  # the message had no reader: the client is gone
            self._record(self._name, "CANCELLED", (first or perf_counter()) - started)
            return
        except Exception as error:
            response = data = b""
            if first and is_rest(context):
                await self._break_off(error, context)
            await self._refuse(error, context, started)
        finally:
            if counted is not None:
                counted.release()
        self._record(self._name, "OK", (first or perf_counter()) - started)

    def _shown(self, context: Context) -> Shown | None:
        """The credentials of a stream's caller that may become invalid; None: there are none."""
        return self._guard.shown(context) if self._guard is not None else None

    async def _begin_stream(self, context: Context, least: int) -> "_Counted":
        """Check the caller and the addressee, and count the stream."""
        caller = await self._admitted(context) if self._asks else None
        self._check(context)
        taken = self._limits.stream(self._name, context, caller) if self._limits is not None else None
        try:
            return _Counted(self._room.streams.hold(self._clients.of(context), least), taken)
        except BaseException:
            if taken is not None:
                taken.release()
            raise

    async def _break_off(self, error: Exception, context: Context) -> None:
        """Write the error as the last line of a stream over REST, then break the stream off."""
        if "error" in self._response_class.DESCRIPTOR.fields_by_name:
            status = status_of(error, self._name)
            await write_whole(context, self._response_class(error=status).SerializeToString())
        await asyncio.sleep(BREAK_SECONDS)
        await write_whole(context, NO_MESSAGE)

    async def _refuse(
        self, error: Exception, context: Context, started: float, trailers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        code, status = code_of(error), status_of(error, self._name, FACT_BYTES_IN_TRAILERS)
        connect.name_details(status, context)
        # Otherwise large refused messages stay in memory until the collector's next full pass.
        clear_frames(error.__traceback__)
        if isinstance(error, UnauthenticatedError):
            trailers = (*trailers, *CHALLENGE)
        trailers = (*trailers, *outcomes.trailers_of(error))
        self._record(self._name, code.name, perf_counter() - started)
        await context.abort(code, status.message, (*trailers_of(error, status), *trailers))


class _Counted(NamedTuple):
    """The counts of a stream: in the memory, and in the limits of its client."""

    held: Held
    taken: Taken | None

    def release(self) -> None:
        """Stop counting it."""
        self.held.release()
        if self.taken is not None:
            self.taken.release()


class Room(NamedTuple):
    """The memory that the methods of a service may hold, and the receipt of their messages."""

    requests: Share
    arrivals: Share
    answers: Share
    streams: Share
    receiving: Receiving
    clients: Clients
    copies: int = COPIES
    calls: Calls | None = None
    limits: Limits | None = None
    """Of each client; None: the methods are for other nodes."""


def handler(
    method: MethodDescriptor,
    behaviour: Behaviour,
    recorder: Recorder | None,
    streams: Streams,
    room: Room,
    check: Check,
    tracing: CallTracing | None,
    json: connect.JsonMessages | None = None,
    guard: Guard | None = None,
) -> "grpc.RpcMethodHandler[bytes, bytes]":
    """On the wire a call with one message is a stream of one message, so the node can choose when to
    read it.
    """
    served = Method(method, behaviour, recorder, streams, room, check, json, guard)
    path = f"/{method.containing_service.full_name}/{method.name}"
    traced = partial(tracing.answering, path) if tracing else _untraced
    if method.client_streaming:
        return grpc.stream_stream_rpc_method_handler(traced(served.converse))
    if method.server_streaming:
        return grpc.stream_stream_rpc_method_handler(traced(served.stream))
    return grpc.stream_unary_rpc_method_handler(_Asynchronous(traced(served.answer)))


class _Asynchronous(partial[Awaitable[bytes]]):
    """A handler that is asynchronous at first sight. gRPC looks twice in each call; where it finds nothing to
    await, it takes a closer look at the function, which costs more than to parse a Get.
    """

    def __await__(self) -> NoReturn:
        raise TypeError("it is to be called first")


def _untraced(answer: Answer) -> Answer:
    return answer


def _parse(request_class: type[Message], data: bytes) -> Message:
    try:
        return request_class.FromString(data)
    except DecodeError:
        kind = request_class.DESCRIPTOR.name
        raise MalformedRequestError(f"the request is not a {kind}: text in it must be UTF-8") from None


def _serialized(response: Message | bytes) -> bytes:
    return response if isinstance(response, bytes) else response.SerializeToString()


def _record_nothing(method: str, code: str, seconds: float) -> None:
    pass
