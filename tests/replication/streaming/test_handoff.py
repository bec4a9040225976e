"""What a gaining node fetches, and from whom."""

import asyncio
from itertools import pairwise

import pytest

from limedb.core.layout import EVERYTHING, Span
from limedb.core.record import Record
from limedb.core.ring import TOKENS
from limedb.core.topology import Fence
from limedb.errors import ReplicaUnreachableError, UnavailableError
from limedb.ports import IndexEntry
from limedb.replication.clock_guard import ClockSkewGuard
from limedb.replication.in_flight import InFlight
from limedb.replication.replica import LocalReplica
from limedb.replication.streaming.transfer import Sources, Transfer, newer, split
from limedb.storage.memory.operations import MemoryOperations
from limedb.storage.memory.store import MemoryStore
from tests.cluster.network import url_of
from tests.cluster.nodes import Client, Cluster
from tests.cluster.test_topology_changes import formed
from tests.cluster.topology.test_store import FIRST, Drain, charter_of
from tests.cluster.virtual import VirtualClock, run_virtual, wait_until

FENCE = FIRST.fence


def records(first: int, last: int, version: int = 1) -> list[Record]:
    return [Record(f"k{i}", f"v{i} of {version}", version) for i in range(first, last)]


def replica(held: list[Record]) -> tuple[MemoryStore, LocalReplica]:
    store = MemoryStore(held)
    clock = VirtualClock()
    topology_store = charter_of(drain=Drain())
    return store, LocalReplica(
        store, clock, topology_store, InFlight(), 4 << 20, ClockSkewGuard(clock, 500), MemoryOperations()
    )


class Unreachable(LocalReplica):
    def __init__(self) -> None:
        """It needs nothing."""

    async def digests(self, spans: object, cutoff_ms: int, fence: Fence, deadline: float) -> list[int]:
        raise ReplicaUnreachableError("http://x:1", "gone")


async def fetched(first: list[Record], second: list[Record], own: list[Record]) -> dict[str, Record]:
    """What the own store holds after a transfer from two sources."""
    store, mine = replica(own)
    done: list[Span] = []
    sources = Sources(replica(first)[1], {"second": replica(second)[1]}, 2)
    transfer = Transfer(mine, sources, FENCE, VirtualClock(), lambda span, _: done.append(span))
    await transfer.run([Span(0, TOKENS // 3), Span(TOKENS // 3 + 1, TOKENS - 1)])
    assert sum(span.size for span in done) == TOKENS
    return {record.key: record for _, record in await store.scan_tokens(0, TOKENS - 1, 1_000_000)}


def test_all_of_one_source_and_what_another_has_besides_arrives() -> None:
    first = records(0, 5000) + records(5000, 5010, 3)
    second = records(100, 5010, 2) + records(6000, 6020) + [Record("gone", None, 9)]

    held = run_virtual(fetched(first, second, records(0, 10, 7)))

    assert len(held) == 5010 + 20 + 1
    assert held["k5"].version == 7
    assert held["k50"].version == 1
    assert held["k500"].version == 2
    assert held["k5005"].version == 3
    assert held["gone"] == Record("gone", None, 9)


def test_of_two_records_of_one_version_the_one_that_stands_arrives() -> None:
    held = run_virtual(fetched([Record("k", "a", 1)], [Record("k", "b", 1)], []))

    assert held["k"].value == "b"


def test_large_values_come_in_more_pages_and_answers() -> None:
    big = [Record(f"k{i}", bytes([i]) * (1 << 19), 2) for i in range(40)]

    assert len(run_virtual(fetched(big[:30], big[10:], []))) == 40


def test_one_source_is_enough_only_where_one_is_needed() -> None:
    async def scenario(needed: int) -> None:
        transfer = Transfer(
            replica([])[1],
            Sources(replica(records(0, 10))[1], {"http://x:1": Unreachable()}, needed),
            FENCE,
            VirtualClock(),
            lambda span, keys: None,
        )
        await transfer.run([EVERYTHING])

    run_virtual(scenario(1))
    with pytest.raises(UnavailableError, match="http://x:1"):
        run_virtual(scenario(2))


def test_a_range_is_not_fetched_before_enough_owners_know_the_epoch() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            nodes = await formed(cluster, 4)
            await Client(cluster).write_many(nodes[0], "k", 50)
            for node in nodes[:3]:
                node.in_flight.enter(1)  # a write that hangs
            fifth = cluster.start(5, seeds=[1])
            await wait_until(lambda: fifth.topology_store.is_member, limit=10)
            await asyncio.sleep(20)
            progress = fifth.handoff.progress()
            assert progress.keys == 0
            assert not progress.is_done
            assert "missing: http://node" in progress.waiting_for
            for node in nodes[:3]:
                node.in_flight.leave(1)
            await wait_until(lambda: cluster.is_steady(*map(url_of, range(1, 6))), limit=20)

    run_virtual(scenario())


def test_what_was_fetched_is_not_fetched_again_after_a_restart() -> None:
    async def scenario() -> None:
        async with Cluster() as cluster:
            nodes = await formed(cluster, 4)
            await Client(cluster).write_many(nodes[0], "k", 400)
            fifth = cluster.start(5, seeds=[1])
            disk = cluster.disks[fifth.url]
            await wait_until(lambda: disk.saved and disk.saved.fetched, limit=10, step=0.001)
            cluster.cut |= {frozenset((fifth.url, node.url)) for node in nodes}
            before = sum(span.size for span in fifth.topology_store.saved.fetched)
            again = await cluster.restart(fifth)
            done = again.handoff.progress().spans_done
            assert sum(span.size for span in again.topology_store.saved.fetched) <= before
            assert done > 0
            cluster.cut.clear()
            await wait_until(lambda: cluster.is_steady(*map(url_of, range(1, 6))), limit=30)

    run_virtual(scenario())


def test_a_span_splits_into_parts_that_cover_it() -> None:
    assert split(Span(10, 12), 9) == [Span(10, 10), Span(11, 11), Span(12, 12)]
    parts = split(EVERYTHING, 7)
    assert parts[0].first == 0
    assert parts[-1].last == TOKENS - 1
    assert all(a.last + 1 == b.first for a, b in pairwise(parts))


def test_only_what_may_stand_is_read() -> None:
    own = [
        IndexEntry("same", 1, 5, 0),
        IndexEntry("older", 1, 5, 0),
        IndexEntry("newer", 3, 5, 0),
        IndexEntry("other", 1, 5, 0),
    ]
    theirs = [
        IndexEntry("same", 1, 5, 0),
        IndexEntry("older", 2, 6, 0),
        IndexEntry("newer", 2, 6, 0),
        IndexEntry("other", 1, 6, 0),
        IndexEntry("lacking", 1, 1, 0),
    ]
    assert newer(theirs, own) == ["older", "other", "lacking"]
