"""Watches: the changes of some keys, from all of the cluster.

It owns which feed serves a watch, how many there are, and how a watch reads one. It must never delay a
writer, nor keep anything for a watch: it is a place in a channel (`channel.py`), which all watches of the
same keys share.

The first few selections have a feed of their own (`feed.py`), so that a watch of few keys costs little.
All beyond those share one of all keys.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple

from limedb.aio.running_time import TIMER_SLACK_SECONDS
from limedb.core.hlc import wall_ms_of
from limedb.core.quorum import Level
from limedb.core.record import Record
from limedb.core.selection import WatchFilter
from limedb.errors import InvalidRequestError, TooManyWatchesError, WatchGapError
from limedb.ports import Clock, Placement, Replicas
from limedb.replication.watch.channel import Piece
from limedb.replication.watch.channels import ALL
from limedb.replication.watch.feed import Feed, Place
from limedb.replication.watch.reported import Reported
from limedb.replication.watch.sources import World

BEAT_SECONDS = 3.0
"""The longest time that a watch hears nothing."""
MAX_WATCHES = 2_000
"""Watches of one node. Each costs some ten kB, and the messages that wait for a client that doesn't read."""
MAX_NARROW, MAX_WIDE = 16, 4
"""Feeds of some keys, each a stream from every node; and feeds of all keys: more than one only where watches
are resumed from before the first began.
"""
MAX_AHEAD_MS = 24 * 3600 * 1000
"""How far versions may be ahead of the own clock: a clock that was set back follows the cluster's time."""
MAX_REPORTED = 200_000
"""Keys whose last reported version feeds remember, all together; a busy node writes this many in 10 s."""
MAX_BYTES, LEAST_BYTES = 64 << 20, 64 << 10
"""Bytes that all channels keep together, and each one at least."""


class WatchEvent(NamedTuple):
    """Changes that a watch reports, and the version after which it may be resumed."""

    pieces: list[Piece]
    resume_version: int

    @property
    def changes(self) -> list[Record]:
        """The changes of all pieces."""
        return [record for piece in self.pieces for record in piece.records]


class Watcher:
    """Starts watches. max_skew_ms: MAX_CLOCK_SKEW. max_watches: at a time; max_reported: see MAX_REPORTED.

    feed_class, reported_class: of what watches share.
    """

    feed_class = Feed
    reported_class = Reported

    def __init__(
        self,
        placement: Placement,
        replicas: Replicas,
        clock: Clock,
        max_skew_ms: int,
        *,
        max_watches: int = MAX_WATCHES,
        max_reported: int = MAX_REPORTED,
    ) -> None:
        self._world = World(placement, replicas, clock, max_skew_ms)
        self._max_watches, self._max_reported = max_watches, max_reported
        self._feeds: list[Feed] = []
        self.watches = 0

    def watch(
        self, what: WatchFilter, after_version: int | None, level: Level | None
    ) -> AsyncGenerator[WatchEvent, None]:
        """The changes: first none, when the watch stands; then as they come, and now and then none.

        after_version: also report the changes after it. InvalidRequestError: the level is LINEARIZABLE, or
        the version lies so far ahead that no watch can have reported it. WatchGapError: some of the changes
        after it are no longer known, or the caller takes messages too slowly. RangeUnreachableError: too few
        owners of some keys are heard; NotMemberError. TooManyWatchesError.
        """
        if level is Level.LINEARIZABLE:
            raise InvalidRequestError(
                "consistency=linearizable: a watch can't be; ask for one, quorum or all"
            )
        if after_version is not None:
            ahead_ms = wall_ms_of(after_version) - self._world.clock.wall_ms()
            if ahead_ms > MAX_AHEAD_MS:
                raise InvalidRequestError(
                    f"after_version={after_version}: no watch has reported such a version, which is"
                    f" {ahead_ms / 3_600_000:.0f} h ahead of the node's clock; give a watch's resume_version"
                )
        return self._watch(what, after_version, level or Level.QUORUM)

    async def _watch(
        self, what: WatchFilter, after: int | None, level: Level
    ) -> AsyncGenerator[WatchEvent, None]:
        if self.watches >= self._max_watches:
            raise TooManyWatchesError("this node", self._max_watches)
        self.watches += 1
        try:
            place = self._join(what, after, level)
            place.feed.subscribers += 1
            place.channel.subscribers += 1
            try:
                async with aclosing(self._read(place, after)) as news:
                    async for changes in news:
                        yield changes
            finally:
                await self._leave(place)
        finally:
            self.watches -= 1

    # --- the feeds

    def _join(self, what: WatchFilter, after: int | None, level: Level) -> Place:
        since_ms = None if after is None else max(0, wall_ms_of(after) - self._world.margin_ms)
        for feed in self._feeds:
            if feed.level is level and feed.what in (what, ALL):
                place = feed.join(what, since_ms)
                if place is not None:
                    return place
        place = self._begin(what, since_ms, level).join(what, since_ms)
        assert place is not None  # noqa: S101 (a feed that begins so knows all of it)
        return place

    def _begin(self, what: WatchFilter, since_ms: int | None, level: Level) -> Feed:
        wide = sum(feed.what == ALL for feed in self._feeds)
        if len(self._feeds) - wide >= MAX_NARROW:
            what = ALL
        if what == ALL and wide >= MAX_WIDE:
            raise TooManyWatchesError("this node, each resumed from another time,", wide)
        reported = self.reported_class(lambda: max(1, self._max_reported // max(1, len(self._feeds))))
        feed = self.feed_class(self._world, what, since_ms, level, reported, self._channel_bytes)
        feed.work = asyncio.get_running_loop().create_task(feed.run())
        self._feeds.append(feed)
        return feed

    def _channel_bytes(self) -> int:
        return max(LEAST_BYTES, MAX_BYTES // max(1, sum(len(feed.channels) for feed in self._feeds)))

    async def _leave(self, place: Place) -> None:
        feed, channel = place.feed, place.channel
        feed.subscribers -= 1
        channel.subscribers -= 1
        if not channel.subscribers:
            feed.channels.drop(channel)
        if not feed.subscribers:
            self._feeds.remove(feed)
            await feed.close()

    # --- one watch

    async def _read(self, place: Place, after: int | None) -> AsyncGenerator[WatchEvent, None]:
        feed, channel, at, since = place
        await feed.wait_begun()
        await self._world.turns.next()
        yield WatchEvent([], feed.resume if after is None else after)
        now = asyncio.get_running_loop().time
        due = now() + BEAT_SECONDS
        while True:
            if not channel.holds(at):
                raise WatchGapError(feed.resume, "this watch reads too slowly")
            pieces, at = channel.take(at, since)
            if pieces or now() + TIMER_SLACK_SECONDS >= due:
                resume = feed.resume if at >= channel.end else channel.piece(at).resume
                yield WatchEvent(pieces, max(resume, after or 0))
                due = now() + BEAT_SECONDS
            if at >= channel.end:
                if (error := channel.error or feed.error) is not None:
                    raise error.with_traceback(None)
                await channel.wait(due)
            else:
                await self._world.turns.next()
