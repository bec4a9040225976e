"""Scans and watches of the synchronous client.

It owns the items that have arrived and that nobody has asked for yet. It must never wait longer than for one
item.

Tested in tests/client/test_feeds.py.
"""

from collections import deque
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from typing_extensions import override

from limedb.client.arguments import Duration
from limedb.client.feeds import Feed
from limedb.errors import ClientStateError

T = TypeVar("T")
Run = Callable[[Coroutine[Any, Any, Any]], Any]


class SyncFeed(Generic[T]):
    """The items of a scan or a watch: an iterator and context manager, for one thread at a time. run: carries
    out a coroutine of the feed.
    """

    def __init__(self, pages: Feed[list[T]], run: Run) -> None:
        self._pages, self._run = pages, run
        self._items: deque[T] = deque()
        self._has_begun = self._is_over = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        item = self.next()
        if item is None:
            raise StopIteration
        return item

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def next(self, timeout: Duration | None = None) -> T | None:
        """Return the next item; None: there are no more. timeout: seconds, or a timedelta, for each page;
        None: wait as long as it takes. RequestTimeoutError: nothing came in time; wait again, nothing is
        lost.
        """
        while not self._items and not self._is_over:
            self._take_page(timeout)
        return self._items.popleft() if self._items else None

    def close(self) -> None:
        """Close it."""
        self._is_over = True
        self._items.clear()
        try:
            self._run(self._pages.close())
        except ClientStateError:  # its client is closed, and so is this
            return

    def _take_page(self, timeout: Duration | None = None) -> None:
        page = self._run(self._pages.next(timeout))
        self._has_begun = True
        if page is None:
            self._is_over = True
        else:
            self._items.extend(page)


class SyncWatch(SyncFeed[T]):
    """A watch. Once it has begun, it misses no change: within `with`, or after `begin`."""

    @override
    def __enter__(self) -> Self:
        return self.begin()

    def begin(self) -> Self:
        """Return when it has begun."""
        if not self._has_begun and not self._is_over:
            self._take_page()
        return self
