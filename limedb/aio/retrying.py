"""When what failed is tried again: after pauses that grow, within a budget that calls share, or until a
patience is at its end. All that calls nodes from outside waits by it, the client library and the commands.

It owns how long to wait before a try. It must never decide whether a try is safe. Many clients that try again
at once keep a busy cluster busy: the pauses are drawn at random, and what is tried again more than once pays
from a budget that answers fill.
"""

import random
import time
from collections.abc import Callable

from limedb.errors import LimeDBError

FIRST_PAUSE, LONGEST_PAUSE = 0.02, 5.0
"""Seconds: the first pause lets a call go elsewhere at once, the longest leaves a cluster in peace."""
LONGEST_LOOK = 2.0
"""Seconds of the longest pause of one who follows something: it notices by then that a node is back."""
GROWTH = 2.5
CAPACITY = 10.0
"""Retries that are allowed in a row when nothing is answered."""
EARNED = 0.1
"""Retries that an answer allows: at most one in ten, besides those of the capacity."""


def tried_words(tries: int, seconds: float) -> str:
    """For how long and how often something was tried: "tried 7 times in 30.0 s"; empty where once."""
    return f"tried {tries} times in {seconds:.1f} s" if tries > 1 else ""


class Pauses:
    """Pauses that grow, in seconds. chance: draws evenly from 0 to 1."""

    def __init__(
        self,
        first: float = FIRST_PAUSE,
        longest: float = LONGEST_PAUSE,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._first, self._longest, self._chance = first, longest, chance
        self._next = first

    def pause(self, longest: bool = False) -> float:
        """Seconds to wait before the next try: half of the pause at least, the rest by chance. longest: it is
        the longest pause from now on.
        """
        pause = self._longest if longest else self._next
        self._next = min(self._longest, pause * GROWTH)
        return pause * (0.5 + self._chance() / 2)

    def begin_anew(self) -> None:
        """Begin with the first pause again: a try has succeeded."""
        self._next = self._first


class Budget:
    """Retries that may still be made, of all calls of a client."""

    def __init__(self) -> None:
        self._left = CAPACITY

    def earn(self) -> None:
        """Hear that a node has answered."""
        self._left = min(CAPACITY, self._left + EARNED)

    def spend(self) -> bool:
        """Whether one more retry is within it; it is spent then."""
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Retries:
    """The retries of one call.

    The first is free, for a node that died owes its answers to many callers. Later ones wait ever longer, and
    at once the longest where the budget is spent: they are put off, not refused, for it is the caller's
    deadline that ends a call.
    """

    def __init__(self, budget: Budget, pauses: Pauses | None = None) -> None:
        self._budget, self._pauses = budget, pauses or Pauses()
        self._is_first = True

    def pause(self) -> float:
        """Seconds to wait before the next try."""
        is_first, self._is_first = self._is_first, False
        return self._pauses.pause(longest=not is_first and not self._budget.spend())


class Patience:
    """How long one who follows something bears that it is away: seconds since a try failed first.
    clock, sleep: as time.monotonic and time.sleep.
    """

    def __init__(
        self,
        seconds: float,
        pauses: Pauses | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._seconds, self._clock, self._sleep = seconds, clock, sleep
        self._pauses = pauses or Pauses(longest=LONGEST_LOOK)
        self._since: float | None = None
        self._tries = 0

    def heard(self) -> None:
        """Something came: all begins anew."""
        if self._since is not None:
            self._since, self._tries = None, 0
            self._pauses.begin_anew()

    def wait(self, error: LimeDBError) -> None:
        """Wait before the next try; the error of the last one, where the patience is at its end."""
        now = self._clock()
        self._since = now if self._since is None else self._since
        self._tries += 1
        left = self._since + self._seconds - now
        if left <= 0:
            error.tried = tried_words(self._tries, now - self._since)
            raise error
        self._sleep(min(self._pauses.pause(), left))
