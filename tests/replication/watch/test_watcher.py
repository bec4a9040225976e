"""Watches of a cluster, in virtual time: which nodes must be heard, and what is told once."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from limedb.core.hlc import version_at
from limedb.core.quorum import Level
from limedb.core.record import Record
from limedb.core.selection import WatchFilter
from limedb.core.topology import finish, hand_over, join
from limedb.errors import InvalidRequestError, RangeUnreachableError, WatchGapError
from limedb.replication.change_log import ChangeLog
from limedb.replication.requests import Write
from limedb.replication.watch.watcher import WatchEvent
from tests.replication.nodes import A, B, C, D, Nodes, Seat, left_tasks, member, virtual

ALL = WatchFilter()
News = AsyncGenerator[WatchEvent, None]


def begin(seat: Seat, after: int | None = None, level: Level | None = None, what: WatchFilter = ALL) -> News:
    return seat.watcher.watch(what, after, level)


async def stand(seat: Seat, after: int | None = None) -> News:
    """A watch that stands; what it tells at first was asked for by its version."""
    news = begin(seat, after)
    await anext(news)
    return news


async def put(seat: Seat, *keys: str, level: Level = Level.QUORUM) -> list[int]:
    await asyncio.sleep(0.001)  # of virtual time: two coordinators give no two writes one version
    deadline = seat.clock.monotonic() + 5
    return [(await seat.coordinator.write(Write(key, "v"), level, deadline)).version for key in keys]


async def heard(news: News, count: int) -> list[str]:
    """The keys of the next changes, in order."""
    found: list[str] = []
    for _ in range(20):
        if len(found) >= count:
            break
        found += [record.key for record in (await anext(news)).changes]
    return found


async def silent(news: News, beats: int = 2) -> bool:
    """Whether nothing but beats comes for a while."""
    return not any([(await anext(news)).changes for _ in range(beats)])


def restart(nodes: Nodes, url: str, set_back_ms: int = 0) -> None:
    """Let a node forget what has changed; its clock may have been set back meanwhile."""
    started_ms = nodes.clock.wall_ms() - set_back_ms
    nodes.replicas[url].changes = ChangeLog(nodes.clock.wall_ms, started_ms, is_fresh=False)


@virtual
async def test_each_change_is_reported_once_in_the_order_of_its_key() -> None:
    nodes = Nodes(A, B, C)
    seat, other = nodes.coordinator(), nodes.coordinator(B)
    news = await stand(seat)
    await put(seat, "a", "b")
    await put(other, "a")
    assert sorted(await heard(news, 3)) == ["a", "a", "b"]
    assert await silent(news)
    await news.aclose()
    await seat.coordinator.close()
    await other.coordinator.close()
    assert left_tasks() == []


@virtual
async def test_only_what_was_chosen_is_reported_and_a_delete_is_a_change() -> None:
    nodes = Nodes(A, B, C)
    seat = nodes.coordinator()
    one, some = begin(seat, what=WatchFilter(key="k1")), begin(seat, what=WatchFilter(prefix="k"))
    assert (await anext(one)).changes == (await anext(some)).changes == []
    await put(seat, "k1", "k2", "other")
    await seat.coordinator.write(Write("k1", None), None, seat.clock.monotonic() + 5)
    told = [record for _ in range(3) for record in (await anext(one)).changes]
    assert [(record.key, record.value) for record in told] == [("k1", "v"), ("k1", None)]
    assert await heard(some, 3) == ["k1", "k2", "k1"]
    await one.aclose()
    await some.aclose()


@virtual
async def test_a_write_that_the_own_node_did_not_get_is_heard() -> None:
    """And one that a node which is heard gets by a hint only is told once."""
    nodes = Nodes(A, B, C)
    seat, writer = nodes.coordinator(), nodes.coordinator(B)
    news = await stand(seat)
    writer.fail(A, is_down=True)
    (version,) = await put(writer, "k")
    assert await heard(news, 1) == ["k"]
    record = await nodes.stores[B].get("k")
    assert record is not None
    assert record.version == version
    await nodes.replicas[A].apply([record], nodes.topology.fence, 99.0)
    assert await silent(news)
    await news.aclose()


@virtual
async def test_a_watch_outlives_one_node_and_ends_when_too_few_are_heard() -> None:
    nodes = Nodes(A, B, C)
    seat = nodes.coordinator()
    news = await stand(seat)
    seat.fail(B, refuses=True)
    await put(seat, "a")
    assert await heard(news, 1) == ["a"]
    assert await silent(news)
    seat.fail(C, refuses=True)
    with pytest.raises(RangeUnreachableError, match=r"http://b:1.*http://c:1"):
        await silent(news, 100)


@virtual
async def test_what_a_node_told_nobody_while_it_was_not_heard_comes_when_it_is_again() -> None:
    """A and C hear nothing of the write: only B has it, and is cut off."""
    nodes = Nodes(A, B, C)
    seat, writer = nodes.coordinator(), nodes.coordinator(B, level=Level.ONE)
    news = await stand(seat)
    seat.fail(B, refuses=True)
    assert await silent(news)
    writer.fail(A, C, is_down=True)
    await put(writer, "k", level=Level.ONE)
    assert await silent(news)
    seat.fail(B)
    assert await heard(news, 1) == ["k"]
    await news.aclose()


@virtual
async def test_a_watch_is_resumed_through_another_node() -> None:
    nodes = Nodes(A, B, C)
    seat = nodes.coordinator()
    news = await stand(seat)
    await put(seat, "before")
    assert await heard(news, 1) == ["before"]
    resume = (await anext(news)).resume_version
    await news.aclose()
    await put(seat, "between")
    again = begin(nodes.coordinator(C), after=resume)
    assert "between" in await heard(again, 1) + await heard(again, 1)
    await again.aclose()


@virtual
async def test_what_reached_a_node_that_was_not_heard_is_reported_when_the_watch_is_resumed() -> None:
    """A write takes its time from one replica to another: C has it already, B would have got it next."""
    nodes = Nodes(A, B, C)
    seat, other = nodes.coordinator(), nodes.coordinator(A)
    seat.fail(C, refuses=True)
    news = await stand(seat)
    early = Record("k", "v", version_at(nodes.clock.wall_ms()))
    await nodes.replicas[C].apply([early], nodes.topology.fence, 99.0)
    assert await silent(news, 1)
    resume = (await anext(news)).resume_version
    assert resume > early.version
    await news.aclose()
    other.fail(B, refuses=True)
    again = begin(other, after=resume)
    assert await heard(again, 1) == ["k"]
    await again.aclose()


@virtual
async def test_a_watch_that_resumes_before_the_logs_begin_finds_a_gap() -> None:
    nodes = Nodes(A, B, C)
    seat = nodes.coordinator()
    (version,) = await put(seat, "k")
    restart(nodes, C)
    one = await stand(seat, version)
    await one.aclose()
    restart(nodes, B)
    with pytest.raises(WatchGapError) as caught:
        await anext(begin(seat, version))
    assert caught.value.oldest == version_at(nodes.replicas[B].changes.floor_ms)


@virtual
async def test_a_node_that_was_restarted_counts_again_when_all_from_before_is_reported() -> None:
    nodes = Nodes(A, B, C)
    seat = nodes.coordinator()
    news = await stand(seat)
    seat.fail(B, refuses=True)
    await asyncio.sleep(2)
    restart(nodes, B)
    assert await silent(news)
    seat.fail(B)
    assert await silent(news, 8)
    seat.fail(C, refuses=True)
    await put(seat, "k")
    assert await heard(news, 1) == ["k"]
    assert await silent(news, 8)
    await news.aclose()


@virtual
async def test_a_node_that_was_restarted_just_now_does_not_count() -> None:
    nodes = Nodes(A, B, C)
    seat = nodes.coordinator()
    news = await stand(seat)
    seat.fail(B, refuses=True)
    await asyncio.sleep(2)
    restart(nodes, B)
    assert await silent(news)
    seat.fail(B)
    seat.fail(C, refuses=True)
    with pytest.raises(RangeUnreachableError, match="restarted"):
        await silent(news, 9)


@virtual
async def test_nor_does_one_whose_clock_was_set_back_meanwhile() -> None:
    """By its clock it runs since before it was lost."""
    nodes = Nodes(A, B, C)
    seat = nodes.coordinator()
    news = await stand(seat)
    await put(seat, "k")
    assert await heard(news, 1) == ["k"]
    seat.fail(B, refuses=True)
    await asyncio.sleep(0.5)
    restart(nodes, B, set_back_ms=900)
    assert await silent(news, 1)
    seat.fail(B)
    assert await silent(news, 1)
    seat.fail(C, refuses=True)
    with pytest.raises(RangeUnreachableError, match="restarted"):
        await silent(news, 9)


@virtual
async def test_who_is_first_heard_later_reports_from_when_the_watch_stood() -> None:
    """B is heard when it has the write already, and C, which has it too, is lost before it tells."""
    nodes = Nodes(A, B, C)
    seat, writer = nodes.coordinator(), nodes.coordinator(B)
    seat.fail(B, refuses=True)
    news = await stand(seat)
    seat.fail(B, C, refuses=True)
    writer.fail(A, is_down=True)
    await put(writer, "k")
    seat.fail(B)
    assert await heard(news, 1) == ["k"]
    await news.aclose()


@virtual
async def test_a_watch_does_not_begin_without_enough_nodes() -> None:
    nodes = Nodes(A, B, C)
    seat = nodes.coordinator()
    seat.fail(B, C, refuses=True)
    with pytest.raises(RangeUnreachableError):
        await anext(begin(seat))
    only = begin(seat, level=Level.ONE)
    assert (await anext(only)).changes == []
    await only.aclose()
    with pytest.raises(InvalidRequestError, match="linearizable"):
        begin(seat, level=Level.LINEARIZABLE)


@virtual
async def test_a_version_that_no_watch_can_have_reported_is_refused() -> None:
    seat = Nodes(A, B, C).coordinator()
    with pytest.raises(InvalidRequestError, match=r"after_version=18446744073709551615: .* h ahead of"):
        begin(seat, after=2**64 - 1)


@virtual
async def test_what_a_node_holds_that_does_not_own_the_key_is_not_told() -> None:
    nodes = Nodes(A, B, C, D, replication_factor=2)
    seat = nodes.coordinator()
    news = await stand(seat)
    strayed = nodes.key(lambda current, _: A not in current)
    stray = Record(strayed, "v", version_at(nodes.clock.wall_ms()))
    await nodes.replicas[A].apply([stray], nodes.topology.fence, 99.0)
    assert await silent(news)
    await news.aclose()


@virtual
async def test_a_watch_follows_keys_to_new_owners() -> None:
    nodes = Nodes(A, B, C, replication_factor=1)
    seat = nodes.coordinator()
    news = await stand(seat)
    streaming = join(nodes.topology, member(D))
    nodes.start(D)
    nodes.spread(streaming)
    moved = nodes.key(lambda current, extra: extra == (D,))
    told: list[str] = []
    for topology in (streaming, hand_over(streaming), finish(hand_over(streaming))):
        nodes.spread(topology)
        await put(seat, moved)
        told += await heard(news, 1)
    assert told == [moved] * 3
    assert await silent(news)
    await news.aclose()
