"""How long an answer to a ping may take, by the round trips that were measured.

It owns the estimate (RFC 6298: a smoothed round trip, and four times its deviation). It must never read a
clock or send anything.
"""

SMOOTHING, DEVIATION = 1 / 8, 1 / 4


class RoundTrips:
    """The round trips of one way. least, most: bounds of its patience, in seconds.

    A node next door keeps `least`; one that is far away, or whose machine is busy, gets what it has needed.
    So distance isn't taken for death, and a peer that hangs is found out as soon as ever its distance allows.
    """

    def __init__(self, least: float, most: float) -> None:
        self._least, self._most = least, most
        self._smooth: float | None = None
        self._deviation = 0.0

    def measured(self, seconds: float) -> None:
        """Take what a ping that was answered has taken."""
        if self._smooth is None:
            self._smooth, self._deviation = seconds, seconds / 2
            return
        self._deviation += DEVIATION * (abs(self._smooth - seconds) - self._deviation)
        self._smooth += SMOOTHING * (seconds - self._smooth)

    @property
    def patience(self) -> float:
        """Seconds after which a ping without an answer is lost."""
        expected = 0.0 if self._smooth is None else self._smooth + 4 * self._deviation
        return min(self._most, max(self._least, expected))
