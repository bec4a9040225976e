"""The coordinator on replicas in memory: routing, versions, retries, outcomes."""

import asyncio
from collections.abc import Sequence

import pytest

from limedb.core.hlc import HybridClock, version_at
from limedb.core.record import Record
from limedb.errors import ContendedError, KeyNotFoundError, ReplicaUnreachableError
from limedb.ports import Applied, Replica
from limedb.replication.coordinator import MAX_ATTEMPTS, Coordinator, Found, Write, Written
from limedb.replication.replica import LocalReplica
from limedb.storage.memory_store import MemoryStore

FAR = 1e12
A, B = "http://a:1", "http://b:1"


class HandClock:
    """A clock that stands until a test moves it."""

    def __init__(self, wall_ms: int = 1_000_000) -> None:
        self.now = wall_ms

    def wall_ms(self) -> int:
        return self.now

    def monotonic(self) -> float:
        return self.now / 1000


class ByPrefix:
    """Keys that begin with b belong to B, all others to A."""

    def owner(self, key: str) -> str:
        return B if key.startswith("b") else A


class DownReplica:
    """The replica of a node that is down."""

    async def read(self, keys: Sequence[str], deadline: float) -> list[Record | None]:
        raise ReplicaUnreachableError(B, "connection refused or lost")

    async def apply(self, records: Sequence[Record], deadline: float) -> list[Applied]:
        raise ReplicaUnreachableError(B, "connection refused or lost")


class AlwaysNewer:
    """A replica that others always reach first."""

    def __init__(self) -> None:
        self.calls = 0

    async def read(self, keys: Sequence[str], deadline: float) -> list[Record | None]:
        return [None for _ in keys]

    async def apply(self, records: Sequence[Record], deadline: float) -> list[Applied]:
        self.calls += 1
        return [Applied(superseded_by=record.version + 1, existed=True) for record in records]


class Directory(dict[str, Replica]):
    """Replicas by URL."""

    def at(self, node_url: str) -> Replica:
        return self[node_url]


class Cluster:
    """Two replicas in memory, and coordinators with clocks of their own."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.stores = {url: MemoryStore() for url in (A, B)}
        self.replicas = Directory(
            {url: LocalReplica(store, self.clock, 1 << 20) for url, store in self.stores.items()}
        )

    def coordinator(self, clock: HandClock | None = None) -> Coordinator:
        return Coordinator(ByPrefix(), self.replicas, clock or self.clock, HybridClock())


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


async def test_a_value_is_stored_at_its_owner_only(cluster: Cluster) -> None:
    coordinator = cluster.coordinator()
    written = await coordinator.write(Write("bee", "x"), FAR)
    assert (written.acked, written.replicas, written.existed) == (1, 1, False)
    assert await coordinator.get("bee", FAR) == Found("x", B)
    assert (cluster.stores[A].count(), cluster.stores[B].count()) == (0, 1)


async def test_a_deleted_or_expired_or_unknown_key_is_not_found(cluster: Cluster) -> None:
    coordinator = cluster.coordinator()
    await coordinator.write(Write("gone", "x"), FAR)
    assert (await coordinator.write(Write("gone", None), FAR)).existed
    assert not (await coordinator.write(Write("gone", None), FAR)).existed
    await coordinator.write(Write("short", "x", ttl_ms=50), FAR)
    cluster.clock.now += 49
    assert (await coordinator.get("short", FAR)).value == "x"
    cluster.clock.now += 1
    for key in ("gone", "short", "never"):
        with pytest.raises(KeyNotFoundError):
            await coordinator.get(key, FAR)


async def test_a_write_after_an_acknowledged_one_wins_whatever_the_clocks_say(cluster: Cluster) -> None:
    ahead, behind = HandClock(9_000_000), HandClock(1_000)
    await cluster.coordinator(ahead).write(Write("k", "first"), FAR)
    slow = cluster.coordinator(behind)
    second = await slow.write(Write("k", "second"), FAR)
    assert second.version > version_at(9_000_000)
    assert (await slow.get("k", FAR)).value == "second"
    assert (await slow.write(Write("k", None), FAR)).existed
    with pytest.raises(KeyNotFoundError):
        await cluster.coordinator(ahead).get("k", FAR)


async def test_a_write_that_is_always_overtaken_gives_up_and_says_so(cluster: Cluster) -> None:
    cluster.replicas[A] = newer = AlwaysNewer()
    with pytest.raises(ContendedError, match="overtaken"):
        await cluster.coordinator().write(Write("k", "x"), FAR)
    assert newer.calls == MAX_ATTEMPTS


async def test_direct_writes_are_never_routed(cluster: Cluster) -> None:
    await cluster.coordinator().write_direct(A, Write("bee", "x"), FAR)
    assert (cluster.stores[A].count(), cluster.stores[B].count()) == (1, 0)


async def test_a_batch_answers_in_the_order_asked(cluster: Cluster) -> None:
    coordinator = cluster.coordinator()
    outcomes = await coordinator.write_many([Write("b1", "1"), Write("a1", b"\xff"), Write("b2", "2")], FAR)
    assert [isinstance(outcome, Written) for outcome in outcomes] == [True] * 3
    found = await coordinator.get_many(["b2", "none", "a1", "b1", "b2"], FAR)
    assert [f.value if isinstance(f, Found) else type(f) for f in found] == [
        "2", KeyNotFoundError, b"\xff", "1", "2",
    ]  # fmt: skip


async def test_of_two_writes_to_one_key_the_later_stands(cluster: Cluster) -> None:
    coordinator = cluster.coordinator(HandClock(1))
    await cluster.coordinator().write(Write("k", "newer"), FAR)
    first, other, last = await coordinator.write_many(
        [Write("k", "1"), Write("o", "o"), Write("k", "2")], FAR
    )
    assert first == last
    assert isinstance(other, Written)
    assert (await coordinator.get("k", FAR)).value == "2"


async def test_an_owner_that_is_down_fails_its_own_keys_only(cluster: Cluster) -> None:
    cluster.replicas[B] = DownReplica()
    coordinator = cluster.coordinator()
    ok, down = await coordinator.write_many([Write("a", "1"), Write("b", "1")], FAR)
    assert isinstance(ok, Written)
    assert isinstance(down, ReplicaUnreachableError)
    assert down.owner == B
    found, lost = await coordinator.get_many(["a", "b"], FAR)
    assert isinstance(found, Found)
    assert isinstance(lost, ReplicaUnreachableError)


async def test_what_stands_of_a_batch_is_told_though_the_rest_fails(cluster: Cluster) -> None:
    """The first attempt stores one and is overtaken on the other; the owner is gone at the second."""

    class GoneAfterOne(DownReplica):
        calls = 0

        async def apply(self, records: Sequence[Record], deadline: float) -> list[Applied]:
            self.calls += 1
            if self.calls > 1:
                return await super().apply(records, deadline)
            return [Applied(record.version + 1 if record.key == "b2" else 0, False) for record in records]

    cluster.replicas[B] = GoneAfterOne()
    stands, lost = await cluster.coordinator().write_many([Write("b1", "1"), Write("b2", "2")], FAR)
    assert isinstance(stands, Written)
    assert isinstance(lost, ReplicaUnreachableError)


async def test_concurrent_writers_of_one_key_all_end_with_versions_of_their_own(cluster: Cluster) -> None:
    coordinators = [cluster.coordinator(HandClock(1_000 * i)) for i in range(5)]
    written = await asyncio.gather(*(c.write(Write("k", str(i)), FAR) for i, c in enumerate(coordinators)))
    assert len({w.version for w in written}) == 5
    winner = max(range(5), key=lambda i: written[i].version)
    assert (await coordinators[0].get("k", FAR)).value == str(winner)
