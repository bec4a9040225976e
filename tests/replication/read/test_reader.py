"""Reads at their levels: who is asked, and how little a slow or lost replica matters.

Tests limedb/replication/replica_errors.py and limedb/replication/read/resolver.py.
"""

import asyncio
from dataclasses import replace

import pytest

from limedb.core.quorum import Level
from limedb.core.record import Record
from limedb.core.topology import hand_over, join
from limedb.errors import (
    KeyNotFoundError,
    LevelUnreachableError,
    RemoteError,
    RequestTimeoutError,
    ResponseTooLargeError,
)
from limedb.replication.coordinator import Found, Write
from limedb.replication.read.latency import DEFAULT_DELAY
from tests.replication.nodes import NEW, OLD, SOON, A, B, C, D, Nodes, left_tasks, member, virtual


@pytest.mark.parametrize(
    ("level", "down", "is_reached"),
    [
        (Level.ONE, 2, True), (Level.ONE, 3, False),
        (Level.QUORUM, 1, True), (Level.QUORUM, 2, False),
        (Level.LINEARIZABLE, 1, True), (Level.LINEARIZABLE, 2, False),
        (Level.ALL, 0, True), (Level.ALL, 1, False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("fault", ["is_down", "refuses"])
@virtual
async def test_a_level_holds_while_enough_replicas_are_up(
    fault: str, level: Level, down: int, is_reached: bool
) -> None:
    nodes = Nodes()
    await nodes.put(Record("k", "x", OLD), A, B, C)
    seat = nodes.coordinator()
    seat.fail(*(A, B, C)[:down], **{fault: True})
    if is_reached:
        assert (await seat.coordinator.get("k", level, SOON)).value == "x"
    else:
        with pytest.raises(LevelUnreachableError) as caught:
            await seat.coordinator.get("k", level, SOON)
        assert set(caught.value.missing) == set((A, B, C)[:down])
    assert nodes.clock.monotonic() == 0
    assert seat.wire.called("apply") == []


@virtual
async def test_a_deleted_or_expired_or_unknown_key_is_not_found() -> None:
    nodes = Nodes()
    coordinator = nodes.coordinator().coordinator
    await coordinator.write(Write("gone", "x"), None, SOON)
    assert (await coordinator.write(Write("gone", None), None, SOON)).existed
    await coordinator.write(Write("short", "x", ttl_ms=50), None, SOON)
    await asyncio.sleep(0.049)
    assert (await coordinator.get("short", None, SOON)).value == "x"
    await asyncio.sleep(0.002)
    for key in ("gone", "short", "never"):
        for level in Level:
            with pytest.raises(KeyNotFoundError):
                await coordinator.get(key, level, SOON)


@virtual
async def test_a_slow_replica_is_replaced_after_a_moment() -> None:
    nodes = Nodes()
    await nodes.put(Record("k", "x", OLD), A, B, C)
    seat = nodes.coordinator()
    seat.fail(A, delay=3.0)
    assert (await seat.coordinator.get("k", None, SOON)).value == "x"
    assert nodes.clock.monotonic() == pytest.approx(DEFAULT_DELAY)
    assert seat.coordinator.counters.speculative_retries == 1
    await asyncio.sleep(4.0)  # its late answer tells how slow it was: others are asked now
    seat.wire.calls.clear()
    await seat.coordinator.get("k", None, 100.0)
    assert seat.wire.called("read") == [B, C]
    assert left_tasks() == []


@virtual
async def test_the_moment_is_the_99th_percentile_of_the_reads_before() -> None:
    nodes = Nodes()
    await nodes.put(Record("k", "x", OLD), A, B, C)
    seat = nodes.coordinator()
    seat.fail(A, B, C, delay=0.02)
    for _ in range(100):
        await seat.coordinator.get("k", None, nodes.clock.monotonic() + SOON)
    assert seat.coordinator.counters.speculative_retries == 0
    seat.fail(A, B, C, delay=0.02)
    slowest = nodes.coordinator().coordinator  # another one has no samples yet
    assert slowest.counters.speculative_retries == 0
    seat.fail(A, delay=1.0)
    seat.fail(B, delay=1.0)
    began = nodes.clock.monotonic()
    await seat.coordinator.get("k", Level.ONE, began + SOON)
    assert nodes.clock.monotonic() - began < 2 * 0.026 + 0.021


@virtual
async def test_a_lost_replica_is_replaced_at_once() -> None:
    nodes = Nodes()
    await nodes.put(Record("k", "x", OLD), A, B, C)
    seat = nodes.coordinator()
    seat.fail(A, refuses=True)
    seat.fail(B, error=RemoteError(B, "", "INTERNAL", "a bug"))
    assert (await seat.coordinator.get("k", Level.ONE, SOON)).value == "x"
    assert nodes.clock.monotonic() == 0
    assert seat.wire.called("read") == [A, B, C]


@virtual
async def test_an_answer_that_never_comes_ends_at_the_deadline() -> None:
    nodes = Nodes()
    await nodes.put(Record("k", "x", OLD), A, B, C)
    seat = nodes.coordinator()
    seat.fail(A, B, swallows=True)
    with pytest.raises((RequestTimeoutError, LevelUnreachableError)):
        await seat.coordinator.get("k", None, 2.0)
    assert nodes.clock.monotonic() <= 2.0
    await seat.coordinator.close()
    assert left_tasks() == []


@virtual
async def test_a_client_that_goes_away_leaves_nothing_behind() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    seat.fail(A, B, C, delay=60.0)
    reading = asyncio.create_task(seat.coordinator.get("k", None, 100.0))
    await asyncio.sleep(0.1)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await seat.coordinator.close()
    assert left_tasks() == []


@virtual
async def test_a_newer_topology_is_adopted_and_the_read_begun_again() -> None:
    nodes = Nodes()
    await nodes.put(Record("k", "x", OLD), A, B, C)
    seat = nodes.coordinator()
    newer = replace(nodes.topology, epoch=7)
    nodes.spread(newer, B)
    assert (await seat.coordinator.get("k", None, SOON)).value == "x"
    assert seat.place.layout.topology == newer
    assert seat.coordinator.counters.stale_restarts == 1


@virtual
async def test_during_a_change_a_quorum_read_asks_current_owners_only() -> None:
    nodes = Nodes()
    nodes.spread(join(nodes.topology, member(D)))
    nodes.start(D)
    key = nodes.key(lambda current, extra: extra == (D,))
    await nodes.put(Record(key, "x", OLD), A, B, C)
    seat = nodes.coordinator()
    assert (await seat.coordinator.get(key, Level.QUORUM, SOON)).value == "x"
    assert D not in {url for _, url, _ in seat.wire.calls}


@virtual
async def test_what_a_linearizable_read_told_during_a_change_is_read_after_it() -> None:
    """On two of three old owners, and on no new one: told, it must not be gone under the next epoch."""
    nodes = Nodes()
    nodes.spread(streaming := join(nodes.topology, member(D)))
    nodes.start(D)
    key = nodes.key(lambda current, extra: extra == (D,))
    stays, leaves = _by_the_next_epoch(nodes, key)
    await nodes.put(Record(key, "x", OLD), leaves, stays[0])
    seat = nodes.coordinator()
    seat.fail(stays[1], is_down=True)
    assert (await seat.coordinator.get(key, Level.LINEARIZABLE, SOON)).value == "x"
    nodes.spread(hand_over(streaming))
    later = nodes.coordinator()
    later.fail(stays[0], is_down=True)
    assert (await later.coordinator.get(key, Level.LINEARIZABLE, SOON)).value == "x"


def _by_the_next_epoch(nodes: Nodes, key: str) -> tuple[list[str], str]:
    """The old owners of a key that stay, and the one that leaves."""
    before = nodes.places[A].layout
    after = type(before)(hand_over(before.topology)).of_key(key).natural
    old = before.of_key(key).natural
    (leaves,) = (url for url in old if url not in after)
    return [url for url in old if url in after], leaves


@virtual
async def test_a_batch_answers_in_the_order_asked() -> None:
    nodes = Nodes(A, B, C, D)
    seat = nodes.coordinator()
    await seat.coordinator.write_many([Write("b1", "1"), Write("a1", b"\xff"), Write("b2", "2")], None, SOON)
    outcomes = await seat.coordinator.get_many(["b2", "none", "a1", "b1", "b2"], None, SOON)
    assert [f.value if isinstance(f, Found) else type(f) for f in outcomes] == [
        "2", KeyNotFoundError, b"\xff", "1", "2",
    ]  # fmt: skip
    assert await seat.coordinator.get_many([], None, SOON) == []


@virtual
async def test_a_batch_is_one_call_to_each_replica_and_mends_only_what_differs() -> None:
    nodes = Nodes(A, B, C, D)
    seat = nodes.coordinator()
    keys = [f"k{i}" for i in range(200)]
    await seat.coordinator.write_many([Write(key, "x") for key in keys], Level.ALL, SOON)
    owners = seat.place.layout.of_key("k7").natural
    await nodes.put(Record("k7", "new", NEW + 99), owners[0])
    seat.wire.calls.clear()
    outcomes = await seat.coordinator.get_many(keys, Level.ALL, SOON)
    assert [f.value for f in outcomes if isinstance(f, Found)] == ["x"] * 7 + ["new"] + ["x"] * 192
    assert sorted(seat.wire.called("read")) == [A, B, C, D]
    mended = [(url, keys) for kind, url, keys in seat.wire.calls if kind == "apply"]
    assert sorted(mended) == sorted((url, ("k7",)) for url in owners[1:])


@virtual
async def test_keys_whose_owner_is_down_fail_alone() -> None:
    nodes = Nodes(A, B, replication_factor=1)
    mine, theirs = nodes.key_of(A), nodes.key_of(B)
    await nodes.put(Record(mine, "x", OLD), A)
    for fault in ("is_down", "refuses"):
        seat = nodes.coordinator()
        seat.fail(B, **{fault: True})
        found, lost = await seat.coordinator.get_many([mine, theirs], None, SOON)
        assert found == Found("x", A, version=OLD)
        assert isinstance(lost, LevelUnreachableError)
        assert list(lost.missing) == [B]


@virtual
async def test_values_that_are_too_much_together_are_too_much_for_the_batch() -> None:
    nodes = Nodes()
    layout = nodes.places[A].layout
    pair = [f"k{i}" for i in range(99) if layout.of_key(f"k{i}").natural == (A, B, C)][:2]
    for key in pair:
        await nodes.put(Record(key, "x" * (600 << 10), OLD), A, B, C)
    seat = nodes.coordinator()
    seat.fail(C, refuses=True)
    outcomes = await seat.coordinator.get_many(pair, None, SOON)
    assert [type(outcome) for outcome in outcomes] == [ResponseTooLargeError] * 2


@virtual
async def test_with_one_replica_a_read_makes_no_task() -> None:
    nodes = Nodes(A, B, replication_factor=1)
    key = nodes.key_of(B)
    await nodes.put(Record(key, "x", OLD), B)
    seat = nodes.coordinator()
    assert await seat.coordinator.get(key, None, SOON) == Found("x", B, version=OLD)
    assert left_tasks() == []
    seat.fail(B, error=RequestTimeoutError(1.0, B))
    with pytest.raises(RequestTimeoutError):
        await seat.coordinator.get(key, None, SOON)


@virtual
async def test_a_replica_that_has_more_than_is_wanted_is_none_that_answered() -> None:
    """So a read of what is small never tells an old value, because the new one is large."""
    nodes = Nodes()
    await nodes.put(Record("k", "old", OLD), A)
    await nodes.put(Record("k", "new" * 100, NEW), B, C)
    await nodes.put(Record("short", "x", OLD), A, B, C)
    for level in (Level.QUORUM, Level.ALL, Level.LINEARIZABLE):
        coordinator = nodes.coordinator().coordinator
        with pytest.raises(ResponseTooLargeError):
            await coordinator.get("k", level, SOON, 100)
        told = await coordinator.get_many(["k", "short"], level, SOON, 100)
        assert isinstance(told[0], ResponseTooLargeError)
        assert (await coordinator.get("short", level, SOON, 100)).value == "x"
        assert (await coordinator.get("k", level, SOON)).value == "new" * 100
