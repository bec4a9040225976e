"""Plain writes as bytes have the outcomes of the same writes as objects, whatever happens to replicas.

Tests limedb/replication/write/shared_writes.py, too.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import pytest

from limedb.core.hlc import version_at
from limedb.core.quorum import Level
from limedb.core.record import Record
from limedb.core.topology import join
from limedb.errors import LimeDBError, StoreFullError
from limedb.replication.requests import Write, WriteBatch, Written
from limedb.wire.batch_set import plain_writes
from limedbpb.v1 import kv_pb2
from tests.cluster.virtual import START_MS, VirtualClock
from tests.replication.nodes import A, B, C, D, Nodes, Seat, member, virtual

Arrange = Callable[[Nodes, Seat], Awaitable[None]]
WRITES = [Write(f"k{i}", "x" * i if i % 2 else b"y" * i) for i in range(1, 9)]


async def nothing(nodes: Nodes, seat: Seat) -> None:
    pass


async def is_known_to_be_down(nodes: Nodes, seat: Seat) -> None:
    seat.fail(B, is_down=True)


async def refuses(nodes: Nodes, seat: Seat) -> None:
    seat.fail(B, refuses=True)


async def has_no_room(nodes: Nodes, seat: Seat) -> None:
    seat.fail(A, error=StoreFullError("no room"))


async def never_answers(nodes: Nodes, seat: Seat) -> None:
    seat.fail(C, swallows=True, is_lost=True)


async def has_newer_records(nodes: Nodes, seat: Seat) -> None:
    for place in 2, 5:
        await nodes.put(Record(f"k{place}", "newer", version_at(START_MS + 300)), *nodes.stores)


async def has_records_of_a_far_future(nodes: Nodes, seat: Seat) -> None:
    await nodes.put(Record("k3", "newer", version_at(START_MS + 10**9)), *nodes.stores)


async def knows_a_newer_topology(nodes: Nodes, seat: Seat) -> None:
    nodes.start(D)
    nodes.spread(join(nodes.topology, member(D)), *list(nodes.stores)[1:])


def as_bytes(writes: Sequence[Write]) -> Sequence[Write]:
    contents = [{"value" if isinstance(write.value, str) else "blob": write.value} for write in writes]
    items = [
        kv_pb2.BatchWrite(key=write.key, **content).SerializeToString()  # type: ignore[arg-type]
        for write, content in zip(writes, contents, strict=True)
    ]
    plain = plain_writes(items, 1000)
    assert isinstance(plain, WriteBatch)
    return plain


def shown(outcome: Written | LimeDBError) -> object:
    return (type(outcome), str(outcome)) if isinstance(outcome, LimeDBError) else outcome[1:]


async def together(seat: Seat, writes: Sequence[Write], level: Level) -> list[Written | LimeDBError]:
    deadline = asyncio.get_running_loop().time() + 1.0
    return [*await seat.coordinator.write_many(writes, level, deadline)]


async def one_by_one(seat: Seat, writes: Sequence[Write], level: Level) -> list[Written | LimeDBError]:
    return [
        each for one in await asyncio.gather(*(together(seat, [w], level) for w in writes)) for each in one
    ]


@dataclass
class Story:
    """Everything that shows what became of writes. Of versions only the order counts: what can't be sent may
    have one, too.
    """

    outcomes: list[object]
    held: list[object]
    hinted: dict[str, list[str]]
    versions: list[int]
    calls: list[tuple[str, str, tuple[str, ...]]]


async def story_of(
    write: Callable[[Seat, Sequence[Write], Level], Awaitable[list[Written | LimeDBError]]],
    writes: Sequence[Write],
    place: tuple[Sequence[str], int],
    level: Level,
    arrange: Arrange,
) -> Story:
    urls, replication_factor = place
    nodes = Nodes(*urls, replication_factor=replication_factor)
    seat = nodes.coordinator(clock=VirtualClock(-400))
    await arrange(nodes, seat)
    outcomes = await write(seat, writes, level)
    await seat.coordinator.close()
    held = [await store.get(write.key) for store in nodes.stores.values() for write in WRITES]
    versions = [each.version if isinstance(each, Written) else 0 for each in outcomes]
    versions += [record.version if record else 0 for record in held]
    order = sorted({*versions})
    return Story(
        [*map(shown, outcomes)],
        [record and (record.key, record.value, record.expires_at) for record in held],
        {url: sorted(await seat.hinted(url)) for url in nodes.stores},
        [*map(order.index, versions)],
        seat.wire.calls,
    )


cases = pytest.mark.parametrize(
    ("place", "arrange"),
    [
        pytest.param(place, arrange, id=f"{name}, {arrange.__name__}")
        for name, place in {
            "one": ((A,), 1),
            "three": ((A, B, C), 3),
            "four with three replicas": ((A, B, C, D), 3),
            "four of one replica": ((A, B, C, D), 1),
        }.items()
        for arrange in (
            nothing,
            is_known_to_be_down,
            refuses,
            has_no_room,
            never_answers,
            has_newer_records,
            has_records_of_a_far_future,
            knows_a_newer_topology,
        )
        if not (arrange is knows_a_newer_topology and D in place[0])  # it is a member
    ],
)


@pytest.mark.parametrize("level", Level)
@cases
@virtual
async def test_a_batch_as_bytes_has_the_outcome_of_its_writes(
    place: tuple[Sequence[str], int], arrange: Arrange, level: Level
) -> None:
    as_objects = await story_of(together, WRITES, place, level, arrange)
    assert await story_of(together, as_bytes(WRITES), place, level, arrange) == as_objects


@pytest.mark.parametrize("level", Level)
@cases
@virtual
async def test_writes_that_share_a_count_have_the_outcomes_that_they_have_alone(
    place: tuple[Sequence[str], int], arrange: Arrange, level: Level
) -> None:
    alone = await story_of(one_by_one, WRITES, place, level, arrange)
    shared = await story_of(together, as_bytes(WRITES), place, level, arrange)
    assert (shared.outcomes, shared.held, shared.hinted) == (alone.outcomes, alone.held, alone.hinted)
