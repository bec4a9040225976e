"""A clock in hand."""

from limedb.ports import Clock


class HandClock(Clock):
    """Shows the time that a test sets."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds

    def wall_ms(self) -> int:
        return int(self.seconds * 1000)
