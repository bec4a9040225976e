"""The node's own replica: limits on what one read returns, pages, deadlines."""

import pytest

from limedb.core.record import Record
from limedb.errors import ResponseTooLargeError
from limedb.replication.replica import LocalReplica
from limedb.storage.memory_store import MemoryStore

URL = "http://a:1"
FAR = 1e12


class StandingClock:
    def wall_ms(self) -> int:
        return 1_000

    def monotonic(self) -> float:
        return 1.0


async def replica_of(count: int, size: int = 1, limit: int = 1000) -> LocalReplica:
    store = MemoryStore()
    await store.apply([Record(f"k{i:04}", "v" * size, 1) for i in range(count)], 1_000)
    return LocalReplica(store, StandingClock(), limit)


async def test_reads_keep_the_order_across_chunks() -> None:
    replica = await replica_of(200)
    keys = [f"k{i:04}" for i in reversed(range(200))]
    records = await replica.read([*keys, "none"], FAR)
    assert [record.key if record else None for record in records] == [*keys, None]


async def test_values_that_are_too_much_together_are_refused_with_a_remedy() -> None:
    replica = await replica_of(100, size=100)
    with pytest.raises(ResponseTooLargeError, match="over the limit of 1000: ask for fewer keys"):
        await replica.read([f"k{i:04}" for i in range(100)], FAR)
    with pytest.raises(ResponseTooLargeError):
        await replica.list_keys(1, 100, None)
    assert len(await replica.read([f"k{i:04}" for i in range(10)], FAR)) == 10


async def test_pages_cover_every_key_once_by_number_and_by_cursor() -> None:
    replica = await replica_of(25)
    pages = [await replica.list_keys(number, 10, None) for number in (1, 2, 3, 4)]
    assert [len(page.records) for page in pages] == [10, 10, 5, 0]
    assert {page.total_pages for page in pages} == {3}
    seen: list[str] = []
    after = None
    while records := (await replica.list_keys(1, 10, after)).records:
        seen += [record.key for record in records]
        after = seen[-1]
    assert seen == [f"k{i:04}" for i in range(25)]


async def test_an_empty_replica_has_no_pages() -> None:
    page = await (await replica_of(0)).list_keys(1, 20, None)
    assert (page.records, page.total, page.total_pages) == ([], 0, 0)
