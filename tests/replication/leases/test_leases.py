"""Leases: keys that live as long as they are kept alive, whatever happens on the way.

Tests limedb/core/leases.py, limedb/errors/leases.py and limedb/replication/leases/operation.py.
"""

import asyncio

import pytest

from limedb.core.condition import Condition
from limedb.core.edits import Append, Increment, Swap
from limedb.core.leases import MAX_KEYS
from limedb.core.quorum import Level
from limedb.errors import (
    ConditionFailedError,
    InvalidRequestError,
    LeaseFullError,
    LeaseNotFoundError,
    LevelUnreachableError,
    LimeDBError,
    UnavailableError,
)
from limedb.replication.coordinator import Write, Written
from tests.cluster.virtual import START_MS
from tests.replication.nodes import A, B, C, Nodes, Seat, left_tasks, virtual

TTL_MS = 10_000


def soon(seconds: float = 3.0) -> float:
    return asyncio.get_running_loop().time() + seconds


async def attach(seat: Seat, lease: int, key: str, value: str = "v", **more: object) -> Written:
    wanted = Write(key, value, lease=lease)._replace(**more)
    return await seat.coordinator.write(wanted, Level.QUORUM, soon())


async def get(seat: Seat, key: str) -> object:
    (found,) = await seat.coordinator.get_many((key,), Level.LINEARIZABLE, soon())
    return None if isinstance(found, LimeDBError) else getattr(found, "value", found)


async def ended(*seats: Seat) -> None:
    for seat in seats:
        await seat.coordinator.close()


@virtual
async def test_attached_keys_live_as_long_as_their_lease_is_renewed_by_any_node() -> None:
    nodes = Nodes()
    one, other = nodes.coordinator(A), nodes.coordinator(B)
    lease = await one.coordinator.leases.grant(TTL_MS, soon())
    await attach(one, lease, "a")
    await attach(other, lease, "b")
    for seat in (one, other, one, other):
        await asyncio.sleep(8)
        renewed = await seat.coordinator.leases.renew(lease, soon())
        assert renewed.keys == ("a", "b")
        assert seat.coordinator.leases.left_ms(renewed) == TTL_MS
    assert (await get(one, "a"), await get(one, "b")) == ("v", "v")
    await asyncio.sleep(TTL_MS / 1000)
    assert (await get(one, "a"), await get(one, "b")) == (None, None)
    for use in (one.coordinator.leases.renew, one.coordinator.leases.revoke, one.coordinator.leases.find):
        with pytest.raises(LeaseNotFoundError):
            await use(lease, soon())
    with pytest.raises(LeaseNotFoundError):
        await attach(one, lease, "c")
    assert await get(one, "c") is None
    await ended(one, other)
    assert left_tasks() == []


@virtual
async def test_a_key_that_others_write_is_detached() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    lease = await seat.coordinator.leases.grant(TTL_MS, soon())
    for key in ("plain", "conditional", "deleted", "kept"):
        await attach(seat, lease, key)
    await seat.coordinator.write(Write("plain", "own"), Level.QUORUM, soon())
    await seat.coordinator.write(
        Write("conditional", "own", condition=Condition(value="v")), Level.QUORUM, soon()
    )
    await seat.coordinator.write(Write("deleted", None), Level.QUORUM, soon())
    await attach(seat, lease, "kept", "again")
    await asyncio.sleep(5)
    await seat.coordinator.leases.renew(lease, soon())
    assert await seat.coordinator.leases.revoke(lease, soon()) == 1
    found = [await get(seat, key) for key in ("plain", "conditional", "deleted", "kept")]
    assert found == ["own", "own", None, None]
    await ended(seat)


@virtual
async def test_what_keeps_the_life_of_a_value_keeps_its_lease_too() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    lease = await seat.coordinator.leases.grant(TTL_MS, soon())
    began = (START_MS + int(asyncio.get_running_loop().time() * 1000)).to_bytes(6, "big")
    writes = [
        Write("appended", "+", edit=Append(1000), idempotency_key=began + b"a" * 10),
        Write("counted", "", edit=Increment(1), idempotency_key=began + b"c" * 10),
        Write("kept", "new", keep_ttl=True),
        Write("swapped", "new", keep_ttl=True, edit=Swap(1000), idempotency_key=began + b"s" * 10),
    ]
    for write in writes:
        await attach(seat, lease, write.key, "1")
    answers = [(await seat.coordinator.write(write, Level.QUORUM, soon())).answer for write in writes]
    assert answers == ["2", "2", None, "1"]
    for _ in range(4):
        await asyncio.sleep(6)
        await seat.coordinator.leases.renew(lease, soon())
    assert [await get(seat, write.key) for write in writes] == ["1+", "2", "new", "new"]
    assert await seat.coordinator.leases.revoke(lease, soon()) == 4
    assert [await get(seat, write.key) for write in writes] == [None] * 4
    await ended(seat)


@virtual
async def test_an_edit_of_an_attached_key_answers_the_same_when_it_is_sent_again() -> None:
    nodes = Nodes()
    one, other = nodes.coordinator(A), nodes.coordinator(B)
    lease = await one.coordinator.leases.grant(TTL_MS, soon())
    await attach(one, lease, "a", "1")
    began = (START_MS + int(asyncio.get_running_loop().time() * 1000)).to_bytes(6, "big")
    wanted = Write("a", "", edit=Increment(5), idempotency_key=began + b"k" * 10)
    assert (await one.coordinator.write(wanted, Level.QUORUM, soon())).answer == "6"
    await other.coordinator.leases.renew(lease, soon())
    again = await other.coordinator.write(wanted._replace(attempt=1), Level.QUORUM, soon())
    assert again.answer == "6"
    assert await get(one, "a") == "6"
    await ended(one, other)


@virtual
async def test_an_attempt_that_is_sent_again_attaches_once_and_to_its_own_lease() -> None:
    nodes = Nodes()
    one, other = nodes.coordinator(A), nodes.coordinator(B)
    first, second = [await one.coordinator.leases.grant(TTL_MS, soon()) for _ in range(2)]
    key = (START_MS + int(asyncio.get_running_loop().time() * 1000)).to_bytes(6, "big") + b"k" * 10
    absent = {"condition": Condition(version=0), "idempotency_key": key}
    written = await attach(one, first, "a", **absent)
    again = await attach(other, first, "a", attempt=1, **absent)
    assert again.version == written.version
    with pytest.raises(ConditionFailedError):
        await attach(other, second, "a", attempt=1, **absent)
    assert await one.coordinator.leases.revoke(second, soon()) == 0
    assert await one.coordinator.leases.revoke(first, soon()) == 1
    await ended(one, other)


@virtual
async def test_a_condition_holds_for_attached_keys_too() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    one, other = [await seat.coordinator.leases.grant(TTL_MS, soon()) for _ in range(2)]
    absent = Condition(version=0)
    await attach(seat, one, "leader", "one", condition=absent)
    with pytest.raises(ConditionFailedError) as failed:
        await attach(seat, other, "leader", "other", condition=absent)
    assert failed.value.record is not None
    assert failed.value.record.value == "one"
    await seat.coordinator.leases.revoke(one, soon())
    await attach(seat, other, "leader", "other", condition=absent)
    with pytest.raises(InvalidRequestError, match="has a tag"):
        await attach(seat, other, "{g}x")
    await ended(seat)


@virtual
async def test_a_lease_survives_the_node_that_granted_it_and_ends_without_any() -> None:
    nodes = Nodes()
    one, other = nodes.coordinator(A), nodes.coordinator(B)
    lease = await one.coordinator.leases.grant(TTL_MS, soon())
    await attach(one, lease, "a")
    other.fail(A, is_down=True)
    await asyncio.sleep(6)
    await other.coordinator.leases.renew(lease, soon())
    await asyncio.sleep(6)
    assert await get(other, "a") == "v"
    other.fail(B, is_down=True)
    with pytest.raises(UnavailableError):
        await other.coordinator.leases.renew(lease, soon())
    other.wire.faults.clear()
    await asyncio.sleep(5)
    assert await get(other, "a") is None
    await ended(one, other)


@virtual
async def test_a_renewal_that_dies_halfway_leaves_no_key_that_is_gone_before_its_lease() -> None:
    nodes = Nodes()
    one, other = nodes.coordinator(A), nodes.coordinator(B)
    lease = await one.coordinator.leases.grant(TTL_MS, soon())
    for key in ("a", "b", "c"):
        await attach(one, lease, key)
    await asyncio.sleep(8)
    task = asyncio.ensure_future(one.coordinator.leases.renew(lease, soon(1.0)))
    await one.wire.begun("apply", "b")
    one.fail(A, B, C, refuses=True)
    with pytest.raises(LimeDBError):
        await task
    while True:
        try:
            found = await other.coordinator.leases.find(lease, soon())
        except LeaseNotFoundError:
            break
        assert [await get(other, key) for key in found.keys] == ["v"] * 3
        await asyncio.sleep(0.25)
    await asyncio.sleep(TTL_MS / 1000)
    assert [await get(other, key) for key in ("a", "b", "c")] == [None] * 3
    await ended(one, other)


@virtual
async def test_a_key_that_is_attached_while_its_lease_is_renewed_lives_as_long() -> None:
    nodes = Nodes()
    one, other = nodes.coordinator(A), nodes.coordinator(B)
    lease = await one.coordinator.leases.grant(TTL_MS, soon())
    await asyncio.sleep(9)
    attaching = asyncio.ensure_future(attach(one, lease, "late"))
    await one.wire.begun("promise", "late")
    one.fail(A, B, C, delay=0.3)
    await other.coordinator.leases.renew(lease, soon())
    await attaching
    await asyncio.sleep(8)
    found = await other.coordinator.leases.find(lease, soon())
    assert found.keys == ("late",)
    assert await get(other, "late") == "v"
    one.wire.faults.clear()
    await ended(one, other)


@virtual
async def test_a_key_that_is_attached_while_its_lease_is_revoked_is_gone() -> None:
    nodes = Nodes()
    one, other = nodes.coordinator(A), nodes.coordinator(B)
    lease = await one.coordinator.leases.grant(TTL_MS, soon())
    attaching = asyncio.ensure_future(attach(one, lease, "late"))
    await one.wire.begun("promise", "late")
    one.fail(A, B, C, delay=0.3)
    assert await other.coordinator.leases.revoke(lease, soon()) == 0
    await attaching
    assert await get(other, "late") is None
    one.wire.faults.clear()
    await ended(one, other)


@virtual
async def test_a_lease_has_so_many_keys_and_those_that_are_detached_make_room() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    lease = await seat.coordinator.leases.grant(TTL_MS, soon())
    for number in range(MAX_KEYS):
        await attach(seat, lease, f"k{number}")
    with pytest.raises(LeaseFullError, match=f"has {MAX_KEYS} keys"):
        await attach(seat, lease, "more")
    await attach(seat, lease, "k7", "again")
    await seat.coordinator.write(Write("k0", "own"), Level.QUORUM, soon())
    await attach(seat, lease, "more")
    assert await seat.coordinator.leases.revoke(lease, soon()) == MAX_KEYS
    assert await get(seat, "k0") == "own"
    await ended(seat)


@virtual
async def test_an_error_of_too_few_nodes_says_so() -> None:
    nodes = Nodes()
    seat = nodes.coordinator()
    seat.fail(B, C, is_down=True)
    for use in (seat.coordinator.leases.grant, seat.coordinator.leases.renew):
        with pytest.raises(LevelUnreachableError, match=r"^lease \d+ needs") as failed:
            await use(TTL_MS, soon(1.0))
        assert "limedb/lease" not in str(failed.value)
    await ended(seat)
