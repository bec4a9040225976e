"""Spans of the calls that a node answers and sends.

It owns the choice of traced calls, and the beginning and the end of a span. It must never be imported while
telemetry is off, never change the effect of a call, and never cost a call without a span more than the
sampler's decision: gRPC's interceptors cost each call a third of the node's rate, so there are none. The
server's spans are those of opentelemetry-instrumentation-grpc, with these faults of its fixed (version
0.66b2; each has a test):

- streams: an abandoned generator was closed in another context, which logs "Failed to detach context"
  (contrib issue 2357);
- an abort, such as NOT_FOUND, was recorded as an exception with its traceback; a cancelled call ended as OK.

A call that fails by the node's fault, or is slow, gets its span when it ends, if it had none: then its calls
to peers have none.
"""
# ruff: noqa: ANN401 (the instrumentation has no types: its values are Any)
# mypy: disable-error-code="no-untyped-call"

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from random import random
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import grpc
import grpc.aio
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.instrumentation.grpc import _aio_server, version
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Decision, Sampler
from opentelemetry.trace import Span, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from typing_extensions import override

from limedb.ports import Answer, CallTracing, Recorder

C = TypeVar("C")

RATIO = 0.01
"""The share of the calls that are sampled at their beginning, unless OTEL_TRACES_SAMPLER says otherwise."""

SLOW_SECONDS = 0.5
"""A call that takes longer has a span in any case."""

LATE_SPANS = 100
"""How many spans a second are made of calls that failed or were slow: of a flood of them some are enough."""

UNTRACED = (
    "/grpc.health.v1.",
    "/grpc.reflection.",
    "/limedb.v1.GossipService/",
    "/limedb.v1.TopologyService/",
    "/limedb.v1.ReplicaService/Carry",  # one call from its start to its end, whatever it carries
)
"""Probes, reflection and gossip would bury the interesting calls."""

FAULTS = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})
"""The codes that are errors of a server's span, by OpenTelemetry's conventions."""

CODE = "rpc.grpc.status_code"
"""The attribute of the instrumentation; its value is a number."""

PARENT = "traceparent"
"""The header that names the caller's span (W3C Trace Context)."""

_HEADERS = TraceContextTextMapPropagator()


Head = Callable[[Context | None, str], bool]
"""Whether a call begins a span, given its caller's span (None: it has none) and its method."""


def head_sampling() -> Head | None:
    """The decision of the sampler that the SDK's variables name (OTEL_TRACES_SAMPLER), or else our own, which
    takes a tenth of the time: it follows the caller's, and takes RATIO of the calls that come without one.
    None: no call is ever sampled.
    """
    if "OTEL_TRACES_SAMPLER" not in os.environ:
        return _follow_or_draw
    named = TracerProvider(shutdown_on_exit=False)
    return None if named.sampler is ALWAYS_OFF else partial(_ask, named.sampler, named.id_generator)


def _follow_or_draw(parent: Context | None, _method: str) -> bool:
    return random() < RATIO if parent is None else _span_context(parent).trace_flags.sampled


def _ask(sampler: Sampler, ids: IdGenerator, parent: Context | None, method: str) -> bool:
    trace_id = ids.generate_trace_id() if parent is None else _span_context(parent).trace_id
    result = sampler.should_sample(parent or _NO_PARENT, trace_id, method, SpanKind.SERVER)
    return result.decision is Decision.RECORD_AND_SAMPLE


def _span_context(context: Context) -> SpanContext:
    return trace.get_current_span(context).get_span_context()


class Tracing(CallTracing):
    """The spans of a node. provider: it samples everything that is begun. head: decides which calls begin a
    span. now: a monotonic clock, in seconds.
    """

    def __init__(
        self, provider: TracerProvider, head: Head, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._tracer = provider.get_tracer("opentelemetry.instrumentation.grpc", version.__version__)
        self._is_chosen = head
        self._server = _Server(self._tracer)
        self._now, self._second, self._late_spans = now, 0, 0

    @property
    @override
    def is_sampled(self) -> bool:
        return trace.get_current_span().is_recording()

    @override
    def answering(self, method: str, answer: Answer) -> Answer:
        if method.startswith(UNTRACED):
            return answer

        async def traced(requests: Any, context: Any) -> Any:
            parent = _parent_of(context)
            if self._is_chosen(parent, method):
                return await self._server.answered(method, context, lambda seen: answer(requests, seen))
            if parent is None:
                return await answer(requests, context)
            with self._server.inside(context):  # the log shows the caller's trace
                return await answer(requests, context)

        return traced

    @override
    def recorder(self, service: str, streams: Collection[str], recorder: Recorder | None) -> Recorder | None:
        if f"/{service}/".startswith(UNTRACED):
            return recorder
        return _LateSpans(self, service, streams, recorder)

    @override
    def calling(self, channel: C) -> C:
        return cast("C", _Channel(channel, self._begin_call))

    def late(self, path: str, code: str, seconds: float) -> None:
        """Make the span of a call that has just ended, within its caller's trace if it has one."""
        if self.is_sampled or not self._has_turn():
            return
        end = time.time_ns()
        span = self._tracer.start_span(
            path, None, SpanKind.SERVER, _attributes(path), start_time=end - int(seconds * 1e9)
        )
        span.set_attribute(CODE, _number(grpc.StatusCode[code]))
        if code in FAULTS:
            span.set_status(Status(StatusCode.ERROR, code))
        span.end(end)

    def _has_turn(self) -> bool:
        if (second := int(self._now())) != self._second:
            self._second, self._late_spans = second, 0
        self._late_spans += 1
        return self._late_spans <= LATE_SPANS

    def _begin_call(self, path: str, headers: dict[str, str]) -> Span:
        """Begin the span of a call to a peer, and add the headers that name it."""
        span = self._tracer.start_span(path, None, SpanKind.CLIENT, _attributes(path))
        _HEADERS.inject(headers, trace.set_span_in_context(span))
        return span


_NO_PARENT = Context()


def _parent_of(context: Any) -> Context | None:
    """The caller's span; None: it has none."""
    for name, value in context.invocation_metadata() or ():
        if name == PARENT:
            return _HEADERS.extract({PARENT: value}, _NO_PARENT)
    return None


def _attributes(path: str) -> dict[str, str | int]:
    service, _, method = path.removeprefix("/").partition("/")
    return {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method}


class _LateSpans(Recorder):
    """Passes records of finished calls on, and makes the missing spans of those that failed or were slow.
    Of a stream the time to its first message is recorded, which its data decide: it is never slow.
    """

    def __init__(
        self, tracing: Tracing, service: str, streams: Collection[str], recorder: Recorder | None
    ) -> None:
        self._late, self._recorder = tracing.late, recorder
        package, _, name = service.rpartition(".")
        self._package, self._streams = package, {f"{name}/{method}" for method in streams}

    @override
    def record(self, method: str, code: str, seconds: float) -> None:
        if self._recorder is not None:
            self._recorder.record(method, code, seconds)
        if code in FAULTS or (seconds > SLOW_SECONDS and method not in self._streams):
            self._late(f"/{self._package}.{method}", code, seconds)


class _Server(_aio_server.OpenTelemetryAioServerInterceptor):
    """The instrumentation's spans, begun where we say."""

    async def answered(self, path: str, context: Any, answer: Callable[[Any], Awaitable[Any]]) -> Any:
        """Answer a call within its span."""
        with (
            self.inside(context),
            self._start_span(SimpleNamespace(method=path), context) as span,
            _server_outcome(span) as aborts,
        ):
            return await answer(_aio_server._OpenTelemetryAioServicerContext(context, span))
        raise aborts[0]

    def inside(self, context: Any) -> Any:
        """Be within the trace of a call's caller for the time of the block."""
        return self._set_remote_context(context)


@contextmanager
def _server_outcome(span: Span) -> Iterator[list[grpc.aio.AbortError]]:
    """Record the outcome of a call in its span. An abort is kept aside: it is an answer, which the span has
    already.
    """
    aborts: list[grpc.aio.AbortError] = []
    try:
        yield aborts
    except grpc.aio.AbortError as abort:
        aborts.append(abort)
    except asyncio.CancelledError:
        span.set_attribute(CODE, _number(grpc.StatusCode.CANCELLED))
        raise


class _Channel:
    """A channel for stubs: each call over it has a span, and passes it on. The call itself is gRPC's own, so
    cancelling it, or leaving it unread, has its usual effect; the span ends with it.
    """

    def __init__(self, channel: Any, begin: Callable[[str, dict[str, str]], Span]) -> None:
        self._channel, self._begin = channel, begin

    def __getattr__(self, kind: str) -> Callable[..., Any]:
        """The channel's `unary_unary` and similar methods."""
        make = getattr(self._channel, kind)

        def made(path: str, *args: Any, **options: Any) -> Callable[..., Any]:
            send = make(path, *args, **options)
            return send if path.startswith(UNTRACED) else self._traced(path, send)

        return made

    def _traced(self, path: str, send: Callable[..., Any]) -> Callable[..., Any]:
        def sent(*args: Any, metadata: tuple[Any, ...] = (), **options: Any) -> Any:
            headers: dict[str, str] = {}
            span = self._begin(path, headers)
            call = send(*args, metadata=(*metadata, *headers.items()), **options)
            call.add_done_callback(lambda _: _end(span, *_final_status(call)))
            return call

        return sent


def _end(span: Span, code: grpc.StatusCode, details: str | None) -> None:
    span.set_attribute(CODE, _number(code))
    if code is not grpc.StatusCode.OK:
        span.set_status(Status(StatusCode.ERROR, details or code.name))
    span.end()


def _final_status(call: grpc.aio.Call) -> tuple[grpc.StatusCode, str]:
    """The outcome of a finished call: its coroutines return at once, so no task is needed."""
    return _result_now(call.code(), grpc.StatusCode.UNKNOWN), _result_now(call.details(), "")


def _result_now(coroutine: Any, otherwise: Any) -> Any:
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    coroutine.close()
    return otherwise


def _number(code: grpc.StatusCode) -> int:
    number: int = code.value[0]
    return number
