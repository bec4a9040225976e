"""The time limits of a node's stop.

It owns these limits, which follow from the node's settings: the node keeps to them, and commands that stop
nodes wait as long. It must never wait.
"""

SPREAD_MS = 10_000
"""How long after getting its version a write may reach a replica: as long as a request takes. A write that
arrives later was sent again.
"""
WATCH_LAG_MS = 2000
"""The most by which a watch is behind the nodes that it hears: a beat, and some time to be heard again."""
DRAIN_MARGIN_SECONDS = 1.0
"""How much longer a stop waits for a peer than the time for which watches can't count on the peer."""
LONGEST_DRAIN_SECONDS = 60.0
"""The longest such wait, however large MAX_CLOCK_SKEW is: a stop must finish."""
LAST_SECONDS = 15.0
"""How long the rest of a stop may take; then the process exits as it is: acknowledged writes are on disk."""
END_SECONDS = 1.0
"""How long a process that stops itself may take to exit."""


def uncounted_ms(max_skew_ms: int) -> int:
    """For how many ms after a start without its log of changes watches can't count on a node. max_skew_ms:
    MAX_CLOCK_SKEW.
    """
    return SPREAD_MS + 2 * max_skew_ms + WATCH_LAG_MS


def drain_seconds(max_clock_skew: float) -> float:
    """The longest time that a stopping node waits for such peers. max_clock_skew: seconds."""
    wait = uncounted_ms(int(max_clock_skew * 1000)) / 1000 + DRAIN_MARGIN_SECONDS
    return min(wait, LONGEST_DRAIN_SECONDS)


def stop_seconds(max_clock_skew: float) -> float:
    """The longest time of a whole stop; a node that still runs afterwards is stuck. max_clock_skew:
    seconds.
    """
    return drain_seconds(max_clock_skew) + LAST_SECONDS + END_SECONDS
