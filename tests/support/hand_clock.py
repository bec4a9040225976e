"""A clock in hand."""

from limedb.ports import Clock


class HandClock(Clock):
    """Shows the time that a test sets. now: seconds since some moment. offset_ms: added by the wall clock."""

    def __init__(self, now: float = 100.0, offset_ms: int = 0) -> None:
        self.now, self.offset_ms = now, offset_ms

    def wall_ms(self) -> int:
        return int(self.now * 1000) + self.offset_ms

    def monotonic(self) -> float:
        return self.now

    def elapsed(self) -> float:
        return self.now

    def worked(self) -> float:
        return 0.0
