"""The promises of a replica: what they refuse, when they hold, and refusals in limedb/ports/store.py."""

import asyncio
from collections.abc import Sequence

import pytest

from limedb.core.hlc import FIRST_BALLOT, version_at
from limedb.core.layout import EVERYTHING
from limedb.core.promises import KEPT_MS
from limedb.core.record import Record
from limedb.errors import InvalidRequestError, RecordDamagedError, StaleEpochError
from limedb.ports import Applied, KeyPromises, Promised
from limedb.replication.clock_guard import ClockSkewGuard
from limedb.replication.conditional.guard import LOOK_KEYS, LOOK_MS, PromiseGuard
from limedb.replication.peer_door import PeerDoor
from limedb.storage.memory.operations import MemoryOperations
from limedb.storage.memory.store import MemoryStore
from tests.cluster.virtual import START_MS
from tests.replication.nodes import SKEW_MS, A, AtHand, Nodes, virtual

NOW = START_MS
BALLOT = version_at(NOW, FIRST_BALLOT | 7)
OLD = Record("k", "old", version_at(NOW - 5))
BELOW, ABOVE = Record("k", "below", version_at(NOW)), Record("k", "above", version_at(NOW + 1))


class SlowStore(MemoryStore):
    """A store that takes records once it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go = asyncio.Event()

    async def apply(self, records: Sequence[Record], now_ms: int) -> list[Applied]:
        await self.may_go.wait()
        return await super().apply(records, now_ms)


async def put(guard: PromiseGuard, *records: Record, copied: bool = False) -> Sequence[Applied]:
    passing = guard.enter(records)
    try:
        return await guard.apply(passing, NOW, copied=copied)
    finally:
        guard.leave(passing)


@virtual
async def test_a_promise_answers_with_the_record_and_refuses_what_is_below() -> None:
    store = MemoryStore()
    guard = PromiseGuard(store, MemoryOperations(), NOW)
    await put(guard, OLD)
    assert await guard.promise("k", BALLOT, NOW) == Promised(True, BALLOT, OLD)

    for copied in False, True:
        (refused,) = await put(guard, BELOW, copied=copied)
        assert refused == Applied(BALLOT, True, OLD.version)
        assert refused.is_by_promise
    assert await store.get("k") == OLD
    own = Record("k", "new", BALLOT)
    assert await put(guard, own) == [Applied(0, True, OLD.version)]
    assert (await put(guard, BELOW))[0] == Applied(BALLOT + 1, True, BALLOT)  # rule G
    assert await put(guard, ABOVE) == [Applied(0, True, BALLOT)]


@virtual
async def test_of_a_batch_what_is_not_refused_is_stored() -> None:
    guard = PromiseGuard(store := MemoryStore(), MemoryOperations(), NOW)
    await guard.promise("k", BALLOT, NOW)
    others = [Record(name, "v", version_at(NOW)) for name in "ab"]
    first, refused, last = await put(guard, others[0], BELOW, others[1])
    assert (first, last) == (Applied(0, False), Applied(0, False))
    assert refused == Applied(BALLOT, False, 0)
    assert await store.get_many(["a", "k", "b"]) == [others[0], None, others[1]]


@virtual
async def test_a_promise_waits_for_writes_of_its_key_that_passed_before_it() -> None:
    store = SlowStore()
    guard = PromiseGuard(store, MemoryOperations(), NOW)
    writing = asyncio.ensure_future(put(guard, BELOW))
    await asyncio.sleep(0)
    promising = asyncio.ensure_future(guard.promise("k", BALLOT, NOW))
    assert await guard.promise("another", BALLOT, NOW) == Promised(True, BALLOT, None)
    assert not promising.done()
    store.may_go.set()
    assert (await promising).record == BELOW
    await writing


@virtual
async def test_a_write_whose_caller_is_gone_is_waited_for() -> None:
    nodes = Nodes(A)
    replica, store = nodes.replicas[A], SlowStore()
    replica._store = replica.guard._store = store
    fence = nodes.topology.fence
    writing = asyncio.ensure_future(replica.apply([BELOW], fence, 9.0))
    await asyncio.sleep(0.01)
    writing.cancel()
    await asyncio.sleep(0.01)
    promising = asyncio.ensure_future(replica.promise("k", BALLOT, fence, 9.0))
    await asyncio.sleep(0.01)
    assert not promising.done()
    store.may_go.set()
    assert (await promising).record == BELOW
    await replica.close()


@virtual
async def test_a_ballot_that_is_not_above_all_is_refused_with_what_is_higher() -> None:
    guard = PromiseGuard(MemoryStore(), MemoryOperations(), NOW)
    await guard.promise("k", BALLOT, NOW)
    assert await guard.promise("k", BALLOT, NOW) == Promised(False, BALLOT)
    assert await guard.promise("k", BALLOT - 1, NOW) == Promised(False, BALLOT)
    await put(guard, ABOVE)
    assert await guard.promise("k", BALLOT + 1, NOW) == Promised(False, ABOVE.version)
    higher = version_at(NOW + 2, FIRST_BALLOT)
    assert await guard.promise("k", higher, NOW) == Promised(True, higher, ABOVE)


@virtual
async def test_what_is_released_refuses_nothing() -> None:
    guard = PromiseGuard(MemoryStore(), MemoryOperations(), NOW)
    await guard.promise("k", BALLOT, NOW)
    guard.release("k", BALLOT)
    guard.release("k", BALLOT)
    assert await put(guard, BELOW) == [Applied(0, False)]


@virtual
async def test_a_damaged_record_is_neither_promised_on_nor_replaced_by_one_below() -> None:
    guard = PromiseGuard(store := AtHand(), MemoryOperations(), NOW)
    await guard.promise("k", BALLOT, NOW)
    store.rot.add("k")
    with pytest.raises(RecordDamagedError):
        await guard.promise("k", BALLOT + 1, NOW)
    assert guard.promised.of("k") == (BALLOT,)
    assert not await guard.mend("k", BELOW)
    assert await guard.mend("k", ABOVE)
    assert await guard.mend("other", None)


@virtual
async def test_where_the_log_was_lost_and_the_data_was_not_older_writes_are_refused() -> None:
    store = MemoryStore([OLD])
    log = MemoryOperations()
    log.has_floor, log.is_new = False, True
    guard = PromiseGuard(store, log, NOW)
    assert log.has_floor
    (refused,) = await put(guard, Record("other", "v", version_at(NOW)))
    assert refused == Applied(version_at(NOW + 1), False, 0)
    assert not (await guard.promise("k", BALLOT, NOW)).is_promised
    assert PromiseGuard(MemoryStore(), MemoryOperations(), NOW).promised.floor == 0


@virtual
async def test_promises_are_listed_for_new_owners_who_take_them_over() -> None:
    guard = PromiseGuard(MemoryStore(), MemoryOperations(), NOW)
    await guard.promise("k", BALLOT, NOW)
    other = PromiseGuard(MemoryStore(), MemoryOperations(), NOW)
    listed = guard.listed([EVERYTHING])
    assert listed == [KeyPromises("k", (BALLOT,))]
    assert guard.listed([]) == []
    await other.take_over(listed)
    assert (await put(other, BELOW))[0].is_by_promise


@virtual
async def test_promises_that_were_overtaken_long_ago_are_forgotten() -> None:
    guard = PromiseGuard(MemoryStore(), MemoryOperations(), NOW)
    await guard.promise("k", BALLOT, NOW)
    await guard.promise("open", BALLOT, NOW)
    await put(guard, Record("k", "new", BALLOT))
    late = NOW + KEPT_MS + LOOK_MS
    await guard.promise("later", version_at(late, FIRST_BALLOT), late)
    assert sorted(guard.promised.by_key) == ["later", "open"]


@virtual
async def test_promises_that_nothing_reaches_keep_no_others_in_memory() -> None:
    """A node whose certificate was stolen can ask for many; so can coordinators that die."""
    guard = PromiseGuard(MemoryStore(), MemoryOperations(), NOW)
    open_ones = [f"open{number}" for number in range(3 * LOOK_KEYS)]
    for key in open_ones:
        await guard.promise(key, BALLOT, NOW)
    await guard.promise("k", BALLOT, NOW)
    await put(guard, Record("k", "new", BALLOT))
    late = NOW + KEPT_MS + LOOK_MS
    for turn in range(4):
        moment = late + turn * LOOK_MS
        await guard.promise("later", version_at(moment, FIRST_BALLOT), moment)
    assert sorted(guard.promised.by_key) == sorted([*open_ones, "later"])


@virtual
async def test_a_replica_that_knows_a_newer_topology_promises_nothing() -> None:
    nodes = Nodes(A)
    fence = nodes.topology.fence
    with pytest.raises(StaleEpochError):
        await nodes.replicas[A].promise("k", BALLOT, fence._replace(epoch=0), 9.0)
    assert nodes.replicas[A].guard.promised.of("k") == ()


@virtual
async def test_what_no_node_would_send_is_refused_at_the_door() -> None:
    nodes = Nodes(A)
    door, fence = PeerDoor(nodes.replicas[A], ClockSkewGuard(nodes.clock, SKEW_MS)), nodes.topology.fence
    for key, ballot in ("", BALLOT), ("k" * 5000, BALLOT), ("k", version_at(NOW)):
        with pytest.raises(InvalidRequestError):
            await door.promise(key, ballot, fence, 9.0)
