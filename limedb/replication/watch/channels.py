"""The channels of a feed: which of them gets a change.

It owns that choice. A narrow feed has one channel, of its own selection. A wide one, of all keys, has one
for each selection that somebody watches, and one of all keys, from which the others are filled where a watch
is resumed.

Tested in tests/replication/watch/test_feed.py.
"""

from collections.abc import Callable, Iterator

from limedb.aio.turns import Turns
from limedb.core.selection import WatchFilter
from limedb.errors import LimeDBError
from limedb.replication.watch.channel import Channel

ALL = WatchFilter()


class Channels:
    """Channels by their selection. what: all that the feed reports. reach_ms: as Channel's, of the first one.
    max_bytes: how much each may keep. turns: of all that watch.
    """

    def __init__(self, what: WatchFilter, reach_ms: int, max_bytes: Callable[[], int], turns: Turns) -> None:
        self._what, self._max_bytes, self._turns = what, max_bytes, turns
        self._by_what: dict[WatchFilter, Channel] = {}
        self._lengths: list[int] = []  # of the prefixes
        self._add(Channel(what, max_bytes, turns, reach_ms, 0))

    @property
    def is_wide(self) -> bool:
        """Whether there may be others than the first."""
        return self._what == ALL

    @property
    def first(self) -> Channel:
        """The one of all that the feed reports."""
        return self._by_what[self._what]

    def __len__(self) -> int:
        return len(self._by_what)

    def of_selection(self, what: WatchFilter, reach_ms: int, count: int) -> Channel:
        """The channel of a selection; a new one holds what is heard after reach_ms. count: the feed's."""
        channel = self._by_what.get(what)
        if channel is None:
            channel = Channel(what, self._max_bytes, self._turns, reach_ms, count)
            self._add(channel)
        return channel

    def _add(self, channel: Channel) -> None:
        self._by_what[channel.what] = channel
        self._lengths = sorted({len(what.prefix) for what in self._by_what if not what.key})

    def drop(self, channel: Channel) -> None:
        """Forget a channel without readers; the first one stays."""
        if channel.what != self._what and self._by_what.get(channel.what) is channel:
            del self._by_what[channel.what]
            self._lengths = sorted({len(what.prefix) for what in self._by_what if not what.key})

    def of(self, key: str) -> Iterator[Channel]:
        """The channels that a key belongs to."""
        if not self.is_wide:
            yield self._by_what[self._what]
            return
        if (channel := self._by_what.get(WatchFilter(key=key))) is not None:
            yield channel
        for length in self._lengths:
            if (
                length <= len(key)
                and (found := self._by_what.get(WatchFilter(prefix=key[:length]))) is not None
            ):
                yield found

    def begin(self, reach_ms: int) -> None:
        """Note that changes up to reach_ms may be missing."""
        for channel in self._by_what.values():
            channel.reach_ms = max(channel.reach_ms, reach_ms)

    def end(self, key: str, error: LimeDBError, reach_ms: int, count: int) -> None:
        """Close the channels of a key with an error; the first one starts over."""
        for channel in list(self.of(key)):
            channel.error = error
            channel.wake()
            del self._by_what[channel.what]
        self._add(Channel(self._what, self._max_bytes, self._turns, reach_ms, count))

    def wake(self) -> None:
        """Wake all that wait for news."""
        for channel in self._by_what.values():
            channel.wake()
