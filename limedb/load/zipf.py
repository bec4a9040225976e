"""Ranks by Zipf's law: few are drawn often, most seldom.

It owns the drawing; the caller gives the randomness. Rejection-inversion (W. Hörmann and G. Derflinger,
"Rejection-inversion to generate variates from monotone discrete distributions", 1996): exact, and of constant
time and memory, however many ranks there are.
"""

import math
from collections.abc import Callable

EXPONENT = 0.99
"""How steep the law is by default; YCSB's constant."""


class Zipf:
    """Ranks 0 to count - 1; rank r is drawn in proportion to 1 / (r + 1) ** exponent (above 0).

    random: draws evenly from 0 (included) to 1 (excluded).
    """

    def __init__(self, count: int, random: Callable[[], float], exponent: float = EXPONENT) -> None:
        self._count, self._random, self._exponent = count, random, exponent
        self._low = self._integral(1.5) - 1
        self._high = self._integral(count + 0.5)
        self._surely = 2 - self._inverse(self._integral(2.5) - self._weight(2))

    def draw(self) -> int:
        """Return the next rank."""
        while True:
            at = self._high + self._random() * (self._low - self._high)
            place = self._inverse(at)
            rank = min(max(int(place + 0.5), 1), self._count)
            near = rank - place <= self._surely
            if near or at >= self._integral(rank + 0.5) - self._weight(rank):
                return rank - 1

    def _weight(self, rank: float) -> float:
        return float(rank**-self._exponent)

    def _integral(self, rank: float) -> float:
        """Return the integral of the weight from 1 to a rank."""
        power = 1 - self._exponent
        return math.log(rank) if abs(power) < 1e-9 else (rank**power - 1) / power

    def _inverse(self, integral: float) -> float:
        power = 1 - self._exponent
        return math.exp(integral) if abs(power) < 1e-9 else float((1 + integral * power) ** (1 / power))
