"""Faults of watches, planted as those of `faults.py` are."""

from collections.abc import Iterable
from typing import Any

from limedb.core.coverage import Coverage
from limedb.core.quorum import Level
from limedb.engine import Engine
from limedb.replication.watch.feed import Feed
from limedb.replication.watch.reported import Known, Reported
from limedb.replication.watch.sources import WatchSource
from limedb.replication.watch.watcher import Watcher
from tests.simulation.faults import Fault, engine_with


def watcher_with(**classes: type) -> Fault:
    """Watches, of which some parts are of other classes."""
    return engine_with(watcher_class=type("OtherWatcher", (Watcher,), classes))


class _OneOwner(Coverage):
    def is_enough(self, nodes: Iterable[str], level: Level) -> bool:
        return super().is_enough(nodes, Level.ONE)


class _OfOneOwner(Feed):
    coverage_class = _OneOwner


class _OfRestarted(Feed):
    def counts(self, source: WatchSource) -> bool:
        return source.is_live


class _Dropping(Feed):
    def was_reported(self, version: int) -> bool:
        return True


class OneBucket(Reported):
    """Any key may be a forgotten one, so that much is unsure."""

    buckets = 1


class _Forgetting(OneBucket):
    def look(self, key: str, version: int) -> Known:
        known = super().look(key, version)
        return Known.NEW if known is Known.UNSURE else known


class _StopsAtOnce(Engine):
    async def wait_watchable(self, wait_ms_of: Any) -> None:
        """Wait for nothing."""


ONE_BUCKET = watcher_with(reported_class=OneBucket)
"""No fault: feeds that are often unsure."""

WATCH_OF_ONE_OWNER = watcher_with(feed_class=_OfOneOwner)
"""A watch takes one owner of each range for enough, as if it were a majority."""

WATCH_OF_RESTARTED = watcher_with(feed_class=_OfRestarted)
"""A node that was restarted counts at once, though it has forgotten what it was to report."""

STOP_AT_ONCE: Fault = {"engine": _StopsAtOnce}
"""A node stops though a peer that crashed does not count for watches yet."""

WATCH_THAT_FORGETS = watcher_with(reported_class=_Forgetting)
"""A key that a feed has forgotten is taken for one that it never reported."""

WATCH_THAT_DROPS = watcher_with(feed_class=_Dropping, reported_class=OneBucket)
"""What a feed is unsure of is left out, though it may be on its way."""
