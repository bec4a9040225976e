"""Watches that share a feed: each is told each version once, in order, whatever comes again.

Tests limedb/replication/watch/channels.py and limedb/replication/watch/sources.py.
"""

import asyncio
from collections.abc import Collection

import pytest

from limedb.aio.turns import AT_ONCE
from limedb.core.coverage import Coverage
from limedb.core.hlc import version_at
from limedb.core.quorum import Level
from limedb.core.record import Record
from limedb.core.selection import WatchFilter
from limedb.errors import TooManyWatchesError, WatchGapError
from limedb.ports import Replica
from limedb.replication.requests import Write
from limedb.replication.watch.channel import TAKE_BYTES
from limedb.replication.watch.feed import Feed
from limedb.replication.watch.reported import Reported
from limedb.replication.watch.watcher import MAX_NARROW, Watcher
from tests.cluster.virtual import VirtualLoop
from tests.replication.nodes import SKEW_MS, A, B, C, Nodes, Seat, left_tasks, virtual
from tests.replication.watch.test_watcher import News, begin, heard, put, silent, stand

OLD_SECONDS = 15.0
"""After which a write that is no late one is on its way no more."""


def limited(seat: Seat, **limits: int) -> Seat:
    """A seat whose watches have limits of their own."""
    seat.watcher = Watcher(seat.place, seat.wire, seat.clock, SKEW_MS, **limits)
    return seat


async def give(nodes: Nodes, url: str, *records: Record, copied: bool = True) -> None:
    """Bring a node records; by default as a hint would."""
    replica: Replica = nodes.replicas[url]
    await replica.apply(records, nodes.topology.fence, 99.0, copied)


def streams(seat: Seat) -> int:
    """How many streams of changes nodes were asked for."""
    return sum(kind == "watch" for kind, _, _ in seat.wire.calls)


@virtual
async def test_watches_of_the_same_keys_share_one_stream_of_each_node() -> None:
    nodes = Nodes(A, B, C)
    seat = nodes.coordinator()
    watches = [await stand(seat) for _ in range(50)]
    assert streams(seat) == 3
    await put(seat, "a", "b")
    assert [await heard(news, 2) for news in watches] == [["a", "b"]] * 50
    for news in watches:
        await news.aclose()
    await seat.coordinator.close()
    assert left_tasks() == []


@virtual
async def test_a_request_is_served_while_a_thousand_watches_have_much_to_report() -> None:
    """A request takes some twenty turns: in these it waits for two portions of watches, not for all."""
    nodes = Nodes(A, B, C)
    seat = nodes.coordinator()
    told = [0] * 1000

    async def follow(n: int, news: News) -> None:
        async for pieces, _ in news:
            work(0.001)
            told[n] += len(pieces)

    followers = [asyncio.create_task(follow(n, await stand(seat))) for n in range(len(told))]
    for n in range(3):
        deadline = seat.clock.monotonic() + 5
        await seat.coordinator.write(Write(f"k{n}", "v" * TAKE_BYTES), Level.QUORUM, deadline)
    longest = 0.0
    while min(told) < 3:
        begun = asyncio.get_running_loop().time()
        for _ in range(20):
            await asyncio.sleep(0)
        longest = max(longest, asyncio.get_running_loop().time() - begun)
        await asyncio.sleep(0.001)
    for follower in followers:
        follower.cancel()
    await asyncio.gather(*followers, return_exceptions=True)
    assert longest <= 2 * AT_ONCE * 0.001


def work(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.work(seconds)


@virtual
async def test_many_selections_share_one_feed_of_all_keys_and_get_their_own() -> None:
    nodes = Nodes(A, B, C)
    seat = nodes.coordinator()
    keys = [f"k{n:03}" for n in range(100)]
    watches = [begin(seat, what=WatchFilter(key=key)) for key in keys]
    prefix = begin(seat, what=WatchFilter(prefix="k09"))
    for news in (*watches, prefix):
        assert (await anext(news)).changes == []
    assert streams(seat) == 3 * (MAX_NARROW + 1)
    await put(seat, *keys, "other")
    assert [await heard(news, 1) for news in watches] == [[key] for key in keys]
    assert await heard(prefix, 10) == keys[90:]
    assert await silent(prefix, 1)
    for news in (*watches, prefix):
        await news.aclose()
    await seat.coordinator.close()
    assert left_tasks() == []


@virtual
async def test_a_watch_of_many_is_resumed_from_what_the_shared_feed_holds() -> None:
    nodes = Nodes(A, B, C)
    seat = nodes.coordinator()
    others = [await stand(seat)]
    resume = (await anext(others[0])).resume_version
    await asyncio.sleep(20)
    await put(seat, "k1", "x", "k2")
    asked = streams(seat)
    again = begin(seat, after=resume + (10_000 << 16), what=WatchFilter(prefix="k"))
    assert (await anext(again)).changes == []
    assert await heard(again, 2) == ["k1", "k2"]
    assert streams(seat) == asked
    early = begin(seat, after=resume, what=WatchFilter(prefix="k"))  # before the feed began: one of its own
    assert await heard(early, 2) == ["k1", "k2"]
    assert streams(seat) > asked
    for news in (*others, again, early):
        await news.aclose()


@virtual
async def test_watches_are_bounded_and_refused_in_words() -> None:
    seat = limited(Nodes(A, B, C).coordinator(), max_watches=2)
    first, second = await stand(seat), await stand(seat)
    with pytest.raises(TooManyWatchesError, match="has 2 watches already"):
        await stand(seat)
    await first.aclose()
    third = await stand(seat)
    await second.aclose()
    await third.aclose()


@virtual
async def test_who_begins_between_two_replicas_of_a_write_gets_it_and_others_once() -> None:
    """A has the write before the second watch begins; B, which makes it acknowledged, after."""
    nodes = Nodes(A, B, C)
    seat = nodes.coordinator()
    first = await stand(seat)
    record = Record("k", "v", version_at(nodes.clock.wall_ms()))
    await give(nodes, A, record, copied=False)
    assert await heard(first, 1) == ["k"]
    second = await stand(seat)
    await give(nodes, B, record, copied=False)
    assert await heard(second, 1) == ["k"]
    third = await stand(seat)
    await give(nodes, C, record, copied=False)
    assert await heard(third, 1) == ["k"]
    assert [await silent(news) for news in (first, second, third)] == [True] * 3
    for news in (first, second, third):
        await news.aclose()


@virtual
async def test_copies_of_more_keys_than_are_remembered_are_reported_once() -> None:
    """As when a node returns and is brought what it missed, or fetches a range."""
    nodes = Nodes(A, B, C)
    seat = limited(nodes.coordinator(), max_reported=10)
    news = await stand(seat)
    seat.fail(C, is_down=True)
    keys = [f"k{n:02}" for n in range(50)]
    for key in keys:
        await put(seat, key)
        assert await heard(news, 1) == [key]
    await asyncio.sleep(OLD_SECONDS)
    seat.fail(C)
    assert await silent(news, 2)
    copies = [record for record in [await nodes.stores[B].get(key) for key in keys] if record is not None]
    assert len(copies) == 50
    await give(nodes, C, *copies)
    await put(seat, "last")
    assert await heard(news, 1) == ["last"]
    assert await silent(news)
    await news.aclose()


@virtual
async def test_where_it_can_not_be_said_whether_a_version_was_reported_there_is_a_gap() -> None:
    """A client sends a write again whose key is forgotten: it may be acknowledged only now."""
    nodes = Nodes(A, B, C)
    seat = limited(nodes.coordinator(), max_reported=5)
    news = await stand(seat)
    late = Record("k00", "v", version_at(nodes.clock.wall_ms()) - 1)
    for n in range(20):
        await put(seat, f"k{n:02}")
        await heard(news, 1)
    await asyncio.sleep(OLD_SECONDS)
    assert await silent(news, 1)
    fresh = Record("new key", "v", late.version)
    await give(nodes, B, fresh, copied=False)
    bucket = _same_bucket("k00")
    await give(nodes, B, Record(bucket, "v", late.version), copied=False)
    with pytest.raises(WatchGapError, match="may have been reported"):
        await silent(news, 9)


def _same_bucket(key: str) -> str:
    bucket_of = Reported(lambda: 1).bucket_of
    return next(other for n in range(1_000_000) if bucket_of(other := f"other{n}") == bucket_of(key))


@virtual
async def test_the_end_of_a_feed_ends_all_of_its_watches() -> None:
    nodes, ends = Nodes(A, B, C), asyncio.Event()
    seat = nodes.coordinator()

    class Ending(Coverage):
        def is_enough(self, nodes: Collection[str], level: Level) -> bool:
            if ends.is_set():
                raise WatchGapError(1, "of a test")
            return super().is_enough(nodes, level)

    class EndingFeed(Feed):
        coverage_class = Ending

    seat.watcher.feed_class = EndingFeed
    watches = [await stand(seat) for _ in range(3)]
    ends.set()
    for news in watches:
        with pytest.raises(WatchGapError, match="of a test"):
            await anext(news)
    ends.clear()
    again = await stand(seat)
    await again.aclose()
