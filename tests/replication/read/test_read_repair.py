"""What a read found to differ is made equal before it answers."""

import asyncio
from dataclasses import replace

import pytest

from limedb.core.quorum import Level
from limedb.core.record import Record
from limedb.errors import (
    KeyNotFoundError,
    LevelUnreachableError,
    RemoteError,
)
from limedb.replication.coordinator import Found
from tests.replication.nodes import BOTH, NEW, OLD, SOON, A, B, C, Nodes, virtual


@BOTH
@virtual
async def test_replicas_that_differ_are_mended_before_the_answer(level: Level) -> None:
    nodes = Nodes()
    await nodes.put(Record("k", "old", OLD), A, B, C)
    await nodes.put(Record("k", "new", NEW), B)
    seat = nodes.coordinator()
    assert (await seat.coordinator.get("k", level, SOON)) == Found("new", B, version=NEW)
    assert (await nodes.values("k"))[A] == "new"
    assert seat.coordinator.counters.read_repairs == 1


@BOTH
@virtual
async def test_a_tombstone_is_mended_like_a_value(level: Level) -> None:
    nodes = Nodes()
    await nodes.put(Record("k", "x", OLD), A, B)
    await nodes.put(Record("k", None, NEW), A)
    with pytest.raises(KeyNotFoundError):
        await nodes.coordinator().coordinator.get("k", level, SOON)
    values = await nodes.values("k")
    assert (values[A], values[B]) == (None, None)


@BOTH
@virtual
async def test_equal_versions_with_unequal_values_are_mended(level: Level) -> None:
    nodes = Nodes()
    await nodes.put(Record("k", "a", OLD), A)
    await nodes.put(Record("k", "b", OLD), B)
    assert (await nodes.coordinator().coordinator.get("k", level, SOON)).value == "b"
    assert (await nodes.values("k"))[A] == "b"


@BOTH
@virtual
async def test_where_answers_agree_nothing_is_written(level: Level) -> None:
    nodes = Nodes()
    await nodes.put(Record("k", "x", OLD), A, B)
    seat = nodes.coordinator()
    assert (await seat.coordinator.get("k", level, SOON)).value == "x"
    assert seat.wire.called("apply") == []


@virtual
async def test_level_one_asks_one_replica_and_mends_nothing() -> None:
    nodes = Nodes()
    await nodes.put(Record("k", "old", OLD), A)
    await nodes.put(Record("k", "new", NEW), B)
    seat = nodes.coordinator()
    await seat.coordinator.get("k", Level.ONE, SOON)
    assert [kind for kind, _, _ in seat.wire.calls] == ["read"]


@virtual
async def test_a_mend_that_fails_is_made_at_another_replica() -> None:
    nodes = Nodes()
    await nodes.put(Record("k", "old", OLD), A, B, C)
    await nodes.put(Record("k", "new", NEW), A)
    seat = nodes.coordinator()
    full = nodes.stores[B].apply

    async def refuse(records: object, now_ms: int) -> None:
        raise RemoteError(B, "STORE_FULL", "RESOURCE_EXHAUSTED", "no room")

    nodes.stores[B].apply = refuse  # type: ignore[assignment, method-assign]
    assert (await seat.coordinator.get("k", None, SOON)).value == "new"
    assert await nodes.values("k") == {A: "new", B: "old", C: "new"}

    await nodes.put(Record("k", "newest", NEW + 1), A)
    nodes.stores[C].apply = refuse  # type: ignore[assignment, method-assign]
    with pytest.raises(LevelUnreachableError, match="no room"):
        await seat.coordinator.get("k", None, SOON)
    nodes.stores[B].apply = full  # type: ignore[method-assign]
    assert (await seat.coordinator.get("k", None, SOON)).value == "newest"


@virtual
async def test_a_read_at_a_level_of_all_is_mended_everywhere_or_fails() -> None:
    nodes = Nodes()
    await nodes.put(Record("k", "new", NEW), A)
    await nodes.coordinator().coordinator.get("k", Level.ALL, SOON)
    assert set(await nodes.values("k")) == {A, B, C}


@virtual
async def test_a_read_after_a_read_never_answers_with_less() -> None:
    """A write that reached one replica only, once read, is read for ever, whoever is asked."""
    nodes = Nodes()
    await nodes.put(Record("k", "old", OLD), A, B, C)
    await nodes.put(Record("k", "new", NEW), C)
    first = nodes.coordinator()
    first.fail(A, is_down=True)
    assert (await first.coordinator.get("k", None, SOON)).value == "new"
    for lost in (B, C):
        second = nodes.coordinator()
        second.fail(lost, is_down=True)
        assert (await second.coordinator.get("k", None, SOON)).value == "new"


@virtual
async def test_without_read_repair_a_later_read_may_answer_with_less() -> None:
    class Forgetful:
        async def restore(self, *_: object) -> dict[str, Exception]:
            return {}

    nodes = Nodes()
    await nodes.put(Record("k", "old", OLD), A, B, C)
    await nodes.put(Record("k", "new", NEW), C)
    first, second = nodes.coordinator(), nodes.coordinator()
    first.coordinator.resolver.read_repair = Forgetful()  # type: ignore[assignment]
    first.fail(A, is_down=True)
    second.fail(C, is_down=True)
    assert (await first.coordinator.get("k", None, SOON)).value == "new"
    assert (await second.coordinator.get("k", None, SOON)).value == "old"


@virtual
async def test_a_topology_that_is_newer_only_for_the_mend_is_followed_too() -> None:
    nodes = Nodes()
    await nodes.put(Record("k", "new", NEW), A)
    seat = nodes.coordinator()
    for url in (B, C):
        seat.fail(url, delay=0.02)
    reading = asyncio.create_task(seat.coordinator.get("k", None, SOON))
    await asyncio.sleep(0.03)
    nodes.spread(replace(nodes.topology, epoch=7), B, C)
    assert (await reading).value == "new"
    assert seat.coordinator.counters.stale_restarts == 1


@BOTH
@virtual
async def test_a_replica_with_a_slow_disk_gets_what_it_lacks_behind_the_answer(level: Level) -> None:
    nodes = Nodes()
    await nodes.put(Record("k", "new", NEW), A, C)
    seat = nodes.coordinator()
    seat.fail(B, delay=0.02)
    reading = asyncio.create_task(seat.coordinator.get("k", level, SOON))
    await asyncio.sleep(0.01)  # A and B are being asked
    seat.fail(B, delay=SOON - 2)  # from now on
    began = nodes.clock.monotonic()
    assert (await reading).value == "new"
    assert nodes.clock.monotonic() - began <= 1.0
    await asyncio.sleep(6)
    assert (await nodes.values("k"))[B] == "new"
