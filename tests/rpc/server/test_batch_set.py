"""A BatchSet stores and answers the same as bytes and by the whole way, on a store of its own each."""

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limedb.core.hlc import HybridClock
from limedb.core.quorum import Level
from limedb.core.topology import Topology, initial_topology
from limedb.encoding.groups import GroupMessages
from limedb.errors import InvalidRequestError, LimeDBError
from limedb.ports import Replicas
from limedb.replication.clock_guard import ClockSkewGuard
from limedb.replication.coordinator import Coordinator
from limedb.replication.in_flight import InFlight
from limedb.replication.replica import LocalReplica
from limedb.rpc.server import kv as serving
from limedb.rpc.server.checks import Checks
from limedb.rpc.server.kv import KVServicer
from limedb.storage.lmdb.store import LmdbStore
from limedb.storage.memory.hints import MemoryHints
from limedb.storage.memory.operations import MemoryOperations
from limedb.wire.batch_set import request_class
from limedbpb.v1 import kv_pb2
from tests.cluster.virtual import START_MS, VirtualClock
from tests.replication.nodes import SKEW_MS, A, Place, member
from tests.wire.test_batch_set import ITEMS, odd_items

BatchSetRequest: Any = request_class(kv_pb2.BatchSetRequest.DESCRIPTOR)
FEW_KEYS = st.builds(
    lambda key, value: kv_pb2.BatchWrite(key=key, **value),
    st.sampled_from(["a", "b", "c", "k" * 127]),
    st.sampled_from([{"value": "v"}, {"value": "ü" * 99}, {"blob": b"\xff"}, {"delete": True}]),
)
BATCHES = st.lists(
    st.lists(FEW_KEYS.map(lambda item: bytes(item.SerializeToString())), max_size=5)
    | st.lists((ITEMS.map(lambda item: bytes(item.SerializeToString()))) | odd_items(), max_size=2),
    min_size=1,
    max_size=4,
)


class Still(VirtualClock):
    """A clock that stands, so that two nodes give the same versions."""

    def monotonic(self) -> float:
        return 0.0

    def elapsed(self) -> float:
        return 0.0

    def worked(self) -> float:
        return 0.0

    def wall_ms(self) -> int:
        return START_MS


class Alone:
    """A node without peers, its clients and its server, on a store of its own."""

    def __init__(self, folder: Path) -> None:
        clock = Still()
        self.place = Place(initial_topology("c1", 3, [member(A)]))
        self.store = LmdbStore(folder, "none", print)
        skew = ClockSkewGuard(clock, SKEW_MS)
        self.replica = LocalReplica(
            self.store, clock, self.place, InFlight(), 1 << 20, skew, MemoryOperations()
        )
        self.replica.follow(Topology(), self.place.layout.topology)
        replicas = mock.create_autospec(Replicas, instance=True)
        replicas.at.return_value, replicas.is_reachable.return_value = self.replica, True
        self.coordinator = Coordinator(
            self.place, replicas, clock, HybridClock(), MemoryHints(), skew, GroupMessages(), Level.QUORUM
        )
        self.counted: list[tuple[str, int]] = []
        nothing: Any = mock.Mock()
        deadlines: Any = mock.Mock()
        deadlines.of.return_value = 5.0
        counter: Any = mock.Mock(count_operations=lambda kind, n: self.counted.append((kind, n)))
        checks = Checks(max_value_size=300)
        self.kv = KVServicer(
            A, self.coordinator, self.replica, nothing, checks, deadlines, counter, 1 << 20, *[nothing] * 3
        )

    async def batch_set(self, items: Sequence[bytes]) -> object:
        """The answer, or the refusal."""
        try:
            return await self.kv.BatchSet(BatchSetRequest(writes=items), mock.Mock())
        except LimeDBError as error:
            return type(error), str(error)

    async def close(self) -> list[tuple[int, bytes]]:
        """All that it holds, as bytes."""
        held = await self.store.stored_tokens(0, 2**64 - 1, 1000)
        for part in (self.coordinator, self.replica, self.store):
            await part.close()
        return sorted(held)


@contextmanager
def whole_way() -> Iterator[None]:
    """Nothing passes for plain."""
    with mock.patch.object(serving, "plain_writes", return_value=None):
        yield


async def outcomes_of(batches: Sequence[Sequence[bytes]]) -> list[object]:
    """What a node answers to batches, counts and holds afterwards, and what its watches get."""
    with tempfile.TemporaryDirectory() as folder:
        node = Alone(Path(folder) / "store")
        answers = [await node.batch_set(items) for items in batches]
        changes = [(at, record, late) for at, record, late in node.replica.changes.tail().changes]
        sums = {kind: sum(n for of, n in node.counted if of == kind) for kind in ("set", "delete")}
        count, high_water = node.store.count(), node.store.high_water()
        return [answers, changes, sums, count, high_water, await node.close()]


@settings(max_examples=40)
@given(BATCHES)
def test_any_batch_has_the_same_outcome_as_bytes_and_by_the_whole_way(batches: list[list[bytes]]) -> None:
    async def compare() -> None:
        outcomes = await outcomes_of(batches)
        with whole_way():
            assert await outcomes_of(batches) == outcomes

    asyncio.run(compare())


async def test_a_refusal_names_the_place_of_the_write(tmp_path: Path) -> None:
    node = Alone(tmp_path / "store")
    usual = kv_pb2.BatchWrite(key="k", value="v").SerializeToString()
    with pytest.raises(InvalidRequestError, match=r"^writes\[1\]: the item is not a BatchWrite"):
        await node.kv.BatchSet(BatchSetRequest(writes=[usual, b"\x0a\x01\xff"]), mock.Mock())
    empty = kv_pb2.BatchWrite(value="v").SerializeToString()
    with pytest.raises(InvalidRequestError, match=r"^writes\[1\]: key is empty"):
        await node.kv.BatchSet(BatchSetRequest(writes=[usual, empty]), mock.Mock())
    assert await node.close() == []
