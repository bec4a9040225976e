"""When what failed is tried again: after pauses that grow, and within a budget that all calls share.

It owns how long to wait before a try. It must never decide whether a try is safe, read a clock, or wait. Many
clients that try again at once keep a busy cluster busy: the pauses are drawn at random, and what is tried
again more than once pays from a budget that answers fill.
"""

import random
from collections.abc import Callable

FIRST_PAUSE, LONGEST_PAUSE = 0.02, 5.0
"""Seconds: the first pause lets a call go elsewhere at once, the longest leaves a cluster in peace."""
GROWTH = 2.5
CAPACITY = 10.0
"""Retries that are allowed in a row when nothing is answered."""
EARNED = 0.1
"""Retries that an answer allows: at most one in ten, besides those of the capacity."""


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
    """The retries of one call. chance: draws evenly from 0 to 1.

    The first is free, for a node that died owes its answers to many callers. Later ones wait ever longer, and
    at once the longest where the budget is spent: they are put off, not refused, for it is the caller's
    deadline that ends a call.
    """

    def __init__(
        self,
        budget: Budget,
        chance: Callable[[], float] = random.random,
        first: float = FIRST_PAUSE,
        longest: float = LONGEST_PAUSE,
    ) -> None:
        self._budget, self._chance, self._longest = budget, chance, longest
        self._pause, self._count = first, 0

    def pause(self) -> float:
        """Seconds to wait before the next try: half of it at least, the rest by chance."""
        self._count += 1
        if self._count > 1 and not self._budget.spend():
            self._pause = self._longest
        pause, self._pause = self._pause, min(self._longest, self._pause * GROWTH)
        return pause * (0.5 + self._chance() / 2)
