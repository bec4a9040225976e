"""How long a peer's answer may take, by the measured round trips.

It owns the estimate (RFC 6298: a smoothed round trip, and four times its deviation). It must never read a
clock or send anything.
"""

SMOOTHING, DEVIATION = 1 / 8, 1 / 4


CONNECTING = 3
"""Round trips until the first answer over a new connection: TCP's, HTTP/2's and the answer's own."""


class RoundTrips:
    """The round trips of one route. least, most: bounds of its patience, in seconds. first: its patience
    while nothing was measured.

    A node nearby gets `least`; one that is far away, or on a busy machine, gets the time that it has needed
    before. So a distant node isn't considered dead, and a hanging peer is noticed as soon as its distance
    allows.
    """

    def __init__(self, least: float, most: float, first: float | None = None) -> None:
        self._least, self._most = least, most
        self._first = least if first is None else first
        self._smooth: float | None = None
        self._deviation = 0.0

    @property
    def is_known(self) -> bool:
        """Whether anything was measured."""
        return self._smooth is not None

    def measured(self, seconds: float) -> None:
        """Add the time that an answer has taken."""
        if self._smooth is None:
            self._smooth, self._deviation = seconds, seconds / 2
            return
        self._deviation += DEVIATION * (abs(self._smooth - seconds) - self._deviation)
        self._smooth += SMOOTHING * (seconds - self._smooth)

    @property
    def patience(self) -> float:
        """Seconds after which a ping without an answer is lost."""
        return self._bounded(self.expected) if self.is_known else self._first

    @property
    def fresh_patience(self) -> float:
        """The same for an answer that needs a new connection first."""
        return self._bounded(CONNECTING * self.expected) if self.is_known else self._first

    @property
    def expected(self) -> float:
        """The most seconds that a round trip should take, by the measurements; 0: there are none."""
        return 0.0 if self._smooth is None else self._smooth + 4 * self._deviation

    def _bounded(self, seconds: float) -> float:
        return min(self._most, max(self._least, seconds))
