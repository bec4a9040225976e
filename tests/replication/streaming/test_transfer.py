"""What is copied from which source, over real links too."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from limedb.core.layout import EVERYTHING, Span
from limedb.core.record import Record
from limedb.core.ring import TOKENS
from limedb.core.topology import Fence
from limedb.errors import ReplicaUnreachableError, UnavailableError
from limedb.ports import Applied, Clock, Replica
from limedb.replication.clock_guard import ClockSkewGuard
from limedb.replication.in_flight import InFlight
from limedb.replication.page import BYTES as PAGE_BYTES
from limedb.replication.repair.range_sync import ReplicaCalls, Scope
from limedb.replication.replica import LocalReplica
from limedb.replication.streaming.transfer import Sources, Transfer
from limedb.rpc.peer.links import PeerLinks
from limedb.rpc.peer.remote_replica import RemoteReplica
from limedb.storage.memory.operations import MemoryOperations
from limedb.storage.memory.store import MemoryStore
from tests.cluster.topology.test_store import FIRST, Drain, charter_of
from tests.cluster.virtual import VirtualClock, run_virtual
from tests.rpc.peers import SystemClock, servicers, serving
from tests.support.ports import free_ports


def records(first: int, last: int, version: int = 1) -> list[Record]:
    return [Record(f"k{i}", f"v{i} of {version}", version) for i in range(first, last)]


def replica(held: list[Record], clock: Clock | None = None) -> tuple[MemoryStore, LocalReplica]:
    store, clock = MemoryStore(held), clock or VirtualClock()
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
    return await transferred(own, replica(first)[1], replica(second)[1], VirtualClock())


async def transferred(own: list[Record], first: Replica, second: Replica, clock: Clock) -> dict[str, Record]:
    """What a store that held some records holds after a transfer from two sources, which both must answer."""
    store, mine = replica(own, clock)
    done: list[Span] = []
    sources = Sources(first, {"second": second}, 2)
    transfer = Transfer(mine, sources, calls(clock), lambda span, _: done.append(span))
    await transfer.run([Span(0, TOKENS // 3), Span(TOKENS // 3 + 1, TOKENS - 1)])
    assert sum(span.size for span in done) == TOKENS
    return await contents(store)


async def contents(store: MemoryStore) -> dict[str, Record]:
    return {record.key: record for _, record in await store.scan_tokens(*EVERYTHING, 1_000_000)}


def calls(clock: Clock) -> ReplicaCalls:
    return ReplicaCalls(Scope(FIRST.fence, 0), clock)


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


def test_no_more_of_large_values_is_held_than_two_pages_have() -> None:
    """Before, a thousand of a MiB were gathered to be applied together."""

    class Own(LocalReplica):
        def __init__(self) -> None:
            """It needs nothing."""

        async def apply(
            self, records: Sequence[Record], fence: Fence, deadline: float, copied: bool = False
        ) -> list[Applied]:
            sizes.append(sum(len(record.value or b"") for record in records))
            return []

    async def scenario() -> None:
        sources = Sources(replica([Record(f"k{i}", bytes(1 << 18), 2) for i in range(200)])[1], {}, 1)
        await Transfer(Own(), sources, calls(VirtualClock()), lambda span, keys: None).run([EVERYTHING])

    sizes: list[int] = []
    run_virtual(scenario())
    assert sum(sizes) == 200 << 18
    assert max(sizes) <= 2 * PAGE_BYTES


def test_one_source_is_enough_only_where_one_is_needed() -> None:
    async def scenario(needed: int) -> None:
        transfer = Transfer(
            replica([])[1],
            Sources(replica(records(0, 10))[1], {"http://x:1": Unreachable()}, needed),
            calls(VirtualClock()),
            lambda span, keys: None,
        )
        await transfer.run([EVERYTHING])

    run_virtual(scenario(1))
    with pytest.raises(UnavailableError, match="http://x:1"):
        run_virtual(scenario(2))


def test_sources_get_nothing() -> None:
    """What they lack may be a leftover here of what they have deleted and purged."""

    async def scenario() -> None:
        first, second = replica(records(0, 300)), replica(records(200, 500))
        await transferred(records(400, 600), first[1], second[1], VirtualClock())
        assert len(await contents(first[0])) == len(await contents(second[0])) == 300

    run_virtual(scenario())


def test_garbage_comes_along_however_old_it_is() -> None:
    """Another source may hold what it overrules."""
    held = run_virtual(fetched([Record("k", "old", 1)], [Record("k", None, 2), Record("gone", None, 1)], []))

    assert held == {"k": Record("k", None, 2), "gone": Record("gone", None, 1)}


def test_a_source_that_has_far_more_than_the_first_is_asked_for_less_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The leaves are cut by what the first one has."""
    monkeypatch.setattr("limedb.storage.walk.MAX_LIST_SIZE", 20_000)

    assert len(run_virtual(fetched([], records(0, 3000), []))) == 3000


@asynccontextmanager
async def peer_of(held: Sequence[Record], address: str, clock: Clock) -> AsyncIterator[Replica]:
    """A replica behind a real link."""
    links = PeerLinks(lambda _: address, clock)
    async with serving(address, *servicers(replica(list(held), clock)[1])):
        yield RemoteReplica(links.to(f"http://{address}"), clock)
        await links.close()


async def test_large_values_that_one_peer_lacks_come_in_more_answers_of_another() -> None:
    """Over a link, what is too large for an answer is an error of the peer's."""
    big, clock = [Record(f"k{i}", bytes([i]) * 100_000, 2) for i in range(100)], SystemClock()
    with free_ports(2) as (one, other):
        async with (
            peer_of(big[:10], f"127.0.0.1:{one}", clock) as first,
            peer_of(big[5:], f"127.0.0.1:{other}", clock) as second,
        ):
            held = await transferred([], first, second, clock)

    assert held == {record.key: record for record in big}
