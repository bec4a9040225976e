"""Gets that come together: one comparison for many, and to each what it would have had alone."""

import asyncio

import pytest

from limedb.core.hlc import version_at
from limedb.core.quorum import Level
from limedb.core.record import Record
from limedb.encoding.record import encode
from limedb.errors import NotMemberError
from limedb.replication.coordinator import Write
from limedb.replication.read.confirmed_reads import MAX_RECORD
from limedb.replication.read.get_batcher import LINGER_SECONDS
from tests.cluster.virtual import START_MS
from tests.replication.nodes import A, B, C, D, Nodes, Seat, left_tasks, virtual

FAR = 60.0
OLD, NEW = version_at(START_MS), version_at(START_MS + 1)
E, F = "http://e:1", "http://f:1"


async def filled(count: int) -> Nodes:
    nodes = Nodes(at_hand=True)
    for i in range(count):
        await nodes.put(Record(f"k{i}", str(i), OLD), A, B, C)
    return nodes


def stored(key: str, value: str, version: int = OLD) -> bytes:
    return encode(Record(key, value, version))


async def together(seat: Seat, *keys: str, deadline: float = FAR) -> list[bytes | None]:
    return await asyncio.gather(*(seat.coordinator.get_stored(key, None, deadline) for key in keys))


@virtual
async def test_gets_that_come_together_are_one_question() -> None:
    seat = (await filled(50)).coordinator()
    keys = [f"k{i}" for i in range(50)]
    assert await together(seat, *keys, *keys) == [stored(f"k{i}", str(i)) for i in range(50)] * 2
    ((kind, _, asked),) = seat.wire.calls
    assert (kind, asked) == ("compare", tuple(keys))
    await seat.coordinator.close()
    assert left_tasks() == []


@virtual
async def test_a_lone_get_does_not_wait() -> None:
    seat = (await filled(1)).coordinator()
    for _ in range(3):
        assert await together(seat, "k0") == [stored("k0", "0")]
    assert seat.clock.monotonic() == 0
    assert len(seat.wire.calls) == 3


@virtual
async def test_gets_that_come_meanwhile_are_the_next_question() -> None:
    seat = (await filled(10)).coordinator()
    seat.fail(B, C, delay=LINGER_SECONDS / 2)
    first = asyncio.ensure_future(together(seat, "k0"))
    await asyncio.sleep(LINGER_SECONDS / 4)
    assert await together(seat, *(f"k{i}" for i in range(1, 10))) == [
        stored(f"k{i}", str(i)) for i in range(1, 10)
    ]
    assert await first == [stored("k0", "0")]
    assert [len(keys) for _, _, keys in seat.wire.calls] == [1, 9]


@virtual
async def test_a_get_sees_what_was_written_while_a_question_for_its_key_was_on_its_way() -> None:
    """It may not join that question: the own record was read before it came."""
    nodes = await filled(1)
    seat = nodes.coordinator()
    seat.fail(B, C, delay=LINGER_SECONDS / 2)
    first = asyncio.ensure_future(together(seat, "k0"))
    await asyncio.sleep(LINGER_SECONDS / 4)
    await nodes.put(Record("k0", "newer", NEW), A, B, C)
    assert await together(seat, "k0") == [stored("k0", "newer", NEW)]
    await first


@virtual
async def test_who_is_confirmed_does_not_wait_for_others_of_its_group() -> None:
    nodes = Nodes(A, B, C, D, E, F, at_hand=True)
    slow = nodes.key(lambda natural, _: A in natural and {D, E} < set(natural))
    fast = nodes.key(lambda natural, _: A in natural and not {D, E} & set(natural))
    for key in slow, fast:
        await nodes.put(Record(key, "x", OLD), A, B, C, D, E, F)
    seat = nodes.coordinator()
    seat.fail(D, E, swallows=True)
    waiting = asyncio.ensure_future(together(seat, slow, deadline=10.0))
    assert await together(seat, fast, deadline=10.0) == [stored(fast, "x")]
    assert seat.clock.monotonic() < 1
    waiting.cancel()


@virtual
async def test_one_that_differs_goes_the_whole_way_alone() -> None:
    nodes = await filled(3)
    await nodes.put(Record("k1", "newer", NEW), B)
    seat = nodes.coordinator()
    seat.fail(C, is_down=True)
    assert await together(seat, "k0", "k1", "k2") == [stored("k0", "0"), None, stored("k2", "2")]
    assert (await seat.coordinator.get("k1", None, FAR)).value == "newer"
    assert (await nodes.values("k1"))[A] == "newer"


@virtual
async def test_a_large_record_goes_the_whole_way_where_there_is_room_for_it() -> None:
    nodes = await filled(1)
    await nodes.put(Record("large", "x" * MAX_RECORD, OLD), A, B, C)
    seat = nodes.coordinator()
    assert await together(seat, "large", "k0") == [None, stored("k0", "0")]
    assert [keys for _, _, keys in seat.wire.calls] == [("k0",)]


@virtual
async def test_deadlines_and_levels_are_not_shared() -> None:
    seat = (await filled(1)).coordinator()
    get = seat.coordinator.get_stored
    found = await asyncio.gather(
        get("k0", Level.QUORUM, 10.0), get("k0", Level.QUORUM, 20.0), get("k0", Level.ALL, 10.0)
    )
    assert found == [stored("k0", "0")] * 3
    assert sorted(len(keys) for _, _, keys in seat.wire.calls) == [1, 1, 1, 1]


@virtual
async def test_a_caller_that_is_gone_takes_nobody_with_it() -> None:
    seat = (await filled(2)).coordinator()
    seat.fail(B, C, delay=0.01)
    gone = asyncio.ensure_future(seat.coordinator.get_stored("k0", None, FAR))
    stays = asyncio.ensure_future(seat.coordinator.get_stored("k1", None, FAR))
    await asyncio.sleep(0.005)
    gone.cancel()
    assert await stays == stored("k1", "1")


@virtual
async def test_those_that_wait_when_the_node_stops_hear_of_it() -> None:
    seat = (await filled(1)).coordinator()
    seat.fail(B, C, swallows=True)
    waiting = asyncio.ensure_future(seat.coordinator.get_stored("k0", None, FAR))
    await asyncio.sleep(0.1)
    await seat.coordinator.close()
    assert await waiting is None
    assert left_tasks() == []


@virtual
async def test_a_write_that_was_acknowledged_is_seen_by_the_next_get() -> None:
    nodes = await filled(1)
    seat = nodes.coordinator()
    for i in range(5):
        await seat.coordinator.write(Write("k0", f"v{i}"), None, FAR)
        data = await seat.coordinator.get_stored("k0", None, FAR)
        assert data is None or b"v%d" % i in data


@virtual
async def test_a_node_without_a_cluster_says_so() -> None:
    from limedb.core.topology import Topology

    nodes = Nodes(at_hand=True)
    nodes.places[A].layout = type(nodes.places[A].layout)(Topology())
    with pytest.raises(NotMemberError):
        await nodes.coordinator().coordinator.get_stored("k", None, FAR)
