"""One contract, all hint logs: kept until done, oldest first, bounded in bytes and in age."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from limedb.core.record import Record
from limedb.ports import HintLog
from limedb.storage.lmdb.hints import LmdbHintLog
from limedb.storage.memory.hints import MemoryHints

NOW = 1_700_000_000_000
B, C = "http://b:1", "http://b:12"

OPENERS: dict[str, Callable[[Path], HintLog]] = {
    "memory": lambda _: MemoryHints(),
    "lmdb": lambda path: LmdbHintLog(path / "n.hints"),
}


@pytest.fixture(params=sorted(OPENERS))
async def hints(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[HintLog]:
    opened = OPENERS[request.param](tmp_path)
    yield opened
    await opened.close()


def records(n: int, first: int = 0) -> list[Record]:
    return [Record(f"k{i:04}", "x", i + 1) for i in range(first, first + n)]


async def test_the_oldest_come_first_and_stay_until_they_are_done(hints: HintLog) -> None:
    batch = [*records(5), Record("bytes", b"\xff", 9, NOW), Record("gone", None, 10)]
    for record in batch:
        assert hints.add(B, [record], NOW)
    assert await hints.oldest(B, 2, 0) == batch[:2]
    assert await hints.oldest(B, 99, 0) == batch
    await hints.done(B, batch[:3])
    assert await hints.oldest(B, 99, 0) == batch[3:]
    await hints.done(B, batch)
    assert await hints.oldest(B, 99, 0) == []


async def test_nodes_have_hints_of_their_own(hints: HintLog) -> None:
    hints.add(B, records(2), NOW)
    hints.add(C, records(3), NOW)
    await hints.forget(B)
    assert await hints.oldest(B, 99, 0) == []
    assert await hints.oldest(C, 99, 0) == records(3)
    assert list(hints.waiting()) == [C]
    await hints.done("http://nobody:1", records(1))
    await hints.forget("http://nobody:1")


async def test_what_is_too_old_is_dropped(hints: HintLog) -> None:
    hints.add(B, records(3), NOW)
    hints.add(B, records(2, first=3), NOW + 1000)
    assert await hints.oldest(B, 99, NOW + 1) == records(2, first=3)
    assert await hints.oldest(B, 99, 0) == records(2, first=3)
    assert await hints.oldest(B, 99, NOW + 5000) == []
    assert hints.waiting() == {}


async def test_a_newer_write_of_a_key_that_comes_meanwhile_is_not_done(hints: HintLog) -> None:
    hints.add(B, [Record("k", "old", 1)], NOW)
    taken = await hints.oldest(B, 9, 0)
    hints.add(B, [Record("k", "new", 2)], NOW + 1)
    await hints.done(B, taken)
    assert await hints.oldest(B, 9, 0) == [Record("k", "new", 2)]


async def test_the_newest_of_a_key_is_never_lost_to_an_older_one(hints: HintLog) -> None:
    hints.add(B, [Record("k", "new", 2), Record("k", "old", 1)], NOW)
    assert Record("k", "new", 2) in await hints.oldest(B, 9, 0)


async def test_waiting_grows_with_hints_and_ends_with_them(hints: HintLog) -> None:
    assert hints.waiting() == {}
    hints.add(B, records(1), NOW)
    few = hints.waiting()[B]
    hints.add(B, records(9, first=1), NOW)
    assert hints.waiting()[B] > few > 0
    await hints.done(B, await hints.oldest(B, 99, 0))
    assert hints.waiting() == {}


async def test_memory_is_bounded_for_each_node_by_itself() -> None:
    hints = MemoryHints(limit=1000)
    assert hints.add(B, records(9), NOW)
    assert not hints.add(B, records(9, first=9), NOW)
    assert hints.waiting()[B] <= 1000
    assert hints.add(C, records(9), NOW)
    await hints.done(B, await hints.oldest(B, 99, 0))
    assert hints.add(B, records(9), NOW)


async def test_memory_keeps_of_each_key_the_newest_only() -> None:
    hints = MemoryHints()
    for version in (1, 3, 2):
        hints.add(B, [Record("k", "x" * version, version)], NOW)
    assert await hints.oldest(B, 9, 0) == [Record("k", "xxx", 3)]
    one = MemoryHints()
    one.add(B, [Record("k", "xxx", 3)], NOW)
    assert hints.waiting() == one.waiting()
