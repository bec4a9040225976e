"""The clocks of a node.

It owns the interface between a node and real time. It must never read a clock.
"""

from typing import Protocol


class Clock(Protocol):
    """The clocks of a node."""

    def wall_ms(self) -> int:
        """Milliseconds since 1970; it may jump."""

    def monotonic(self) -> float:
        """Seconds since some moment; it never runs backwards. For waiting, and for judging the silence of
        others: pauses of this process hardly count (`aio/running_time.py`).
        """

    def elapsed(self) -> float:
        """Seconds since some moment, including all pauses of this process. For comparing clocks."""
