"""How long an answer of a peer may take, by the round trips that were measured.

It owns the estimate (RFC 6298: a smoothed round trip, and four times its deviation). It must never read a
clock or send anything.
"""

SMOOTHING, DEVIATION = 1 / 8, 1 / 4


CONNECTING = 3
"""Round trips until the first answer over a new connection: TCP's, HTTP/2's and the answer's own."""


class RoundTrips:
    """The round trips of one way. least, most: bounds of its patience, in seconds. first: its patience while
    nothing was measured.

    A node next door keeps `least`; one that is far away, or whose machine is busy, gets what it has needed.
    So distance isn't taken for death, and a peer that hangs is found out as soon as ever its distance allows.
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
        """Take what an answer has taken."""
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
        """The same, where it has to be connected first."""
        return self._bounded(CONNECTING * self.expected) if self.is_known else self._first

    @property
    def expected(self) -> float:
        """Seconds that a round trip takes at most, for all that was measured; 0: nothing was."""
        return 0.0 if self._smooth is None else self._smooth + 4 * self._deviation

    def _bounded(self, seconds: float) -> float:
        return min(self._most, max(self._least, seconds))
