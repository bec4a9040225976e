"""What a node reads at hand: only what it alone owns, and only where its store can."""

from pathlib import Path

import pytest

from limedb.core.record import Record
from limedb.core.topology import Topology, initial_topology
from limedb.encoding.record import encode
from limedb.errors import NotMemberError
from limedb.ports import Store
from limedb.replication.clock_guard import ClockSkewGuard
from limedb.replication.in_flight import InFlight
from limedb.replication.read.local_reads import LocalReads
from limedb.replication.replica import LocalReplica
from limedb.storage.lmdb.store import LmdbStore
from limedb.storage.memory.operations import MemoryOperations
from limedb.storage.memory.store import MemoryStore
from tests.cluster.virtual import VirtualClock
from tests.replication.nodes import A, B, Place, member

ALONE = initial_topology("c1", 3, [member(A)])
BOTH = initial_topology("c1", 3, [member(A), member(B)])
SHARED = initial_topology("c1", 1, [member(A), member(B)])
RECORD = Record("k", "v", 1)


def local_reads(store: Store, topology: Topology, limit: int = 1000) -> LocalReads:
    clock, place = VirtualClock(), Place(topology)
    skew = ClockSkewGuard(clock, 500)
    return LocalReads(
        A, store, LocalReplica(store, clock, place, InFlight(), limit, skew, MemoryOperations()), place, skew
    )


@pytest.fixture
async def store(tmp_path: Path) -> LmdbStore:
    """A store that has its records at hand; the test's end closes its loop, and with it the store."""
    store = LmdbStore(tmp_path / "store", "none", lambda _: None)
    await store.apply([RECORD], 0)
    return store


async def test_the_only_owner_reads_what_is_stored(store: LmdbStore) -> None:
    hand = local_reads(store, ALONE)
    assert hand.get("k") == encode(RECORD)
    assert hand.get("missing") == b""
    assert hand.get_many(["missing", "k"]) == [None, encode(RECORD)]
    await store.close()


async def test_where_another_node_owns_it_too_the_coordinator_is_asked(store: LmdbStore) -> None:
    hand = local_reads(store, BOTH)
    assert (hand.get("k"), hand.get_many(["k"])) == (None, None)
    await store.close()


async def test_of_single_owners_each_reads_its_own_keys_only(store: LmdbStore) -> None:
    hand, layout = local_reads(store, SHARED), Place(SHARED).layout
    own = next(f"own{i}" for i in range(99) if layout.of_key(f"own{i}").natural == (A,))
    other = next(f"other{i}" for i in range(99) if layout.of_key(f"other{i}").natural == (B,))
    assert (hand.get(own), hand.get(other)) == (b"", None)
    assert (hand.get_many([own]), hand.get_many([own, other])) == ([None], None)
    await store.close()


async def test_too_much_for_one_answer_is_left_to_the_coordinator(store: LmdbStore) -> None:
    assert local_reads(store, ALONE, limit=10).get_many(["k", "k"]) is None
    await store.close()


async def test_a_store_without_stored_bytes_is_left_to_the_coordinator() -> None:
    hand = local_reads(MemoryStore(), ALONE)
    assert (hand.get("k"), hand.get_many(["k"])) == (None, None)


async def test_a_node_without_a_cluster_says_so(store: LmdbStore) -> None:
    with pytest.raises(NotMemberError):
        local_reads(store, Topology()).get("k")
    await store.close()
