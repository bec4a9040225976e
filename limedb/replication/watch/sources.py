"""The nodes that a feed listens to, and what it has heard of each.

It owns these values. It must never decide whether they are enough: the feed does.

Tested in tests/replication/watch/test_feed.py.
"""

import asyncio

from limedb.aio.turns import Turns
from limedb.core.stop_limits import SPREAD_MS
from limedb.ports import ChangeBatch, Clock, Placement, Replicas


class World:
    """The surroundings of feeds. max_skew_ms: MAX_CLOCK_SKEW. turns: of all that watch."""

    def __init__(self, placement: Placement, replicas: Replicas, clock: Clock, max_skew_ms: int) -> None:
        self.placement, self.replicas, self.clock = placement, replicas, clock
        self.turns = Turns(clock.monotonic)
        self.skew_ms = 2 * max_skew_ms  # two clocks differ so much at most, or one that was set right
        self.margin_ms = SPREAD_MS + self.skew_ms


class WatchSource:
    """A node that is listened to.

    since_ms: the start of the requested changes; None: now. until_ms: the time until which it has reported
    all. complete_since_ms: the time from which on it reports all; None: all that was requested. is_live: it
    is heard. reason: why not. gap: why it doesn't report all. is_tried: it has answered once, or failed to.
    """

    __slots__ = (
        "complete_since_ms",
        "gap",
        "is_live",
        "is_tried",
        "reason",
        "since_ms",
        "task",
        "until_ms",
        "url",
    )

    def __init__(self, url: str, since_ms: int | None) -> None:
        self.url, self.since_ms = url, since_ms
        self.until_ms = 0
        self.complete_since_ms: int | None = None
        self.is_live = self.is_tried = False
        self.reason, self.gap = "it has not answered yet", ""
        self.task: asyncio.Task[None] | None = None


def gap_of(batch: ChangeBatch) -> str:
    """The reason why a node's log doesn't reach back as far as requested."""
    if not batch.started_ms:
        return "it was restarted, or its log of changes is too short"
    if batch.complete_since_ms <= batch.started_ms:
        return "it was restarted"
    return "its log of changes keeps no older ones: too much was written meanwhile"


def listed(reasons: dict[str, str]) -> str:
    """Why nodes are not heard, by URL, as one text."""
    return "; ".join(f"{url}: {why}" for url, why in sorted(reasons.items()))
