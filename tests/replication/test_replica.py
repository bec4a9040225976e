"""The node's own replica: fences, versions of the future, writes in flight, limits, pages."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

import pytest

from limedb.core.hlc import version_at
from limedb.core.layout import EVERYTHING, Span
from limedb.core.record import Record
from limedb.core.ring import token_of
from limedb.core.topology import Fence, Topology, give_way, initial_topology
from limedb.encoding.record import encode
from limedb.encoding.sums import sums_of
from limedb.errors import (
    ClockSkewError,
    NotMemberError,
    RecordDamagedError,
    ResponseTooLargeError,
    StaleEpochError,
    StoreFullError,
)
from limedb.ports import Applied
from limedb.replication.clock_guard import ClockSkewGuard
from limedb.replication.in_flight import InFlight
from limedb.replication.page import BYTES
from limedb.replication.replica import LocalReplica
from limedb.storage.memory.operations import MemoryOperations
from limedb.storage.memory.store import MemoryStore
from tests.cluster.virtual import START_MS, VirtualClock
from tests.replication.nodes import A, AtHand, Place, member, virtual

FAR = 1e12
TOPOLOGY = replace(initial_topology("c1", 3, [member(A)]), epoch=5)
FENCE = TOPOLOGY.fence


VALUE = b"v" * 100


class LocalBytes(MemoryStore):
    """A store that has its records at hand, each VALUE."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def stored_at(self, key: str) -> bytes:
        self.asked.append(key)
        if key == "damaged":
            raise RecordDamagedError((key,), "it is")
        return VALUE

    def stored(self, keys: Sequence[str]) -> list[bytes | RecordDamagedError | None]:
        return [VALUE for _ in keys]

    async def stored_tokens(self, start: int, end: int, limit: int) -> list[tuple[int, bytes]]:
        return []


class Slow(MemoryStore):
    """A store whose writes take until they are let go, whoever waits for them."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.jobs: list[asyncio.Task[list[Applied]]] = []

    async def apply(self, records: Sequence[Record], now_ms: int) -> list[Applied]:
        self.jobs.append(asyncio.create_task(self._later(records, now_ms)))
        return await asyncio.shield(self.jobs[-1])

    async def _later(self, records: Sequence[Record], now_ms: int) -> list[Applied]:
        await self.gate.wait()
        return await super().apply(records, now_ms)


class Own:
    """A replica, and what it is made of."""

    def __init__(
        self, store: MemoryStore | None = None, topology: Topology = TOPOLOGY, limit: int = 1000
    ) -> None:
        self.store, self.clock, self.in_flight = store or MemoryStore(), VirtualClock(), InFlight()
        self.place = Place(topology)
        guard = ClockSkewGuard(self.clock, 500)
        self.replica = LocalReplica(
            self.store, self.clock, self.place, self.in_flight, limit, guard, MemoryOperations()
        )

    async def fill(self, count: int, size: int = 1) -> None:
        await self.store.apply([Record(f"k{i:04}", "v" * size, 1) for i in range(count)], START_MS)

    async def ask_all(self, fence: Fence) -> tuple[object, ...]:
        """The outcome of each kind of message."""
        replica = self.replica
        return await asyncio.gather(
            replica.read(["k"], fence, FAR),
            replica.compare(["k"], bytes(16), fence, FAR),
            replica.apply([Record("k", "x", 1)], fence, FAR),
            replica.scan(EVERYTHING, 10, fence, FAR),
            replica.digests([EVERYTHING], 0, fence, FAR),
            replica.entries([EVERYTHING], fence, FAR),
            return_exceptions=True,
        )


@virtual
async def test_the_own_epoch_and_newer_ones_are_served() -> None:
    own = Own()
    for epoch in (5, 6, 99):
        outcomes = await own.ask_all(Fence(FENCE.cluster_id, epoch))
        assert not [outcome for outcome in outcomes if isinstance(outcome, BaseException)]


@virtual
async def test_an_older_epoch_gets_the_newer_topology_and_nothing_is_done() -> None:
    own = Own()
    for outcome in await own.ask_all(Fence(FENCE.cluster_id, 4)):
        assert isinstance(outcome, StaleEpochError)
        assert outcome.topology == TOPOLOGY
    assert own.store.count() == 0


@virtual
async def test_another_cluster_and_a_fresh_node_are_refused_by_name() -> None:
    own = Own()
    for outcome in await own.ask_all(Fence("other", 5)):
        assert isinstance(outcome, NotMemberError)
        assert "cluster c1, the asker to cluster other" in str(outcome)
    for outcome in await own.ask_all(Fence("", 0)):
        assert isinstance(outcome, NotMemberError)
        assert "the asker to no cluster" in str(outcome)
    fresh = Own(topology=Topology())
    for fence in (FENCE, Fence("", 0)):
        for outcome in await fresh.ask_all(fence):
            assert isinstance(outcome, NotMemberError)
            assert "no cluster yet" in str(outcome)


@virtual
async def test_a_cluster_that_gives_way_takes_no_writes_but_reads() -> None:
    own = Own(topology=give_way(TOPOLOGY, writes_suspended=True))
    fence = own.place.layout.topology.fence
    with pytest.raises(NotMemberError, match="about to join another; try again"):
        await own.replica.apply([Record("k", "x", 1)], fence, FAR)
    assert await own.replica.read(["k"], fence, FAR) == [None]


@virtual
async def test_a_version_of_the_future_is_refused_before_anything_is_merged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    own = Own()
    batch = [Record("a", "x", 1), Record("b", "x", version_at(START_MS + 501))]
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            with pytest.raises(ClockSkewError):
                await own.replica.apply(batch, FENCE, FAR)
    assert own.store.count() == 0
    assert own.replica.skewed == 3
    assert len(caplog.records) == 1
    await own.replica.apply([Record("b", "x", version_at(START_MS + 500))], FENCE, FAR)


@virtual
async def test_a_write_is_in_flight_under_its_own_epoch_until_it_is_stored() -> None:
    own = Own(store := Slow())
    writing = asyncio.create_task(own.replica.apply([Record("k", "x", 1)], FENCE, FAR))
    await asyncio.sleep(1)
    assert own.in_flight.is_drained(5)
    assert not own.in_flight.is_drained(6)
    store.gate.set()
    await writing
    assert own.in_flight.is_drained(6)


@virtual
async def test_a_write_whose_caller_is_gone_stays_in_flight_until_it_is_stored() -> None:
    own = Own(store := Slow())
    writing = asyncio.create_task(own.replica.apply([Record("k", "x", 1)], FENCE, FAR))
    await asyncio.sleep(1)
    writing.cancel()
    await asyncio.sleep(1)
    assert writing.cancelled()
    assert not own.in_flight.is_drained(6)
    store.gate.set()
    await own.replica.close()
    assert own.in_flight.is_drained(6)
    assert store.count() == 1


@virtual
async def test_a_write_that_fails_is_not_in_flight() -> None:
    class Full(MemoryStore):
        async def apply(self, records: Sequence[Record], now_ms: int) -> list[Applied]:
            raise StoreFullError("no room")

    own = Own(Full())
    with pytest.raises(StoreFullError):
        await own.replica.apply([Record("k", "x", 1)], FENCE, FAR)
    assert own.in_flight.is_drained(6)


@virtual
async def test_reads_keep_the_order_across_chunks() -> None:
    own = Own()
    await own.fill(200)
    keys = [f"k{i:04}" for i in reversed(range(200))]
    records = await own.replica.read([*keys, "none"], FENCE, FAR)
    assert [record.key if record else None for record in records] == [*keys, None]


@virtual
async def test_values_that_are_too_much_together_are_refused_with_a_remedy() -> None:
    own = Own()
    await own.fill(100, size=100)
    with pytest.raises(ResponseTooLargeError, match="over the limit of 1000: ask for fewer keys"):
        await own.replica.read([f"k{i:04}" for i in range(100)], FENCE, FAR)
    with pytest.raises(ResponseTooLargeError):
        await own.replica.list_keys(1, 100, None)
    assert len(await own.replica.read([f"k{i:04}" for i in range(10)], FENCE, FAR)) == 10
    assert len(await own.replica.scan(EVERYTHING, 100, FENCE, FAR)) == 100  # limits bind clients only


@virtual
async def test_what_a_store_has_at_hand_is_found_too_large_at_the_first_key_beyond() -> None:
    own = Own(store := LocalBytes())
    own.replica.check_size(["damaged", "a", "b"], 200)
    assert own.replica.read_stored(["a", "b"], FENCE, 200) == [VALUE] * 2
    store.asked.clear()
    with pytest.raises(ResponseTooLargeError):
        own.replica.check_size(["a", "b", "c"], 150)
    with pytest.raises(ResponseTooLargeError):
        own.replica.read_stored(["a", "b", "c"], FENCE, 150)
    assert store.asked == ["a", "b"] * 2


@virtual
async def test_more_than_is_wanted_is_refused() -> None:
    own = Own()
    await own.fill(20, size=100)
    for count, most in ((1, 99), (10, 999), (20, 300)):
        with pytest.raises(ResponseTooLargeError, match=f"over the limit of {most}"):
            await own.replica.read([f"k{i:04}" for i in range(count)], FENCE, FAR, most)
    for count, most in ((1, 100), (10, 1000)):
        assert len(await own.replica.read([f"k{i:04}" for i in range(count)], FENCE, FAR, most)) == count


@virtual
async def test_what_differs_is_found_across_chunks() -> None:
    own = Own(AtHand())
    await own.fill(200)
    keys = [f"k{i:04}" for i in range(202)]
    sums = sums_of([encode(Record(key, "v" if i not in (3, 150) else "w", 1)) for i, key in enumerate(keys)])
    assert sums is not None
    assert await own.replica.compare(keys, sums, FENCE, FAR) == [3, 150, 200, 201]


@virtual
async def test_of_small_records_only_large_ones_are_known_by_their_place() -> None:
    own = Own(AtHand())
    await own.fill(2)
    await own.store.apply([Record("large", "v" * 1000, 1)], START_MS)
    k0, k1 = (encode(Record(key, "v", 1)) for key in ("k0000", "k0001"))
    keys = ["k0000", "large", "none", "k0001"]
    assert own.replica.read_small(keys, FENCE, 500) == ([k0, None, None, k1], [1])
    assert Own().replica.read_small(keys, FENCE, 500) is None
    with pytest.raises(StaleEpochError):
        own.replica.read_small(keys, replace(TOPOLOGY, epoch=4).fence, 500)


@virtual
async def test_where_the_store_has_nothing_at_hand_all_keys_are_to_be_read() -> None:
    assert [*await Own().replica.compare(["a", "b"], bytes(32), FENCE, FAR)] == [0, 1]


@virtual
async def test_a_damaged_record_differs_from_all() -> None:
    store = AtHand()
    own = Own(store)
    await own.fill(1)
    sums = sums_of(store.stored(["k0000", "none"]))
    assert sums is not None
    store.rot |= {"k0000", "none"}
    assert await own.replica.compare(["k0000", "none"], sums, FENCE, FAR) == [0, 1]


async def scanned(own: Own, span: Span, limit: int) -> list[list[str]]:
    """The keys of a span, by page."""
    pages: list[list[str]] = []
    while page := await own.replica.scan(span, limit, FENCE, FAR):
        pages.append([record.key for record in page])
        if (last := token_of(page[-1].key)) == span.last:
            break
        span = Span(last + 1, span.last)
    return pages


@virtual
async def test_pages_of_a_scan_hold_everything_once_in_the_order_of_tokens() -> None:
    own = Own()
    await own.fill(200)
    by_token = sorted((f"k{i:04}" for i in range(200)), key=token_of)
    for limit in (1, 31, 32, 33, 1000):
        pages = await scanned(own, EVERYTHING, limit)
        assert [key for page in pages for key in page] == by_token
        assert max(map(len, pages)) == min(limit, 200)
    half = Span(0, token_of(by_token[99]))
    assert [key for page in await scanned(own, half, 64) for key in page] == by_token[:100]


@virtual
async def test_a_page_of_large_values_ends_after_some_mebibytes() -> None:
    own = Own()
    await own.fill(20, size=1 << 20)
    pages = await scanned(own, EVERYTHING, 1000)
    assert {len(page) for page in pages} == {BYTES >> 20}
    assert sum(map(len, pages)) == 20
    huge = Own()
    await huge.fill(3, size=2 * BYTES)
    assert [len(page) for page in await scanned(huge, EVERYTHING, 1000)] == [1, 1, 1]


@virtual
async def test_pages_cover_every_key_once_by_number_and_by_cursor() -> None:
    own = Own()
    await own.fill(25)
    pages = [await own.replica.list_keys(number, 10, None) for number in (1, 2, 3, 4)]
    assert [len(page.records) for page in pages] == [10, 10, 5, 0]
    assert {page.total_pages for page in pages} == {3}
    seen: list[str] = []
    after = None
    while records := (await own.replica.list_keys(1, 10, after)).records:
        seen += [record.key for record in records]
        after = seen[-1]
    assert seen == [f"k{i:04}" for i in range(25)]


@virtual
async def test_an_empty_replica_has_no_pages() -> None:
    page = await Own().replica.list_keys(1, 20, None)
    assert (page.records, page.total, page.total_pages) == ([], 0, 0)
