"""Scans and watches of the asynchronous client.

It owns the functions that callers see. It must never know of streams.

Tested in tests/client/test_scans.py and tests/client/test_watches.py.
"""

from collections.abc import AsyncGenerator, Callable

from limedb.client.arguments import Consistency, Duration, level_of, seconds_of
from limedb.client.feeds import Feed, Watch, singly
from limedb.client.opening import Openable
from limedb.client.outcomes import Entry
from limedb.client.retrying_executor import RetryingExecutor
from limedb.client.scans import KeySpan, scan_pages, scan_request
from limedb.client.watches import Change, watch_changes, watch_request
from limedb.core.limits import DEFAULT_SCAN_SIZE
from limedbpb.v1 import record_pb2


class FeedCalls(Openable):
    """The calls that return feeds. level: of calls that name none."""

    def __init__(
        self, make: Callable[[], RetryingExecutor], timeout: float, level: record_pb2.Consistency
    ) -> None:
        super().__init__(make, timeout)
        self._level = level

    def scan(
        self,
        prefix: str = "",
        *,
        start: str = "",
        end: str = "",
        limit: int | None = None,
        keys_only: bool = False,
        consistency: Consistency = None,
        timeout: Duration | None = None,
    ) -> Feed[Entry]:
        """Iterate over the keys with a prefix, from start (included) to end (excluded), in the order of their
        UTF-8; `limit` at most. It continues at another node when one fails; timeout: of each page. It is not
        a snapshot: a key that is written meanwhile may appear as it was before or as it is after, and every
        other key appears once. RangeUnreachableError: too few replicas are up.
        """
        span = KeySpan(prefix, start, end, limit, keys_only)
        return Feed(self._scan(span, DEFAULT_SCAN_SIZE, consistency, timeout), self._life, "the scan")

    def scan_pages(
        self,
        prefix: str = "",
        *,
        start: str = "",
        end: str = "",
        limit: int | None = None,
        keys_only: bool = False,
        page_size: int = DEFAULT_SCAN_SIZE,
        consistency: Consistency = None,
        timeout: Duration | None = None,
    ) -> Feed[list[Entry]]:
        """Scan by pages of 1 to 1000 keys; pages hold fewer where values are large."""
        span = KeySpan(prefix, start, end, limit, keys_only)
        return Feed(singly(self._scan(span, page_size, consistency, timeout)), self._life, "the scan")

    def watch(
        self,
        key: str | None = None,
        *,
        prefix: str = "",
        after_version: int | None = None,
        consistency: Consistency = None,
        timeout: Duration | None = None,
    ) -> Watch[Change]:
        """Iterate over the changes of a key, or of the keys with a prefix, as they happen: from now on, or
        from after a version: then also some from the seconds before it, which may have been reported already;
        compare the versions of a key. It continues at another node when one fails, and never finishes; after
        an error it returns no more changes. timeout: how long it waits for a node that serves it.
        WatchGapError: the nodes no longer know some of the changes: watch from now on and, once that watch
        has begun, scan. RangeUnreachableError: too few replicas are up.
        """
        changes = self._watch(key, prefix, after_version, consistency, timeout)
        return Watch(changes, self._life, "the watch")

    def watch_pages(
        self,
        key: str | None = None,
        *,
        prefix: str = "",
        after_version: int | None = None,
        consistency: Consistency = None,
        timeout: Duration | None = None,
    ) -> Feed[list[Change]]:
        """Watch by groups of changes that arrive together. The first one is empty: from then on the watch
        misses no change.
        """
        changes = self._watch(key, prefix, after_version, consistency, timeout)
        return Feed(singly(changes), self._life, "the watch")

    def _scan(
        self, span: KeySpan, page_size: int, consistency: Consistency, timeout: Duration | None
    ) -> AsyncGenerator[list[Entry], None]:
        request = scan_request(span, page_size, self._scan_level(consistency))
        limit = self._timeout if timeout is None else seconds_of(timeout)
        return scan_pages(self._opened().routing, request, limit)

    def _watch(
        self,
        key: str | None,
        prefix: str,
        after_version: int | None,
        consistency: Consistency,
        timeout: Duration | None,
    ) -> AsyncGenerator[list[Change], None]:
        level = level_of(consistency)  # the client's default is for reads and writes, not for watches
        request = watch_request(key, prefix, after_version, level)
        limit = self._timeout if timeout is None else seconds_of(timeout)
        return watch_changes(self._opened().routing, request, limit)

    def _scan_level(self, consistency: Consistency) -> record_pb2.Consistency:
        """Return the level of a scan, which can't be LINEARIZABLE; where that is the default, QUORUM."""
        if consistency is None and self._level == record_pb2.CONSISTENCY_LINEARIZABLE:
            return record_pb2.CONSISTENCY_QUORUM
        return self._level if consistency is None else level_of(consistency)
