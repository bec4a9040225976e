"""The clocks of a node, and the time that it keeps over a restart.

It owns the interface between a node and real time. It must never read a clock.
"""

from typing import NamedTuple, Protocol


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

    def worked(self) -> float:
        """Seconds that this thread has had a processor; always 0: it isn't known."""


class SeenTime(NamedTuple):
    """The last time of the cluster that a node stored, before it was stopped."""

    ms: int
    """Milliseconds since 1970; 0: none is known."""
    slack_ms: int
    """By how many ms the node's last time may have been later, since it didn't stop in an orderly way."""


class TimeMark(Protocol):
    """Where a node stores the cluster's time."""

    def load(self) -> SeenTime:
        """The last saved one."""

    async def save(self, seen: SeenTime) -> None:
        """Save it durably. It may fail silently: then values that had expired may return after a restart, if
        the clock is set back meanwhile.
        """
