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

from limedb.core.round_trips import RoundTrips
from limedb.ports import Clock

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
"""How often the oldest call is looked at, while there is one."""
PATIENCE = 0.3
"""Seconds without any answer after which a peer that owes one is pinged."""
PING_TIMEOUT = 0.4
"""Seconds in which a ping is to be answered, by a peer that was never seen to need longer."""
FIRST_PING = 2.5
"""The same, of a peer that has not answered anything yet: nobody knows how far away it is. And the longest
that a probe waits, where what was measured doesn't say more.
"""
LONGEST_PING = 5.0
"""Seconds in which any peer is to answer one, however far away it is."""
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

    trouble: why the peer counts as unreachable, for how long, and how often it was tried since; empty while
    it doesn't.
    """

    def __init__(
        self, clock: Clock, ping: Callable[[float], Awaitable[bool]], renew: Callable[[], None]
    ) -> None:
        self._clock, self._ping, self._renew = clock, ping, renew
        self._calls: dict[Call, float] = {}  # in the order of their start
        self._answers = self._seen = 0
        self.trips = RoundTrips(PING_TIMEOUT, LONGEST_PING, FIRST_PING)
        self._heard = self._wanted = clock.monotonic()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._reason, self._since, self._tries = "", 0.0, 0

    @property
    def trouble(self) -> str:
        """See the class."""
        if not self._reason or not self._tries:
            return self._reason
        tries = "1 try" if self._tries == 1 else f"{self._tries} tries"
        seconds = self._clock.monotonic() - self._since
        return f"{self._reason}; {tries} without an answer in {seconds:.1f} s since"

    def begin(self, call: Call) -> None:
        """Watch a call."""
        self._calls[call] = self._clock.monotonic()
        if self._timer is None and self._task is None:
            self._arm()

    def end(self, call: Call, answered: bool, is_quick: bool = False) -> None:
        """Watch it no more. answered: the peer gave an answer, of any kind. is_quick: it answers such calls
        at once, so that what they take is the way.
        """
        if answered:
            self.heard(call, is_quick)
        self._calls.pop(call, None)

    def heard(self, call: Call, is_quick: bool = False) -> None:
        """Hear an answer of any kind, to a call that may go on. The first one says how far away the peer is,
        at most.
        """
        self._answers += 1
        if (is_quick or not self.trips.is_known) and call in self._calls:
            self.trips.measured(self._clock.monotonic() - self._calls[call])

    def want(self) -> None:
        """Say that somebody would use the link if it weren't in trouble."""
        self._wanted = self._clock.monotonic()

    def doubt(self, reason: str) -> None:
        """Take the peer for unreachable until a probe says otherwise. Calls that run go on."""
        if self._reason or self._closed:
            return
        self._take_amiss(reason)
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
        if self._reason and not self._closed:  # else nobody would ever find the peer again
            asyncio.get_running_loop().call_later(PROBE_SECONDS, self._probe_again)
        if self._timer is None and self._calls:
            self._arm()

    def _probe_again(self) -> None:
        if self._task is None and self._reason and not self._closed:
            self._start(self._probe())

    async def _check(self) -> None:
        """Ping the peer; where it gives no sign of life, end what it owes and probe it."""
        patience = self.trips.patience
        if not await self._gives_sign(patience):
            self._take_amiss(f"no answer to a ping within {patience:.2g} s")
            for call in list(self._calls):
                call.cancel()
        if self._reason:
            await self._probe()

    def _take_amiss(self, reason: str) -> None:
        if not self._reason:
            self._reason, self._since, self._tries = reason, self._clock.monotonic(), 0
        self.want()

    async def _gives_sign(self, patience: float) -> bool:
        """Whether a ping was answered, or something else meanwhile (it is busy), or it isn't the peer that
        stands still but this process.
        """
        started, answers = self._clock.elapsed(), self._answers
        answered = await self._ping(patience)
        took = self._clock.elapsed() - started
        stalled = took > patience + STALL_SECONDS
        if answered and not stalled:
            self.trips.measured(took)
        if answered or stalled or self._answers != answers:
            self._heard = self._clock.monotonic()
            return True
        return False

    async def _probe(self) -> None:
        """Return when the peer gave a sign of life, or when nobody has asked for it for long."""
        began = renewed = self._clock.monotonic()
        patience = self.trips.fresh_patience if self.trips.is_known else PING_TIMEOUT
        longest = max(FIRST_PING, patience)
        while (now := self._clock.monotonic()) - self._wanted < LAPSE_SECONDS:
            pace = 4 if now - began > LONG_TROUBLE else 1
            if now - renewed >= max(RENEW_SECONDS * pace, patience):
                self._renew()
                renewed = now
            if await self._ping(patience):
                break
            self._tries += 1
            patience = min(longest, patience * GROWTH)
            await asyncio.sleep(PROBE_SECONDS * pace)
        self._heard = self._clock.monotonic()
        self._reason = ""
