"""When a failed call is tried again: after pauses that grow, within a budget that calls share, or until
patience runs out. The client library and the commands, which call nodes from outside, wait by these rules.

It owns how long to wait before a try. It must never decide whether a try is safe. Many clients that retry at
the same time keep a busy cluster busy. So pauses are random, and every retry after a call's first one is paid
from a budget, which answers refill.
"""

import random
import time
from collections.abc import Callable

from limedb.errors import LimeDBError

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.02, 5.0
"""Seconds: the first pause lets a call move to another node at once, the longest leaves a cluster in peace.
"""
LONGEST_LOOK_SECONDS = 2.0
"""Seconds of the longest pause of a call that follows something: by then it notices that a node is back."""
GROWTH = 2.5
CAPACITY = 10.0
"""Retries that are allowed in a row while no node answers."""
EARNED = 0.1
"""Retries that an answer earns: at most one in ten, besides those of the capacity."""


def tried_words(tries: int, seconds: float) -> str:
    """How often and for how long something was tried: "tried 7 times in 30.0 s"; empty after one try."""
    return f"tried {tries} times in {seconds:.1f} s" if tries > 1 else ""


def asked_pause(seconds: float, chance: Callable[[], float] = random.random) -> float:
    """Seconds to wait where a node asked for so many: up to half more, so that clients that were refused at
    the same time don't come back at the same time.
    """
    return seconds * (1 + chance() / 2)


class Pauses:
    """Pauses that grow, in seconds. chance: draws evenly from 0 to 1."""

    def __init__(
        self,
        first: float = FIRST_PAUSE_SECONDS,
        longest: float = LONGEST_PAUSE_SECONDS,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._first, self._longest, self._chance = first, longest, chance
        self._next = first

    def pause(self, longest: bool = False) -> float:
        """Seconds to wait before the next try: at least half of the pause, the rest at random. longest: from
        now on use the longest pause.
        """
        pause = self._longest if longest else self._next
        self._next = min(self._longest, pause * GROWTH)
        return pause * (0.5 + self._chance() / 2)

    def begin_anew(self) -> None:
        """Start with the first pause again: a try has succeeded."""
        self._next = self._first


class Budget:
    """The retries that all calls of a client together may still make."""

    def __init__(self) -> None:
        self._left = CAPACITY

    def earn(self) -> None:
        """Note that a node has answered."""
        self._left = min(CAPACITY, self._left + EARNED)

    def spend(self) -> bool:
        """Take one more retry from the budget; False: it is spent."""
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Retries:
    """The retries of one call.

    The first is free, for a node that died owes answers to many callers. Later ones wait longer and longer,
    or at once for the longest pause if the budget is spent. They are postponed, not refused, for only the
    caller's deadline ends a call.
    """

    def __init__(self, budget: Budget, pauses: Pauses | None = None) -> None:
        self._budget, self._pauses = budget, pauses or Pauses()
        self._is_first = True

    def pause(self) -> float:
        """Seconds to wait before the next try."""
        is_first, self._is_first = self._is_first, False
        return self._pauses.pause(longest=not is_first and not self._budget.spend())


class Patience:
    """How long a call that follows something bears its absence: seconds since a try first failed. clock,
    sleep: as time.monotonic and time.sleep.
    """

    def __init__(
        self,
        seconds: float,
        pauses: Pauses | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._seconds, self._clock, self._sleep = seconds, clock, sleep
        self._pauses = pauses or Pauses(longest=LONGEST_LOOK_SECONDS)
        self._since: float | None = None
        self._tries = 0

    def heard(self) -> None:
        """Start from the beginning: something came."""
        if self._since is not None:
            self._since, self._tries = None, 0
            self._pauses.begin_anew()

    def wait(self, error: LimeDBError) -> None:
        """Wait before the next try. Raises the error of the last one if patience has run out."""
        now = self._clock()
        self._since = now if self._since is None else self._since
        self._tries += 1
        left = self._since + self._seconds - now
        if left <= 0:
            error.tried = tried_words(self._tries, now - self._since)
            raise error
        self._sleep(min(max(self._pauses.pause(), asked_pause(error.retry_seconds)), left))
