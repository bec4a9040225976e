"""Messages on their way in: counts them, and gives up some of them.

It owns the calls whose message has not arrived completely. gRPC shows a message only when it has all of it,
so incoming messages can't be counted in bytes. But a node can see that a call takes long, because its message
is large or its client is slow, and how much memory the process has. It must never look into a message.

A small message that has arrived is read at once, at the cost of an entry in a table. Of messages that take
longer, each client has its part (`core/budget.py`), and while the process has grown by more than it should,
all but a few are refused, the last ones first. For a moment afterwards, calls are read a few at a time, each
client's in turn: a large message that arrives complete costs the event loop a tenth of a second.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple, Protocol

from limedb.aio.whole_reads import whole
from limedb.core.budget import Budget
from limedb.errors import OverloadedError, RequestTimeoutError
from limedb.ports import Clock
from limedb.rpc.server.clients import Clients, Context
from limedb.rpc.server.memory import ROOM_SECONDS, Held, Share

SLOW_SECONDS = 0.02
"""How long a message may be on its way before it is counted, at the second look: after a long turn of the
loop the first one finds messages that have arrived and were not read yet.
"""
MOST_SLOW = 2_000
"""Messages that may be on their way for longer than SLOW_SECONDS."""
FEW = 4
"""The same while memory is short, or after they have made the process grow by GROWN_BYTES."""
GROWN_BYTES = 128 << 20
FLOOD_SECONDS = 2.0
"""How long others are read a few at a time after messages were given up."""
AT_A_TIME = 8
RECEIVE_SECONDS = 30.0
"""The longest time that a message may take."""


def running_task() -> "asyncio.Task[object]":
    """The task of the current call; gRPC ends it when everything was sent."""
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("no task runs")
    return task


class Source(Context, Protocol):
    """A call whose message will be read."""

    async def read(self) -> object:
        """The message, as bytes; something else if the client ended its side without one."""


class Gauge(Protocol):
    """How much memory the process has."""

    @property
    def used(self) -> int:
        """Bytes that it holds for itself."""

    def is_short(self) -> bool:
        """Whether the process has grown by more than it should."""


class NoGauge:
    """A gauge that doesn't look at the memory."""

    used = 0

    def is_short(self) -> bool:
        """Never."""
        return False


class _Begun(NamedTuple):
    """A call being read."""

    source: Source
    since: float
    turn: Held | None
    """Released as soon as another call may be read."""
    is_late: bool = False
    """Whether it was late at the last look."""


class _Slow(NamedTuple):
    holder: str
    since: float


class Receiving:
    """The messages on their way to a node. gauge: of the process's memory. large: returns how many large
    messages are being processed, or wait for that. refused: how many were given up.
    """

    def __init__(
        self, gauge: "Gauge", clock: Clock, large: Callable[[], int], clients: Clients | None = None
    ) -> None:
        self._clients = clients or Clients()
        self._gauge, self._calm, self._large = gauge, gauge.used, large
        self._gate, self._clock = Share("requests on their way", AT_A_TIME, clock, unit="requests"), clock
        self._flooded_until = float("-inf")
        self._begun: dict[asyncio.Task[object], _Begun] = {}
        self._slow: dict[asyncio.Task[object], _Slow] = {}
        self._given_up: dict[asyncio.Task[object], Exception] = {}
        self._budget = Budget(MOST_SLOW)
        self._timer: asyncio.TimerHandle | None = None
        self.refused = 0

    @property
    def slow(self) -> int:
        """How many messages have been on their way for longer than SLOW_SECONDS."""
        return len(self._slow)

    async def message(self, source: Source) -> object:
        """The message of a call. OverloadedError, RequestTimeoutError: it was given up."""
        if self._clock.monotonic() < self._flooded_until:
            return await self._message_in_turn(source)
        return await self._message(source, None)

    async def _message_in_turn(self, source: Source) -> object:
        turn = await self._gate.wait(self._clients.of(source), 1, ROOM_SECONDS)
        with turn:
            return await self._message(source, turn)

    async def _message(self, source: Source, turn: Held | None) -> object:
        loop, task = asyncio.get_running_loop(), running_task()
        self._begun[task] = _Begun(source, loop.time(), turn)
        if self._timer is None:
            self._timer = loop.call_later(SLOW_SECONDS, self._look)
        try:
            return await whole(source.read())
        except asyncio.CancelledError:
            if (error := self._given_up.pop(task, None)) is None:
                raise
            task.uncancel()
            raise error from None
        finally:
            self._begun.pop(task, None)
            if slow := self._slow.pop(task, None):
                self._budget.give(slow.holder, 1)

    def _look(self) -> None:
        """Count messages that have become slow, and give up those without room."""
        loop = asyncio.get_running_loop()
        now, self._timer = loop.time(), None
        self._count_slow(now)
        for task, slow in [*self._slow.items()]:
            if now - slow.since < RECEIVE_SECONDS:
                break
            self._give_up(
                task, RequestTimeoutError(RECEIVE_SECONDS, "the client: its request did not come whole")
            )
        few = max(1, FEW - self._large())
        if len(self._slow) <= few:
            self._calm = self._gauge.used
        elif self._is_too_much():
            self._flooded_until = self._clock.monotonic() + FLOOD_SECONDS
            self._thin_out(few)
        if self._begun or self._slow:
            self._timer = loop.call_later(SLOW_SECONDS, self._look)

    def _count_slow(self, now: float) -> None:
        """Count messages that were late at the last look, too, and note those that are late."""
        for task, begun in [*self._begun.items()]:
            if now - begun.since < SLOW_SECONDS:
                break
            if begun.is_late:
                self._count(task, begun)
            else:
                self._begun[task] = begun._replace(is_late=True)

    def _count(self, task: "asyncio.Task[object]", begun: _Begun) -> None:
        del self._begun[task]
        if begun.turn is not None:
            begun.turn.release()
        holder = self._clients.of(begun.source)
        if self._budget.take(holder, 1):
            self._slow[task] = _Slow(holder, begun.since)
        else:
            self._give_up(task, self._refusal())

    def _is_too_much(self) -> bool:
        return self._gauge.used > self._calm + GROWN_BYTES or self._gauge.is_short()

    def _thin_out(self, few: int) -> None:
        """Give up all slow messages but a few: each time the last one of the client that has most."""
        while len(self._slow) > few:
            holder, _ = self._budget.most()
            last = next(task for task in reversed(self._slow) if self._slow[task].holder == holder)
            self._give_up(
                last, OverloadedError("large requests on their way", 1, len(self._slow), few, "requests")
            )

    def _give_up(self, task: "asyncio.Task[object]", error: Exception) -> None:
        if slow := self._slow.pop(task, None):
            self._budget.give(slow.holder, 1)
        self.refused += 1
        self._given_up[task] = error
        task.cancel()

    def _refusal(self) -> OverloadedError:
        return OverloadedError("requests on their way", 1, self._budget.held, MOST_SLOW, "requests")
