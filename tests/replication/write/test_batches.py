"""Batches of writes: one call to each replica, an outcome for each key."""

import pytest

from limedb.core.quorum import Level
from limedb.errors import (
    LevelUnreachableError,
    OutcomeUnknownError,
    RequestTimeoutError,
    StoreFullError,
)
from limedb.replication.coordinator import Write, Written
from tests.cluster.virtual import VirtualClock
from tests.replication.nodes import SOON, A, B, C, D, Nodes, virtual


@virtual
async def test_each_write_of_a_batch_has_its_own_outcome() -> None:
    nodes = Nodes(A, B, C, D, replication_factor=1)
    seat = nodes.coordinator()
    keys = {url: nodes.key_of(url) for url in (A, B, C, D)}
    seat.fail(B, is_down=True)
    seat.fail(C, error=StoreFullError("no room"))
    seat.fail(D, swallows=True)
    outcomes = await seat.coordinator.write_many([Write(key, "x") for key in keys.values()], None, 1.0)
    assert [type(outcome) for outcome in outcomes] == [
        Written, LevelUnreachableError, StoreFullError, OutcomeUnknownError,
    ]  # fmt: skip


@virtual
async def test_a_batch_is_one_call_to_each_replica() -> None:
    nodes = Nodes(A, B, C, D)
    seat = nodes.coordinator()
    for level in (Level.QUORUM, Level.LINEARIZABLE):
        seat.wire.calls.clear()
        writes = [Write(f"k{i}", str(i)) for i in range(200)]
        outcomes = await seat.coordinator.write_many(writes, level, SOON)
        assert all(isinstance(outcome, Written) for outcome in outcomes)
        assert sorted(seat.wire.called("apply")) == [A, B, C, D]
        await seat.coordinator.close()
    assert sum(store.count() for store in nodes.stores.values()) == 600


@pytest.mark.parametrize("level", Level)
@virtual
async def test_a_large_batch_is_written_in_portions(level: Level) -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    seat.coordinator.portion_bytes = 10
    writes = [Write(key, value) for key, value in (("a", "v" * 6), ("b", b"v" * 4), ("c", "v" * 99))]
    writes += [Write("d", None), Write("e", "v"), Write("a", "last")]
    outcomes = await seat.coordinator.write_many(writes, level, SOON)
    assert all(isinstance(outcome, Written) for outcome in outcomes)
    assert outcomes[0] == outcomes[-1]
    await seat.coordinator.close()
    assert {keys for kind, _, keys in seat.wire.calls if kind == "apply"} == {("a", "b"), ("c",), ("d", "e")}
    assert [{*(await nodes.values(key)).values()} for key in "abcde"] == [
        {"last"}, {b"v" * 4}, {"v" * 99}, {None}, {"v"},
    ]  # fmt: skip


@virtual
async def test_a_portion_that_fails_leaves_those_before_written() -> None:
    """What is raised for a whole batch would say that nothing of it was written."""
    nodes = Nodes()
    seat = nodes.coordinator()
    seat.coordinator.portion_bytes = 1
    seat.fail(A, delay=0.4)
    seat.fail(B, delay=0.4)
    writes = [*(Write(key, "v") for key in "abcd"), Write("e", "v", 0, bytes(16), 1)]
    first, *_, last, attempt = await seat.coordinator.write_many(writes, Level.ALL, 0.5)
    assert isinstance(first, Written)
    assert isinstance(last, RequestTimeoutError)
    assert isinstance(attempt, OutcomeUnknownError)
    await seat.coordinator.close()
    assert not await nodes.values("d")


@virtual
async def test_of_a_batch_only_what_was_overtaken_is_written_again() -> None:
    nodes = Nodes()
    seat = nodes.coordinator(clock=VirtualClock(-400))
    await nodes.coordinator(B).coordinator.write(Write("b", "newer"), Level.ALL, SOON)
    first, other, last = await seat.coordinator.write_many(
        [Write("a", "1"), Write("b", "2"), Write("a", "3")], None, SOON
    )
    assert isinstance(first, Written)
    assert isinstance(other, Written)
    assert first == last
    assert [keys for kind, _, keys in seat.wire.calls if kind == "apply"] == [("a", "b")] * 3 + [("b",)] * 3
    await seat.coordinator.close()
    assert set((await nodes.values("b")).values()) == {"2"}


@virtual
async def test_an_empty_batch_is_nothing() -> None:
    assert await Nodes().coordinator().coordinator.write_many([], None, SOON) == []
