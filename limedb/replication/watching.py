"""Watches: the changes of some keys, from all of the cluster.

It owns which nodes are listened to, when they are enough, and from where on a watch can be resumed. It must
never hold a writer up, nor keep more than some batches for who watches.

Each owner tells what changes in its store (`change_log.py`), self being just another. Of every range as many
current owners must be heard as the level needs: at QUORUM one of them has heard of each write that a quorum
acknowledged. A node that was lost is asked from where it was lost. One whose log doesn't reach back so far,
as after a restart, counts again once all that came before is told for sure.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple

from limedb.core.coverage import Coverage
from limedb.core.hlc import version_at, wall_ms_of
from limedb.core.layout import Layout
from limedb.core.quorum import Level
from limedb.core.record import Record
from limedb.core.selection import Selection
from limedb.errors import (
    InvalidRequestError,
    LimeDBError,
    RangeUnreachableError,
    ReplicaUnreachableError,
    StaleEpochError,
    WatchGapError,
)
from limedb.ports import ChangeBatch, Clock, Placement, Replicas
from limedb.replication.fanout import reason

SPREAD_MS = 10_000
"""How long after the first replica the last one may hear of a write: as long as a request takes."""
SILENCE_SECONDS = 4.0
"""After which a node that tells nothing, not even that nothing changed, is lost."""
RETRY_SECONDS = 0.2
START_SECONDS = 2.0
"""How long a watch waits at first for nodes that don't answer."""
GRACE_SECONDS = 5.0
"""How long too few nodes may be heard before a watch ends: what they tell meanwhile comes later."""
BEAT_SECONDS = 3.0
"""How long who watches hears nothing at most."""
LOOK_SECONDS = 0.1
QUEUE = 4
"""Batches of all nodes together that wait for who watches."""
MAX_TOLD = 50_000
"""Keys of which a watch knows what it told last, so that it tells nothing twice. The replicas of a key tell
of a change within moments, or, by hints, minutes: so many keys do not change in between.
"""


class Told(NamedTuple):
    """Changes that a watch tells, and the version after which it may be resumed."""

    changes: list[Record]
    resume_version: int


class _Source:
    """A node that is listened to.

    since_ms: from when on it is asked; None: from now. until_ms: until when it has told all. floor_ms: from
    when on it tells for sure, None where that is all that was asked for. stands: it is heard. reason: why
    not. is_tried: it has answered once, or failed to.
    """

    __slots__ = ("floor_ms", "is_tried", "reason", "since_ms", "stands", "task", "until_ms", "url")

    def __init__(self, url: str, since_ms: int | None) -> None:
        self.url, self.since_ms = url, since_ms
        self.until_ms = 0
        self.floor_ms: int | None = None
        self.stands = self.is_tried = False
        self.reason = "it has not answered yet"
        self.task: asyncio.Task[None] | None = None


class Watcher:
    """Starts watches. max_skew_ms: MAX_CLOCK_SKEW."""

    def __init__(self, placement: Placement, replicas: Replicas, clock: Clock, max_skew_ms: int) -> None:
        self.placement, self.replicas, self.clock = placement, replicas, clock
        self.skew_ms = 2 * max_skew_ms  # two clocks differ so much at most, or one that was set right
        self.margin_ms = SPREAD_MS + self.skew_ms

    def watch(
        self, what: Selection, after_version: int | None, level: Level | None
    ) -> AsyncGenerator[Told, None]:
        """What changes: first nothing, when the watch stands; then as it comes, and nothing now and then.

        after_version: to be told what came after it too. InvalidRequestError: the level is LINEARIZABLE.
        WatchGapError: not all that came after it is known any more, or the messages are taken too slowly.
        RangeUnreachableError: too few owners of some keys are heard; NotMemberError.
        """
        if level is Level.LINEARIZABLE:
            raise InvalidRequestError(
                "consistency=linearizable: a watch can't be; ask for one, quorum or all"
            )
        return _Watch(self, what, after_version, level or Level.QUORUM).run()


class _Watch:
    """One watch."""

    def __init__(self, watcher: Watcher, what: Selection, after_version: int | None, level: Level) -> None:
        self._watcher, self._what, self._level = watcher, what, level
        self._sources: dict[str, _Source] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._queue: asyncio.Queue[tuple[_Source, ChangeBatch | LimeDBError]] = asyncio.Queue(QUEUE)
        self._told: OrderedDict[str, int] = OrderedDict()
        self._coverage: Coverage | None = None
        self._since_ms = None if after_version is None else self._behind(after_version, watcher.margin_ms)
        self._resume = self._asked_for = after_version or 0
        self._now = watcher.clock.monotonic
        self._is_begun = asyncio.Event()
        self._began = self._enough_at = self._now()

    async def run(self) -> AsyncGenerator[Told, None]:
        """See Watcher.watch."""
        try:
            changes = await self._begin()
            yield Told([], self._resume if self._since_ms is None else self._asked_for)
            due = self._now() + BEAT_SECONDS
            while True:
                if changes or self._now() >= due:
                    yield Told(changes, self._resume)
                    due = self._now() + BEAT_SECONDS
                self._follow_topology()
                changes = await self._hear()
                self._judge()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _begin(self) -> list[Record]:
        """Wait until the watch stands; what was told until then, a batch of each node at most."""
        changes: list[Record] = []
        while not self._is_begun.is_set():
            self._follow_topology()
            changes += await self._hear()
            if self._judge() and self._is_settled:
                self._is_begun.set()
        self._ask_late_ones_again()
        return changes

    def _ask_late_ones_again(self) -> None:
        """Who is not heard yet, and would tell from when it is, tells from when the watch stood."""
        for source in self._sources.values():
            if source.since_ms is None and not source.stands:
                if source.task is not None:
                    source.task.cancel()
                source.since_ms = self._behind(self._resume, self._watcher.skew_ms)
                self._start(source)

    @staticmethod
    def _behind(version: int, margin_ms: int) -> int:
        return max(0, wall_ms_of(version) - margin_ms)

    @property
    def _is_settled(self) -> bool:
        """Whether nobody else is worth waiting for at first."""
        is_late = self._now() - self._began > START_SECONDS
        return is_late or all(source.is_tried for source in self._sources.values())

    # --- the nodes

    def _follow_topology(self) -> None:
        """Listen to all that hold keys, those that come and go too."""
        layout = self._watcher.placement.layout
        if self._coverage is not None and self._coverage.layout is layout:
            return
        self._coverage = Coverage(layout)
        wanted = _holders(layout)
        for url in sorted(wanted - self._sources.keys()):
            since_ms = self._since_ms
            if self._is_begun.is_set():
                since_ms = self._behind(self._resume, self._watcher.margin_ms)
            self._sources[url] = _Source(url, since_ms)
            self._start(self._sources[url])
        for url in self._sources.keys() - wanted:
            source = self._sources.pop(url)
            if source.task is not None:
                source.task.cancel()

    def _start(self, source: _Source) -> None:
        source.task = asyncio.get_running_loop().create_task(self._listen(source))
        self._tasks.append(source.task)

    async def _listen(self, source: _Source) -> None:
        """Bring what a node tells, as fast as it is taken; ask it again whenever it is lost."""
        while True:
            try:
                await self._listen_once(source)
            except StaleEpochError as stale:
                self._watcher.placement.adopt(stale.topology)
                await self._queue.put((source, stale))
            except LimeDBError as error:
                await self._queue.put((source, error))
            await asyncio.sleep(RETRY_SECONDS)

    async def _listen_once(self, source: _Source) -> None:
        fence = self._watcher.placement.layout.topology.fence
        batches = self._watcher.replicas.at(source.url).watch(self._what, source.since_ms, fence)
        async with aclosing(batches):
            while True:
                try:
                    async with asyncio.timeout(SILENCE_SECONDS):
                        batch = await anext(batches)
                except (TimeoutError, StopAsyncIteration):
                    raise ReplicaUnreachableError(source.url, "it tells nothing") from None
                await self._queue.put((source, batch))
                await self._is_begun.wait()

    # --- what they tell

    async def _hear(self) -> list[Record]:
        """The changes of the next batch that were not told before."""
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                source, news = await self._queue.get()
        except TimeoutError:
            return []
        source.is_tried = True
        if isinstance(news, LimeDBError):
            self._lose(source, news)
            return []
        self._note(source, news)
        layout = self._watcher.placement.layout
        return [r for r in news.records if source.url in layout.of_key(r.key).written and self._is_new(r)]

    def _lose(self, source: _Source, error: LimeDBError) -> None:
        if isinstance(error, WatchGapError) and source.stands:
            raise error  # nobody took what it told
        if source.stands:
            source.since_ms = max(0, source.until_ms - self._watcher.skew_ms)
        source.stands, source.reason = False, reason(error)

    def _note(self, source: _Source, batch: ChangeBatch) -> None:
        if not source.stands:
            assert self._coverage is not None  # noqa: S101 (it is found before anybody is heard)
            is_counted = source.url in self._coverage.nodes
            source.floor_ms = batch.floor_ms if batch.has_gap and is_counted else None
        source.stands, source.until_ms = True, batch.until_ms

    def _is_new(self, record: Record) -> bool:
        told = self._told.get(record.key)
        if told is not None and told >= record.version:
            return False
        self._told[record.key] = record.version
        self._told.move_to_end(record.key)
        if len(self._told) > MAX_TOLD:
            self._told.popitem(last=False)
        return True

    # --- whether they are enough

    def _judge(self) -> bool:
        """Whether enough is heard: then move the version to resume after. Or say why it can't go on."""
        assert self._coverage is not None  # noqa: S101
        for source in self._sources.values():
            if source.task is not None and source.task.done():
                source.task.result()  # it has no end: raises what is a bug
        now = self._now()
        counted = [source for source in self._sources.values() if self._counts(source)]
        if not self._coverage.is_enough([source.url for source in counted], self._level):
            self._check_patience(now)
            return False
        self._enough_at = now
        self._resume = max(self._resume, version_at(min(source.until_ms for source in counted)))
        return True

    def _counts(self, source: _Source) -> bool:
        """Whether nothing can be missed of what a node hears."""
        if source.floor_ms is not None:
            safe_ms = wall_ms_of(self._resume) if self._is_begun.is_set() else 0
            if safe_ms < source.floor_ms + self._watcher.margin_ms:
                return False
            source.floor_ms = None
        return source.stands

    def _check_patience(self, now: float) -> None:
        patience = GRACE_SECONDS if self._is_begun.is_set() else START_SECONDS
        if now - self._enough_at <= patience:
            return
        gaps = [source.floor_ms for source in self._sources.values() if source.stands and source.floor_ms]
        if gaps and not self._is_begun.is_set():
            raise WatchGapError(version_at(max(gaps)))
        missing = {source.url: source.reason for source in self._sources.values() if not source.stands}
        missing |= {s.url: "it was restarted" for s in self._sources.values() if s.stands and s.floor_ms}
        raise RangeUnreachableError("a watch", self._level.value, missing)


def _holders(layout: Layout) -> set[str]:
    """All that are written under a layout."""
    return {url for _, owners in layout.segments() for url in owners.written}
