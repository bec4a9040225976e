"""How long a node that is asked to stop may take.

It owns these limits, which follow from the node's settings: the node keeps to them, and those that end nodes
wait as long. It must never wait.
"""

SPREAD_MS = 10_000
"""How long after it got its version a write may reach a replica: as long as a request takes. One that
arrives later was sent again.
"""
WATCH_LAG_MS = 2000
"""By which a watch is behind the nodes that it hears at most: a beat, and some time to be heard again."""
DRAIN_MARGIN_SECONDS = 1.0
"""By which a stop waits longer for a peer than that one doesn't count for watches."""
LONGEST_DRAIN_SECONDS = 60.0
"""The longest such wait, however large MAX_CLOCK_SKEW is: a stop has to have an end."""
LAST_SECONDS = 15.0
"""How long the rest of a stop may take; then the process ends as it is: what was acknowledged is on disk."""
END_SECONDS = 1.0
"""How long the end of a process may take that ends itself."""


def uncounted_ms(max_skew_ms: int) -> int:
    """How long a node doesn't count for watches after a start at which it had lost its log of changes.
    max_skew_ms: MAX_CLOCK_SKEW.
    """
    return SPREAD_MS + 2 * max_skew_ms + WATCH_LAG_MS


def drain_seconds(max_clock_skew: float) -> float:
    """How long a node that is asked to stop waits for such peers, at most. max_clock_skew: seconds."""
    wait = uncounted_ms(int(max_clock_skew * 1000)) / 1000 + DRAIN_MARGIN_SECONDS
    return min(wait, LONGEST_DRAIN_SECONDS)


def stop_seconds(max_clock_skew: float) -> float:
    """How long a whole stop takes at most; a node that runs still is stuck. max_clock_skew: seconds."""
    return drain_seconds(max_clock_skew) + LAST_SECONDS + END_SECONDS
