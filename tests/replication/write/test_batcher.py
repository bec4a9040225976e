"""Single writes that come together: one message for many, and to each what it would have had alone."""

import asyncio
from collections.abc import Sequence

import pytest

from limedb.core.quorum import Level
from limedb.core.record import Record
from limedb.core.topology import Fence
from limedb.errors import KeyNotFoundError, LimeDBError, OutcomeUnknownError, StoreCorruptError
from limedb.ports import Applied, Replica
from limedb.replication.coordinator import Write, Written
from limedb.replication.write.batcher import LEAST_PATIENCE, LINGER_SECONDS
from tests.replication.nodes import A, B, C, D, Nodes, left_tasks, virtual

FAR = 60.0
E, F = "http://e:1", "http://f:1"


@pytest.mark.parametrize("nodes", [(A,), (A, B, C)])
@virtual
async def test_writes_that_come_together_are_few_messages(nodes: tuple[str, ...]) -> None:
    cluster = Nodes(*nodes)
    seat = cluster.coordinator()
    writes = [Write(f"k{n}", str(n)) for n in range(100)]
    written = await asyncio.gather(*(seat.coordinator.write(w, Level.QUORUM, FAR) for w in writes))
    await seat.coordinator.close()
    assert len({each.version for each in written}) == 100
    assert {each.replicas for each in written} == {len(nodes)}
    assert len(seat.wire.called("apply")) <= 3 * len(nodes)
    for n in range(100):
        assert (await seat.coordinator.get(f"k{n}", Level.ALL, FAR)).value == str(n)


@virtual
async def test_writes_of_one_key_that_come_together_are_each_a_write() -> None:
    seat = Nodes().coordinator()
    await seat.coordinator.write(Write("k", "there"), Level.ALL, FAR)
    outcomes = await asyncio.gather(
        *(seat.coordinator.write(Write("k", None), Level.ALL, FAR) for _ in range(5))
    )
    assert sorted(outcome.existed for outcome in outcomes) == [False] * 4 + [True]
    assert len({outcome.version for outcome in outcomes}) == 5
    with pytest.raises(KeyNotFoundError):
        await seat.coordinator.get("k", Level.ALL, FAR)


@virtual
async def test_who_has_its_level_does_not_wait_for_others_of_its_group() -> None:
    cluster = Nodes(A, B, C, D, E, F)
    seat = cluster.coordinator()
    slow = cluster.key(lambda current, _: {D, E} < set(current))
    fast = cluster.key(lambda current, _: not {D, E} & set(current))
    seat.fail(D, E, swallows=True)
    waiting = asyncio.ensure_future(seat.coordinator.write(Write(slow, "x"), Level.QUORUM, 10.0))
    began = seat.clock.monotonic()
    written = await seat.coordinator.write(Write(fast, "x"), Level.QUORUM, 10.0)
    assert isinstance(written, Written)
    assert seat.clock.monotonic() - began < 1
    with pytest.raises(OutcomeUnknownError):
        await waiting
    await seat.coordinator.close()


@virtual
async def test_a_group_that_hangs_holds_up_nothing_that_comes_later() -> None:
    cluster = Nodes(A, B, C, D, E, F)
    seat = cluster.coordinator()
    slow = cluster.key(lambda current, _: {D, E} < set(current))
    fast = cluster.key(lambda current, _: not {D, E} & set(current))
    seat.fail(D, E, swallows=True)
    waiting = asyncio.ensure_future(seat.coordinator.write(Write(slow, "x"), Level.QUORUM, 10.0))
    await asyncio.sleep(LINGER_SECONDS * 2)
    began = seat.clock.monotonic()
    for _ in range(10):
        await seat.coordinator.write(Write(fast, "x"), Level.QUORUM, 10.0)
    assert seat.clock.monotonic() - began < LINGER_SECONDS / 2
    with pytest.raises(OutcomeUnknownError):
        await waiting
    await seat.coordinator.close()


@virtual
async def test_who_has_little_time_goes_alone_and_others_keep_theirs() -> None:
    seat = Nodes().coordinator()
    seat.fail(A, B, swallows=True)
    seat.fail(C, swallows=True)
    now = seat.clock.monotonic()

    async def ends(deadline: float) -> float:
        with pytest.raises(LimeDBError):
            await seat.coordinator.write(Write("k", "x"), Level.QUORUM, now + deadline)
        return seat.clock.monotonic() - now

    short, long = await asyncio.gather(ends(LEAST_PATIENCE / 2), ends(30.0))
    assert short <= LEAST_PATIENCE / 2 + 0.1
    assert long >= 29
    await seat.coordinator.close()


class Picky:
    """A node's only replica, which has foreign bytes under one key."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica

    async def apply(
        self, records: Sequence[Record], fence: Fence, deadline: float, copied: bool = False
    ) -> list[Applied]:
        if any(record.key == "bad" for record in records):
            raise StoreCorruptError("not a record")
        return await self._replica.apply(records, fence, deadline, copied)


@virtual
async def test_what_is_wrong_with_one_write_hurts_none_that_it_was_joined_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seat = Nodes(A).coordinator()
    picky = Picky(seat.wire.at(A))
    monkeypatch.setattr(seat.wire, "at", lambda url: picky)
    writes = [seat.coordinator.write(Write(key, "x"), Level.QUORUM, FAR) for key in ("a", "bad", "b")]
    a, bad, b = await asyncio.gather(*writes, return_exceptions=True)
    assert isinstance(bad, StoreCorruptError)
    assert isinstance(a, Written)
    assert isinstance(b, Written)
    monkeypatch.undo()
    assert (await seat.coordinator.get("b", Level.ALL, FAR)).value == "x"
    await seat.coordinator.close()


@virtual
async def test_a_caller_that_goes_away_takes_nobody_along() -> None:
    seat = Nodes().coordinator()
    gone, stays = (
        asyncio.ensure_future(seat.coordinator.write(Write(key, "x"), Level.QUORUM, FAR)) for key in "ab"
    )
    await asyncio.sleep(0)
    gone.cancel()
    assert (await stays).acked >= 2
    assert (await seat.coordinator.get("a", Level.ALL, FAR)).value == "x"
    await seat.coordinator.close()
    assert left_tasks() == []
