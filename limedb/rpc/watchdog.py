"""Whether a peer that owes answers is alive.

It owns what is outstanding on one link, and the judgement: a peer that leaves a call unanswered for PATIENCE
is pinged, and one that answers neither the ping nor anything else meanwhile is in trouble: all that is
outstanding ends at once, and it is probed until it answers. So a call fails within 0.8 s where a peer hangs
or is cut off, and runs on where it is only slow; a peer that is far away has the time that its pings take.
It must never know what the calls ask.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Protocol

from limedb.ports import Clock
from limedb.rpc.patience import RoundTrips

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
"""How often the oldest call is looked at, while there is one."""
PATIENCE = 0.3
"""Seconds without any answer after which a peer that owes one is pinged."""
PING_TIMEOUT = 0.4
"""Seconds in which a ping is to be answered, by a peer that was never seen to need longer."""
LONGEST_PING = 2.5
"""Seconds in which any peer is to answer one: over a new connection, three round trips."""
GROWTH = 1.5
"""By how much longer each probe waits than the one before it that was not answered."""
STALL_SECONDS = 0.2
"""A ping that ends later than that after its time ended in a process that stood still itself."""
PROBE_SECONDS = 0.25
"""Seconds between two probes of a peer in trouble."""
RENEW_SECONDS = 0.5
"""Seconds after which a probe takes a new connection: TCP and gRPC wait ever longer between their tries."""
LONG_TROUBLE = 10.0
"""Seconds of trouble after which probes and new connections come four times more slowly."""
LAPSE_SECONDS = 30.0
"""A peer that nobody asked for in that time is probed no more: the next call finds out by itself."""


class Call(Protocol):
    """A call under way."""

    def cancel(self) -> bool:
        """End it."""


class Watchdog:
    """Watches one link. ping: asks the peer for a sign of life, with a timeout in seconds; True: it gave one.
    renew: makes later calls and pings go over a new connection.

    trouble: why the peer counts as unreachable; empty while it doesn't.
    """

    def __init__(
        self, clock: Clock, ping: Callable[[float], Awaitable[bool]], renew: Callable[[], None]
    ) -> None:
        self._clock, self._ping, self._renew = clock, ping, renew
        self._calls: dict[Call, float] = {}  # in the order of their start
        self._answers = self._seen = 0
        self._trips = RoundTrips(PING_TIMEOUT, LONGEST_PING)
        self._heard = self._wanted = clock.monotonic()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self.trouble = ""

    def begin(self, call: Call) -> None:
        """Watch a call."""
        self._calls[call] = self._clock.monotonic()
        if self._timer is None and self._task is None:
            self._arm()

    def end(self, call: Call, answered: bool) -> None:
        """Watch it no more. answered: the peer gave an answer, of any kind."""
        self._calls.pop(call, None)
        self._answers += answered

    def heard(self) -> None:
        """Hear an answer of any kind, to a call that goes on."""
        self._answers += 1

    def want(self) -> None:
        """Say that somebody would use the link if it weren't in trouble."""
        self._wanted = self._clock.monotonic()

    def doubt(self, reason: str) -> None:
        """Take the peer for unreachable until a probe says otherwise. Calls that run go on."""
        if self.trouble or self._closed:
            return
        self.trouble = reason
        self.want()
        if self._task is None:
            self._start(self._probe())

    async def close(self) -> None:
        """Watch no more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _arm(self) -> None:
        if not self._closed:
            self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        self._timer = None
        if not self._calls:
            return
        now = self._clock.monotonic()
        if self._answers != self._seen:
            self._seen, self._heard = self._answers, now
        if self._task is None and now - max(self._heard, next(iter(self._calls.values()))) >= PATIENCE:
            self._start(self._check())
        else:
            self._arm()

    def _start(self, work: Coroutine[None, None, None]) -> None:
        self._task = asyncio.get_running_loop().create_task(work)
        self._task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the watch over a link failed", exc_info=error)
        if self.trouble and not self._closed:  # else nobody would ever find the peer again
            asyncio.get_running_loop().call_later(PROBE_SECONDS, self._probe_again)
        if self._timer is None and self._calls:
            self._arm()

    def _probe_again(self) -> None:
        if self._task is None and self.trouble and not self._closed:
            self._start(self._probe())

    async def _check(self) -> None:
        """Ping the peer; where it gives no sign of life, end what it owes and probe it."""
        if not await self._gives_sign():
            self.trouble = self.trouble or "no answer to a ping"
            self.want()
            for call in list(self._calls):
                call.cancel()
        if self.trouble:
            await self._probe()

    async def _gives_sign(self) -> bool:
        """Whether a ping was answered, or something else meanwhile (it is busy), or it isn't the peer that
        stands still but this process.
        """
        started, answers = self._clock.elapsed(), self._answers
        patience = self._trips.patience
        answered = await self._ping(patience)
        took = self._clock.elapsed() - started
        stalled = took > patience + STALL_SECONDS
        if answered and not stalled:
            self._trips.measured(took)
        if answered or stalled or self._answers != answers:
            self._heard = self._clock.monotonic()
            return True
        return False

    async def _probe(self) -> None:
        """Return when the peer gave a sign of life, or when nobody has asked for it for long."""
        began = renewed = self._clock.monotonic()
        patience = self._trips.patience
        while (now := self._clock.monotonic()) - self._wanted < LAPSE_SECONDS:
            pace = 4 if now - began > LONG_TROUBLE else 1
            if now - renewed >= max(RENEW_SECONDS * pace, patience):
                self._renew()
                renewed = now
            if await self._ping(patience):
                self._trips.measured(self._clock.monotonic() - now)
                break
            patience = min(LONGEST_PING, patience * GROWTH)
            await asyncio.sleep(PROBE_SECONDS * pace)
        self._heard = self._clock.monotonic()
        self.trouble = ""
