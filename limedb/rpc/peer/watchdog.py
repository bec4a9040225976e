"""Judges whether a peer that owes answers is alive.

It owns the outstanding calls of one link, and their end. It pings a peer that leaves a call unanswered for
PATIENCE_SECONDS. A peer that answers neither the ping nor anything else meanwhile is in trouble: all
outstanding calls end at once, and the watchdog probes the peer until it answers. So a call fails within 0.8 s
if the peer hangs or is cut off, and continues if it is only slow; a distant peer gets the time that its pings
take. It must never know the content of the calls.

Tested in tests/rpc/peer/test_links.py and tests/rpc/peer/test_stream.py.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Protocol

from limedb.core.round_trips import RoundTrips
from limedb.ports import Clock

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
"""How often the oldest call is checked, while there is one."""
PATIENCE_SECONDS = 0.3
"""Seconds without any answer after which a peer that owes one is pinged."""
PING_SECONDS = 0.4
"""Seconds in which a peer must answer a ping, unless it has been seen to need longer."""
FIRST_PING_SECONDS = 2.5
"""The same for a peer that has not answered anything yet, whose distance is unknown. It is also the longest
wait of a probe, unless the measurements demand more.
"""
LONGEST_PING_SECONDS = 5.0
"""Seconds in which any peer must answer a ping, however far away it is."""
GROWTH = 1.5
"""The factor by which each probe waits longer than the unanswered one before it."""
STALL_SECONDS = 0.2
"""If a ping ends later than its timeout by more than this, the own process stood still."""
PROBE_SECONDS = 0.25
"""Seconds between two probes of a peer in trouble."""
RENEW_SECONDS = 0.5
"""Seconds after which a probe uses a new connection: TCP and gRPC wait longer and longer between
their tries.
"""
LONG_TROUBLE_SECONDS = 10.0
"""Seconds of trouble after which probes and new connections come four times more slowly."""
LAPSE_SECONDS = 30.0
"""Probing stops if no call wanted the peer for this long: the next call finds out itself."""


class Call(Protocol):
    """A call under way."""

    def cancel(self) -> bool:
        """End it."""


class Watchdog:
    """Watches one link. ping: asks the peer for a sign of life, with a timeout in seconds; True: it gave one.
    renew: makes later calls and pings use a new connection.

    trouble: why the peer counts as unreachable, for how long, and how often it was tried since; empty while
    it doesn't.
    """

    def __init__(
        self, clock: Clock, ping: Callable[[float], Awaitable[bool]], renew: Callable[[], None]
    ) -> None:
        self._clock, self._ping, self._renew = clock, ping, renew
        self._calls: dict[Call, float] = {}  # in the order of their start
        self._answers = self._seen = 0
        self.trips = RoundTrips(PING_SECONDS, LONGEST_PING_SECONDS, FIRST_PING_SECONDS)
        self._heard = self._wanted = clock.monotonic()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._reason, self._since, self._tries = "", 0.0, 0

    @property
    def trouble(self) -> str:
        """Why the peer counts as unreachable, for how long, and the tries since; empty while it doesn't."""
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
        """Stop watching a call. answered: the peer gave an answer, of any kind. is_quick: peers answer such
        calls at once, so their time is that of the way.
        """
        if answered:
            self.heard(call, is_quick)
        self._calls.pop(call, None)

    def heard(self, call: Call, is_quick: bool = False) -> None:
        """Note an answer of any kind, to a call that may continue. The first one gives an upper bound of the
        peer's distance.
        """
        self._answers += 1
        if (is_quick or not self.trips.is_known) and call in self._calls:
            self.trips.measured(self._clock.monotonic() - self._calls[call])

    def want(self) -> None:
        """Note that a caller would use the link if it weren't in trouble."""
        self._wanted = self._clock.monotonic()

    def doubt(self, reason: str) -> None:
        """Take the peer to be unreachable until a probe succeeds. Running calls continue."""
        if self._reason or self._closed:
            return
        self._begin_trouble(reason)
        if self._task is None:
            self._start(self._probe())

    async def close(self) -> None:
        """Stop watching."""
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
        if (
            self._task is None
            and now - max(self._heard, next(iter(self._calls.values()))) >= PATIENCE_SECONDS
        ):
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
        if self._reason and not self._closed:  # otherwise the link would never find the peer again
            asyncio.get_running_loop().call_later(PROBE_SECONDS, self._probe_again)
        if self._timer is None and self._calls:
            self._arm()

    def _probe_again(self) -> None:
        if self._task is None and self._reason and not self._closed:
            self._start(self._probe())

    async def _check(self) -> None:
        """Ping the peer; if it gives no sign of life, end its calls and probe it."""
        patience = self.trips.patience
        if not await self._gives_sign(patience):
            self._begin_trouble(f"no answer to a ping within {patience:.2g} s")
            for call in list(self._calls):
                call.cancel()
        if self._reason:
            await self._probe()

    def _begin_trouble(self, reason: str) -> None:
        if not self._reason:
            self._reason, self._since, self._tries = reason, self._clock.monotonic(), 0
        self.want()

    async def _gives_sign(self, patience: float) -> bool:
        """Whether the peer answered a ping, or another call meanwhile (it is busy), or this process stood
        still instead of the peer.
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
        """Return when the peer gave a sign of life, or when no call has wanted it for long."""
        began = renewed = self._clock.monotonic()
        patience = self.trips.fresh_patience if self.trips.is_known else PING_SECONDS
        longest = max(FIRST_PING_SECONDS, patience)
        while (now := self._clock.monotonic()) - self._wanted < LAPSE_SECONDS:
            pace = 4 if now - began > LONG_TROUBLE_SECONDS else 1
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
