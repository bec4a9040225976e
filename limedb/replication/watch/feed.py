"""The changes of some keys in the whole cluster, for all watches of them on this node.

It owns the choice of nodes to listen to, decides when they are enough, and which of their changes to report.
It must never delay a writer, wait for a subscriber, or keep more than its bounds.

Each owner sends the changes of its store (`change_log.py`); this node is just one of them. The feed must hear
as many current owners of every range as the level needs: at QUORUM one of them has heard of each write that a
quorum acknowledged. The feed asks a lost node for the changes since it was lost. A node whose log doesn't
reach back that far, as after a crash, counts again once all earlier changes are certainly reported.

The feed reports each version once, and those of a key in their order. This holds in bounded memory, and
nothing is missed: `Reported` knows the last version of many keys exactly. For a key that it has forgotten it
knows a bound: a version above the bound is newer than all reported ones. Let a version v be at or below it
(UNSURE), so that it may have been reported or not.

1. `resume` is a time such that all changes that had arrived before it at the nodes that count (of each range
   enough to share one with every quorum) are reported, or were before the feed began.
2. A write that isn't late reaches every replica that acknowledges it within SPREAD_MS of v, by a clock
   that differs from the others by MAX_CLOCK_SKEW at most. So if v + SPREAD_MS + 2 * MAX_CLOCK_SKEW <= resume,
   a node that counts had it by then, if it was ever acknowledged, and it is reported, or a newer version of
   the key is. A version that old which arrives now is a repeat or a copy (a hint, a repair, a streamed range,
   a node that is back), and is left out.
3. A late write (sent again under its version, `change_log.py` marks it) may be acknowledged only now, and a
   version younger than that may be on its way. In these cases nothing is certain: the channel closes with a
   gap.

The feed also leaves out a record that a write of unknown outcome left on only one node, and that a copy
brings to others after its key was forgotten: it was never acknowledged.

A subscriber that begins in a running feed must get all writes acknowledged from then on. A write may have
been reported before, and be acknowledged after: it then reaches another node that the feed hears later, and
the feed reports it again to those that began in between (an echo), unless it was acknowledged before by 2.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import aclosing, suppress
from typing import NamedTuple

from limedb.aio.running_time import timeout
from limedb.core.coverage import Coverage
from limedb.core.hlc import version_at, wall_ms_of
from limedb.core.layout import Layout
from limedb.core.quorum import Level
from limedb.core.record import Record
from limedb.core.selection import WatchFilter
from limedb.errors import (
    LimeDBError,
    RangeUnreachableError,
    ReplicaUnreachableError,
    StaleEpochError,
    WatchGapError,
)
from limedb.ports import ChangeBatch
from limedb.replication.replica_errors import failure_text
from limedb.replication.stale_epoch import follow_topology
from limedb.replication.watch.channel import Channel
from limedb.replication.watch.channels import Channels
from limedb.replication.watch.reported import Known, Reported
from limedb.replication.watch.sources import WatchSource, World, gap_of, listed

SILENCE_SECONDS = 4.0
"""The time after which a node that sends nothing, not even a beat, is lost."""
RETRY_SECONDS = 0.2
START_SECONDS = 2.0
"""How long a feed waits at first for nodes that don't answer."""
GRACE_SECONDS = 5.0
"""How long a feed may hear too few nodes before it fails: it reports the changes of that time later."""
LOOK_SECONDS = 0.1
QUEUE = 4
"""Batches of all nodes together that wait for the feed."""


class Place(NamedTuple):
    """Where a subscriber begins: the number of a piece, and the feed's count before it."""

    feed: "Feed"
    channel: Channel
    at: int
    since: int


class Feed:
    """The changes of a selection at a level. since_ms: from when on; None: from now.

    resume: the version after which a watch may be resumed when it has all reported changes. newest_ms: the
    latest time of any node that was heard. count: changes reported so far. error: why it has failed.
    coverage_class: of the count of nodes that are heard.
    """

    coverage_class = Coverage

    def __init__(
        self,
        world: World,
        what: WatchFilter,
        since_ms: int | None,
        level: Level,
        reported: Reported,
        max_bytes: Callable[[], int],
    ) -> None:
        self._world, self.what, self.since_ms, self.level = world, what, since_ms, level
        self._sources: dict[str, WatchSource] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._queue: asyncio.Queue[tuple[WatchSource, ChangeBatch | LimeDBError]] = asyncio.Queue(QUEUE)
        self._reported = reported
        self._coverage: Coverage | None = None
        self._now = world.clock.monotonic
        self._is_begun = asyncio.Event()
        self._began = self._enough_at = self._now()
        self._began_ms = world.clock.wall_ms()
        self.resume = 0 if since_ms is None else version_at(since_ms + world.margin_ms)
        self.newest_ms = -1
        self.count = 0
        self.error: LimeDBError | None = None
        self.subscribers = 0
        self.channels = Channels(what, -1 if since_ms is None else since_ms - 1, max_bytes, world.turns)
        self._joined_at, self._joined_ms = 0, -1
        self._passed: dict[str, tuple[int, int]] = {}  # see _echo_passed
        self.work: asyncio.Task[None] | None = None

    @property
    def is_begun(self) -> bool:
        """Whether it stands: nothing is missed from now on."""
        return self._is_begun.is_set()

    @property
    def is_caught_up(self) -> bool:
        """Whether it reports new changes, not those from before it began."""
        return self.since_ms is None or (self.is_begun and wall_ms_of(self.resume) >= self._began_ms)

    def join(self, what: WatchFilter, after_ms: int | None) -> "Place | None":
        """Where a subscriber begins: with the changes from after_ms on; None: now. No place: this feed
        doesn't know all of them.
        """
        is_late = after_ms is not None and self.since_ms is None and not self.is_begun
        if self.error is not None or is_late or (after_ms is None and not self.is_caught_up):
            return None
        reach_ms = self.newest_ms if self.is_begun else self.channels.first.reach_ms
        channel = self.channels.of_selection(what, reach_ms, self.count)
        if after_ms is not None:
            channel.fill(self.channels.first)
            at = channel.find(after_ms)
            if at is None:
                return None
            return Place(self, channel, at, channel.piece(at).at if at < channel.end else self.count)
        if self.is_begun:
            self._joined_at, self._joined_ms = self.count, self.newest_ms
        return Place(self, channel, channel.end, self.count)

    async def run(self) -> None:
        """Listen until it is cancelled, or can't continue: then `error` has the reason."""
        try:
            await self._begin()
            while True:
                self._follow_topology()
                await self._hear()
                self._judge()
        except LimeDBError as error:
            self.error = error
        finally:
            self._is_begun.set()
            self.channels.wake()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def wait_begun(self) -> None:
        """Return when it stands. LimeDBError: it can't."""
        await self._is_begun.wait()
        if self.error is not None:
            raise self.error.with_traceback(None)

    async def close(self) -> None:
        """Close it."""
        if self.work is not None:
            self.work.cancel()
            with suppress(asyncio.CancelledError):
                await self.work

    async def _begin(self) -> None:
        """Wait until the feed stands; of each node a batch at most is reported until then."""
        while not self._is_begun.is_set():
            self._follow_topology()
            await self._hear()
            if self._judge() and self._is_settled:
                if self.since_ms is None:
                    self.channels.begin(self.newest_ms)
                self._is_begun.set()
        self._ask_late_ones_again()

    def _ask_late_ones_again(self) -> None:
        """Ask a node that is not heard yet for its changes since the feed stood, not only from now on."""
        for source in self._sources.values():
            if source.since_ms is None and not source.is_live:
                if source.task is not None:
                    source.task.cancel()
                source.since_ms = self._behind(self._world.skew_ms)
                self._start(source)

    def _behind(self, margin_ms: int) -> int:
        return max(0, wall_ms_of(self.resume) - margin_ms)

    @property
    def _is_settled(self) -> bool:
        """Whether no other node is worth waiting for at first."""
        is_late = self._now() - self._began > START_SECONDS
        return is_late or all(source.is_tried for source in self._sources.values())

    # --- the nodes

    def _follow_topology(self) -> None:
        """Listen to all nodes that hold keys, including joining and leaving ones."""
        layout = self._world.placement.layout
        if self._coverage is not None and self._coverage.layout is layout:
            return
        self._coverage = self.coverage_class(layout)
        wanted = _holders(layout)
        for url in sorted(wanted - self._sources.keys()):
            since_ms = self.since_ms
            if self._is_begun.is_set():
                since_ms = self._behind(self._world.margin_ms)
            self._sources[url] = WatchSource(url, since_ms)
            self._start(self._sources[url])
        for url in self._sources.keys() - wanted:
            source = self._sources.pop(url)
            if source.task is not None:
                source.task.cancel()

    def _start(self, source: WatchSource) -> None:
        source.task = asyncio.get_running_loop().create_task(self._listen(source))
        self._tasks.append(source.task)

    async def _listen(self, source: WatchSource) -> None:
        """Pass on a node's changes, as fast as they are taken; ask it again whenever it is lost."""
        while True:
            layout = self._world.placement.layout
            try:
                await self._listen_once(source)
            except StaleEpochError as stale:
                follow_topology(self._world.placement, stale, layout)
                await self._queue.put((source, stale))
            except LimeDBError as error:
                await self._queue.put((source, error))
            await asyncio.sleep(RETRY_SECONDS)

    async def _listen_once(self, source: WatchSource) -> None:
        fence = self._world.placement.layout.topology.fence
        batches = self._world.replicas.at(source.url).watch(self.what, source.since_ms, fence)
        async with aclosing(batches):
            while True:
                try:
                    async with timeout(self._world.clock, SILENCE_SECONDS):
                        batch = await anext(batches)
                except (TimeoutError, StopAsyncIteration):
                    raise ReplicaUnreachableError(source.url, "it sends nothing") from None
                await self._queue.put((source, batch))
                await self._is_begun.wait()

    # --- what they report

    async def _hear(self) -> None:
        """Report the new changes of the next batch."""
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                source, news = await self._queue.get()
        except TimeoutError:
            return
        source.is_tried = True
        if isinstance(news, LimeDBError):
            self._lose(source, news)
        elif self._sources.get(source.url) is source:
            self._note(source, news)
            self._report(source, news)

    def _lose(self, source: WatchSource, error: LimeDBError) -> None:
        if source.is_live:
            source.since_ms = max(0, source.until_ms - self._world.skew_ms)
        source.is_live, source.reason = False, failure_text(error)

    def _note(self, source: WatchSource, batch: ChangeBatch) -> None:
        if not source.is_live:
            assert self._coverage is not None  # noqa: S101 (it is found before anybody is heard)
            is_counted = source.url in self._coverage.nodes
            source.complete_since_ms = batch.complete_since_ms if batch.has_gap and is_counted else None
            source.gap = gap_of(batch)
        source.is_live, source.until_ms = True, batch.until_ms
        self.newest_ms = max(self.newest_ms, batch.until_ms)

    def _report(self, source: WatchSource, batch: ChangeBatch) -> None:
        layout, count = self._world.placement.layout, self.count
        found: dict[Channel, list[Record]] = defaultdict(list)
        for i, record in enumerate(batch.records):
            if source.url in layout.of_key(record.key).write_set and self._is_new(record, i in batch.late):
                self._reported.note(record.key, record.version, self.count)
                self.count += 1
                for channel in self.channels.of(record.key):
                    found[channel].append(record)
        for channel, records in found.items():
            channel.add(records, count, self.resume, self.newest_ms)

    def _is_new(self, record: Record, is_late: bool) -> bool:
        """Whether a change is to be reported to all."""
        known = self._reported.look(record.key, record.version)
        if known is Known.LAST:
            self._echo_last(record)
        elif known is Known.PASSED:
            self._echo_passed(record)
        elif known is Known.UNSURE and (is_late or not self.was_reported(record.version)):
            self._break(record)
        return known is Known.NEW

    def was_reported(self, version: int) -> bool:
        """Whether a write of that version, if acknowledged, is reported: see 2. of the argument above."""
        return wall_ms_of(version) + self._world.margin_ms <= wall_ms_of(self.resume)

    def _break(self, record: Record) -> None:
        """It is uncertain whether a change was reported."""
        why = f"key {record.key!r} at version {record.version} may have been reported or not"
        error = WatchGapError(self.resume, f"{why}: more keys changed since than a node remembers")
        if not self.channels.is_wide:
            raise error
        self.channels.end(record.key, error, self.newest_ms, self.count)

    # --- echoes

    def _may_echo(self, version: int) -> bool:
        return wall_ms_of(version) + self._world.margin_ms >= self._joined_ms

    def _echo_last(self, record: Record) -> None:
        before = self._reported.position(record.key)
        if before < self._joined_at and self._may_echo(record.version):
            self._reported.note(record.key, record.version, self.count)
            self._echo(record, before)

    def _echo_passed(self, record: Record) -> None:
        """A newer version of the key was reported, but not to subscribers that began later: each of them must
        get this one once. `_passed`: the version of a key that they got last, and where.
        """
        before = self._reported.position(record.key)
        if before >= self._joined_at or not self._may_echo(record.version):
            self._passed.pop(record.key, None)
            return
        version, at = self._passed.get(record.key, (0, -1))
        if record.version >= version and (record.version > version or at < self._joined_at):
            self._passed[record.key] = (record.version, self.count)
            self._echo(record, at if record.version == version else before)

    def _echo(self, record: Record, before: int) -> None:
        for channel in self.channels.of(record.key):
            channel.echo(record, self.count, self.resume, self.newest_ms, before)
        self.count += 1

    # --- whether they are enough

    def _judge(self) -> bool:
        """If enough nodes are heard, move the version to resume after; otherwise raise the reason why it
        can't continue.
        """
        assert self._coverage is not None  # noqa: S101
        for source in self._sources.values():
            if source.task is not None and source.task.done():
                source.task.result()  # it never returns: it raises bugs
        now = self._now()
        counted = [source for source in self._sources.values() if self.counts(source)]
        if not self._coverage.is_enough([source.url for source in counted], self.level):
            self._check_patience(now)
            return False
        self._enough_at = now
        self.resume = max(self.resume, version_at(min(source.until_ms for source in counted)))
        if self._passed and self.newest_ms > self._joined_ms + self._world.margin_ms:
            self._passed.clear()
        return True

    def counts(self, source: WatchSource) -> bool:
        """Whether the feed misses nothing of a node."""
        if source.complete_since_ms is not None:
            safe_ms = wall_ms_of(self.resume) if self._is_begun.is_set() else 0
            if safe_ms < source.complete_since_ms + self._world.margin_ms:
                return False
            source.complete_since_ms = None
        return source.is_live

    def _check_patience(self, now: float) -> None:
        patience = GRACE_SECONDS if self._is_begun.is_set() else START_SECONDS
        if now - self._enough_at <= patience:
            return
        gapped = [s for s in self._sources.values() if s.is_live and s.complete_since_ms is not None]
        missing = {source.url: source.reason for source in self._sources.values() if not source.is_live}
        missing |= {source.url: source.gap for source in gapped}
        if gapped and not self._is_begun.is_set():
            oldest = max(source.complete_since_ms or 0 for source in gapped)
            raise WatchGapError(version_at(oldest), listed(missing))
        raise RangeUnreachableError("a watch", self.level.value, missing)


def _holders(layout: Layout) -> set[str]:
    """All nodes that get writes under a layout."""
    return {url for _, owners in layout.segments() for url in owners.write_set}
