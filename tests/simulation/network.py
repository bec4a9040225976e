"""The network of a simulation: messages take time, get lost, come twice, late and in another order.

It owns the way of every message and what nodes can know of each other. Who asks never hears more than a real
node would: that it couldn't be sent, that no answer came, or the answer.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol, TypeVar

from limedb.errors import (
    ClockSkewError,
    LimeDBError,
    NotMemberError,
    RemoteError,
    ReplicaUnreachableError,
    StaleEpochError,
    WatchGapError,
    WrongNodeError,
)
from tests.simulation.clock import SimClock
from tests.simulation.loop import Process
from tests.simulation.trace import Trace

T = TypeVar("T")

PING_AFTER = 0.3  # seconds that a call is outstanding before the peer is pinged
PING_SECONDS = 0.4  # that the answer may take
_OUTSIDE = Context()  # of no process
PASSED_ON = (StaleEpochError, NotMemberError, ClockSkewError, WatchGapError)
"""Errors that come over the wire as what they are; others of a peer come as a RemoteError."""


class UnsentError(Exception):
    """The message was not sent, and will never arrive."""


class UnansweredError(Exception):
    """The message was sent; it may have arrived, arrive later, or never."""


class Host(Protocol):
    """A node as the network sees it. process: what runs now, None while it is down."""

    url: str
    clock: SimClock
    process: Process | None
    program: Any


@dataclass
class Weather:
    """How the network does. fastest, usual, slowest: seconds a message takes; slow: the share of slow ones.
    lost: the share of messages lost; twice: of those delivered a second time; late: of lost requests that
    arrive after all, up to `latest` seconds later.
    """

    fastest: float = 0.0002
    usual: float = 0.003
    slowest: float = 0.3
    slow: float = 0.01
    lost: float = 0.0
    twice: float = 0.01
    late: float = 0.3
    latest: float = 3.0

    def delay(self, rng: Random) -> float:
        if rng.random() < self.slow:
            return rng.uniform(self.usual, self.slowest)
        return rng.uniform(self.fastest, self.usual)


@dataclass
class _Belief:
    """Whether a node takes another for reachable, and when it will know better."""

    is_reachable: bool = True
    turns_at: float | None = None


@dataclass
class Call:
    """A call on its way. is_doomed: a message of it was lost. handling: what runs for it at its target."""

    number: int
    source: Host
    target: Host
    what: str
    answer: "asyncio.Future[Any]"
    is_doomed: bool = False
    handling: "asyncio.Task[Any] | None" = None
    timers: list[asyncio.TimerHandle] = field(default_factory=list)


class SimNetwork:
    """All wires. cut: pairs (from, to) of URLs between which nothing passes. astray: which node answers in
    the place of another one, by the URL of that.
    """

    def __init__(self, rng: Random, trace: Trace, bug: Callable[[str, BaseException], None]) -> None:
        self.rng, self.trace, self._bug = rng, trace, bug
        self.weather = Weather()
        self.hosts: dict[str, Host] = {}
        self.cut: set[tuple[str, str]] = set()
        self.astray: dict[str, str] = {}
        self._beliefs: dict[tuple[str, str], _Belief] = {}
        self._open: dict[int, Call] = {}
        self._numbers = 0

    # --- what is known

    def is_reachable(self, source: str, target: str) -> bool:
        """What a node knows of another: the truth of up to a second ago."""
        belief = self._beliefs.setdefault((source, target), _Belief())
        now, truth = self._now(), self._can_answer(source, target)
        if belief.turns_at is not None and now >= belief.turns_at:
            belief.is_reachable, belief.turns_at = truth, None
        if belief.is_reachable == truth:
            belief.turns_at = None
        elif belief.turns_at is None:
            belief.turns_at = now + self.rng.uniform(0, 1.0)
        return belief.is_reachable

    def _can_answer(self, source: str, target: str) -> bool:
        return self._passes(source, target) and self._passes(target, source) and not self._is_stopped(target)

    def _passes(self, source: str, target: str) -> bool:
        host = self.hosts.get(target)
        return (source, target) not in self.cut and host is not None and host.process is not None

    def _is_stopped(self, url: str) -> bool:
        process = self.hosts[url].process
        return process is None or process.is_stopped

    # --- calls

    async def call(
        self, source: Host, url: str, what: str, handle: Callable[[Any], Awaitable[T]], timeout: float
    ) -> T:
        """Have a node's program do something. It runs there, and may run twice, or late.

        UnsentError, UnansweredError, TimeoutError, and what the peer raised.
        """
        call = await self.dial(source, url, what)
        try:
            self.send(call, handle)
            async with asyncio.timeout(max(timeout, 0)):
                return await call.answer
        finally:
            self._give_up(call)
            self.close(call)

    async def dial(self, source: Host, url: str, what: str) -> Call:
        """A call that is not sent yet; whoever makes it closes it. UnsentError: nothing listens there."""
        if source.process is None or source.process.is_dead:
            raise asyncio.CancelledError
        target = self.hosts.get(self.astray.get(url, url))
        if target is None or ((target.process is None) and (source.url, url) not in self.cut):
            await asyncio.sleep(self.weather.delay(self.rng))  # the connection is refused
            self._believe(source.url, url, False)
            raise UnsentError(f"nothing listens at {url}")
        self._numbers += 1
        call = Call(self._numbers, source, target, what, asyncio.get_running_loop().create_future())
        self._open[call.number] = call
        return call

    def close(self, call: Call) -> None:
        """Nobody waits for a call any more."""
        self._open.pop(call.number, None)
        for timer in call.timers:
            timer.cancel()

    def reset(self, url: str) -> None:
        """A node's process has ended: the calls to it break, where that can be heard."""
        for call in list(self._open.values()):
            if call.target.url == url:
                self.after(self.weather.delay(self.rng), self._break, call, "the connection broke")

    def send(self, call: Call, handle: Callable[[Any], Awaitable[Any]]) -> None:
        """Put a request on the wire, and watch over its link."""
        self._put(call, handle)
        self._watch(call, PING_AFTER)

    def _put(self, call: Call, handle: Callable[[Any], Awaitable[Any]]) -> None:
        rng, weather = self.rng, self.weather
        if rng.random() < weather.lost or (call.source.url, call.target.url) in self.cut:
            call.is_doomed = True
            if rng.random() < 0.5:
                call.timers.append(
                    self.after(rng.uniform(0, PING_SECONDS), self._break, call, "not sent", UnsentError)
                )
            elif rng.random() < weather.late:
                self.after(rng.uniform(0, weather.latest), self._arrive, call, handle)
            return
        self.after(weather.delay(rng), self._arrive, call, handle)
        if rng.random() < weather.twice:
            self.after(rng.uniform(0, weather.latest), self._arrive, call, handle)

    def _arrive(self, call: Call, handle: Callable[[Any], Awaitable[Any]]) -> None:
        """A request reaches its node."""
        source, target = call.source.url, call.target.url
        process, program = call.target.process, call.target.program
        if (source, target) in self.cut or process is None or program is None:
            call.is_doomed = True
            return
        self.trace.add(f"{source} > {target} {call.what}")
        call.handling = task = process.start(self._handle(handle, program), call.what)
        task.add_done_callback(lambda done: self._reply(call, done, process), context=_OUTSIDE)

    def _give_up(self, call: Call) -> None:
        """Who asked waits no more: what runs for it may be cancelled, as gRPC does, or go on."""
        if not call.answer.done() and call.handling is not None and self.rng.random() < 0.5:
            self.after(self.weather.delay(self.rng), call.handling.cancel)

    async def _handle(self, handle: Callable[[Any], Awaitable[T]], program: Any) -> T:
        return await handle(program)

    def _reply(self, call: Call, done: "asyncio.Task[Any]", process: Process) -> None:
        """Put an answer on the wire. It runs outside of any process."""
        if done.cancelled() or process.is_dead:
            return
        error = done.exception()
        if error is not None and not isinstance(error, LimeDBError):
            self._bug(f"{call.target.url} in {call.what}", error)
        if self.rng.random() < self.weather.lost:
            call.is_doomed = True
            return
        self.after(self.weather.delay(self.rng), self._return, call, done)

    def _return(self, call: Call, done: "asyncio.Task[Any]") -> None:
        """An answer reaches who asked."""
        source, target = call.source.url, call.target.url
        if (target, source) in self.cut:
            call.is_doomed = True
            return
        if call.answer.done():
            return
        self._believe(source, target, True)
        error = done.exception()
        self.trace.add(f"{source} < {target} {call.what}{f': {type(error).__name__}' if error else ''}")
        if error is None:
            call.answer.set_result(done.result())
        else:
            call.answer.set_exception(_as_told(error, target))

    def _watch(self, call: Call, after: float) -> None:
        call.timers.append(self.after(after, self._look, call))

    def _look(self, call: Call) -> None:
        """The watchdog of the link: a peer that can't answer a ping fails the calls to it."""
        if call.answer.done():
            return
        if call.is_doomed or not self._can_answer(call.source.url, call.target.url):
            wait = self.rng.uniform(0, PING_SECONDS)
            call.timers.append(self.after(wait, self._break, call, "no answer to a ping"))
        else:
            self._watch(call, PING_AFTER)

    def _break(self, call: Call, why: str, kind: type[Exception] = UnansweredError) -> None:
        if not call.answer.done():
            self._believe(call.source.url, call.target.url, False)
            self.trace.add(f"{call.source.url} x {call.target.url} {call.what}: {why}")
            call.answer.set_exception(kind(why))

    def _believe(self, source: str, target: str, is_reachable: bool) -> None:
        self._beliefs[source, target] = _Belief(is_reachable)

    def after(self, seconds: float, step: Callable[..., object], *arguments: Any) -> asyncio.TimerHandle:
        """Do something later, as the network and not as the process that asked for it."""
        return asyncio.get_running_loop().call_later(seconds, step, *arguments, context=_OUTSIDE)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _as_told(error: BaseException, target: str) -> LimeDBError:
    """A peer's error as it comes out of the wire."""
    if isinstance(error, PASSED_ON):
        return error
    if isinstance(error, WrongNodeError):
        return ReplicaUnreachableError(target, str(error))
    known = isinstance(error, LimeDBError)
    code, reason = ("UNAVAILABLE", error.reason) if known else ("INTERNAL", "INTERNAL")
    return RemoteError(target, reason, code, str(error))
