"""Plain writes as bytes have the outcomes of the same writes as objects, whatever happens to replicas."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

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


async def outcome_of(
    form: Callable[[Sequence[Write]], Sequence[Write]], urls: Sequence[str], level: Level, arrange: Arrange
) -> list[object]:
    """Everything that shows what became of a batch. Of versions only the order counts: what can't be sent may
    have one, too.
    """
    nodes = Nodes(*urls, replication_factor=3 if len(urls) == 3 else 1)
    seat = nodes.coordinator(clock=VirtualClock(-400))
    await arrange(nodes, seat)
    deadline = asyncio.get_running_loop().time() + 1.0
    outcomes = await seat.coordinator.write_many(form(WRITES), level, deadline)
    await seat.coordinator.close()
    held = [await store.get(write.key) for store in nodes.stores.values() for write in WRITES]
    versions = [each.version if isinstance(each, Written) else 0 for each in outcomes]
    versions += [record.version if record else 0 for record in held]
    order = sorted({*versions})
    return [
        [*map(shown, outcomes)],
        [record and (record.key, record.value, record.expires_at) for record in held],
        [*map(order.index, versions)],
        {url: await seat.hinted(url) for url in nodes.stores},
        seat.wire.calls,
    ]


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("urls", [(A,), (A, B, C), (A, B, C, D)], ids=["one", "three", "four of one replica"])
@pytest.mark.parametrize(
    "arrange",
    [
        nothing,
        is_known_to_be_down,
        refuses,
        has_no_room,
        never_answers,
        has_newer_records,
        has_records_of_a_far_future,
        knows_a_newer_topology,
    ],
    ids=lambda arrange: arrange.__name__,
)
@virtual
async def test_a_batch_as_bytes_has_the_outcome_of_its_writes(
    arrange: Arrange, urls: Sequence[str], level: Level
) -> None:
    if arrange is knows_a_newer_topology and D in urls:
        arrange = nothing  # it is a member
    as_objects = await outcome_of(list, urls, level, arrange)
    assert await outcome_of(as_bytes, urls, level, arrange) == as_objects
