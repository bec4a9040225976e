"""Reads that begin at the own store: peers compare, and what they have otherwise is read the whole way."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limedb.core.quorum import Level
from limedb.core.record import Record
from limedb.core.topology import hand_over, join
from limedb.encoding.record import decode, encode
from limedb.errors import KeyNotFoundError, LimeDBError, RequestTimeoutError, ResponseTooLargeError
from limedb.replication.read.confirmed_reads import MAX_RECORD
from limedb.replication.requests import Found, Outcome
from tests.cluster.virtual import START_MS, run_virtual
from tests.replication.nodes import NEW, OLD, SOON, A, AtHand, B, C, D, Nodes, Seat, member, virtual

KEYS = ["k0", "k1", "k2"]
SAME = Record("k", "x", OLD)


def seen(outcome: Outcome) -> object:
    """What a client sees of an outcome."""
    if isinstance(outcome, bytes):
        record = decode(outcome)
        return record.value if record.is_live(START_MS) else None
    if outcome is None or isinstance(outcome, KeyNotFoundError):
        return None
    return type(outcome) if isinstance(outcome, LimeDBError) else outcome.value


async def get(seat: Seat, key: str, level: Level) -> object:
    """A single key, as KVService reads it."""
    if (data := await seat.coordinator.get_stored(key, level, SOON)) is not None:
        return seen(data or None)
    try:
        return seen(await seat.coordinator.get_large(key, level, SOON) or None)
    except LimeDBError as error:
        return seen(error)


# --- both ways are one read

HELD = st.one_of(
    st.none(),
    st.just("rot"),
    st.builds(
        lambda value, version, expires: (value, version, expires),
        st.sampled_from(["a", b"a", "", "b" * 20, None]),
        st.sampled_from([OLD, NEW]),
        st.sampled_from([0, START_MS, START_MS + 60_000]),
    ),
)
STATES = st.lists(st.lists(HELD, min_size=3, max_size=3), min_size=3, max_size=3)
"""What each of three nodes has of each of three keys."""


async def made(states: list[list[object]], *, at_hand: bool) -> Nodes:
    nodes = Nodes(at_hand=True)
    nodes.at_hand = at_hand  # of the coordinators
    for url, states_of_it in zip((A, B, C), states, strict=True):
        store = nodes.stores[url]
        assert isinstance(store, AtHand)
        for key, held in zip(KEYS, states_of_it, strict=True):
            if held == "rot":
                await nodes.put(Record(key, "was", OLD), url)
                store.rot.add(key)
            elif isinstance(held, tuple):
                value, version, expires = held
                await nodes.put(Record(key, value, version, expires), url)
    return nodes


async def everything(nodes: Nodes) -> list[object]:
    return [store._records for store in nodes.stores.values()]


@settings(deadline=None, max_examples=200)
@given(STATES, st.booleans())
def test_both_ways_see_and_mend_the_same_whatever_the_replicas_have(
    states: list[list[object]], is_batch: bool
) -> None:
    """At ALL, where both ask all replicas: at QUORUM they may ask different ones."""

    async def read(*, at_hand: bool) -> tuple[list[object], list[object]]:
        nodes = await made(states, at_hand=at_hand)
        seat = nodes.coordinator()
        if is_batch:
            outcomes = [*map(seen, await seat.coordinator.get_many(KEYS, Level.ALL, SOON))]
        else:
            outcomes = [await get(seat, key, Level.ALL) for key in KEYS]
        return outcomes, await everything(nodes)

    assert run_virtual(read(at_hand=True)) == run_virtual(read(at_hand=False))


@settings(deadline=None, max_examples=100)
@given(STATES)
def test_a_batch_is_what_its_keys_are_one_by_one(states: list[list[object]]) -> None:
    async def read(*, is_batch: bool) -> list[object]:
        seat = (await made(states, at_hand=True)).coordinator()
        if is_batch:
            return [*map(seen, await seat.coordinator.get_many(KEYS, Level.QUORUM, SOON))]
        return [*await asyncio.gather(*(get(seat, key, Level.QUORUM) for key in KEYS))]

    assert run_virtual(read(is_batch=True)) == run_virtual(read(is_batch=False))


# --- what it costs


@pytest.mark.parametrize(("level", "asked"), [(Level.QUORUM, 1), (Level.ALL, 2)])
@virtual
async def test_where_all_have_the_same_no_record_is_sent(level: Level, asked: int) -> None:
    nodes = Nodes(at_hand=True)
    await nodes.put(SAME, A, B, C)
    seat = nodes.coordinator()
    assert await get(seat, "k", level) == "x"
    assert await get(seat, "missing", level) is None
    assert (await seat.coordinator.get_many(["k", "missing", "k"], level, SOON)) == [
        encode(SAME), None, encode(SAME)
    ]  # fmt: skip
    assert {kind for kind, _, _ in seat.wire.calls} == {"compare"}
    assert len(seat.wire.calls) == 3 * asked
    assert A not in seat.wire.called("compare")


@virtual
async def test_only_what_differs_is_read_the_whole_way() -> None:
    nodes = Nodes(at_hand=True)
    for key in "a", "b", "c":
        await nodes.put(Record(key, "old", OLD), A, B, C)
    await nodes.put(Record("b", "new", NEW), B)
    seat = nodes.coordinator()
    seat.fail(C, is_down=True)
    assert [*map(seen, await seat.coordinator.get_many(["a", "b", "c"], None, SOON))] == ["old", "new", "old"]
    assert {keys for kind, _, keys in seat.wire.calls if kind == "read"} == {("b",)}
    assert (await nodes.values("b"))[A] == "new"


@pytest.mark.parametrize("level", [Level.ONE, Level.LINEARIZABLE])
@virtual
async def test_other_levels_are_read_as_ever(level: Level) -> None:
    nodes = Nodes(at_hand=True)
    await nodes.put(SAME, A, B, C)
    seat = nodes.coordinator()
    assert await seat.coordinator.get_stored("k", level, SOON) is None
    assert isinstance((await seat.coordinator.get_many(["k"], level, SOON))[0], Found)
    assert seat.wire.called("compare") == []


@virtual
async def test_a_large_record_is_confirmed_too_and_nobody_sends_it() -> None:
    nodes, large = Nodes(at_hand=True), Record("k", "x" * (MAX_RECORD + 1), OLD)
    await nodes.put(large, A, B, C)
    seat = nodes.coordinator()
    assert await seat.coordinator.get_stored("k", None, SOON) is None  # no request has room for it yet
    assert await seat.coordinator.get_large("k", None, SOON) == encode(large)
    assert {kind for kind, _, _ in seat.wire.calls} == {"compare"}
    with pytest.raises(ResponseTooLargeError):
        await seat.coordinator.get_large("k", None, SOON, MAX_RECORD)


@virtual
async def test_a_large_record_that_differs_is_read_the_whole_way() -> None:
    nodes, newer = Nodes(at_hand=True), Record("k", "y" * (MAX_RECORD + 1), NEW)
    await nodes.put(Record("k", "x" * (MAX_RECORD + 1), OLD), A, B, C)
    await nodes.put(newer, B)
    seat = nodes.coordinator()
    seat.fail(C, is_down=True)
    assert seen(await seat.coordinator.get_large("k", None, SOON)) == newer.value
    assert (await nodes.values("k"))[A] == newer.value


@virtual
async def test_a_large_record_of_other_owners_or_of_none_is_read_as_ever() -> None:
    nodes = Nodes(A, B, C, D, at_hand=True)
    other = nodes.key(lambda natural, _: A not in natural)
    await nodes.put(Record(other, "x", OLD), B, C, D)
    seat = nodes.coordinator()
    assert isinstance(await seat.coordinator.get_large(other, None, SOON), Found)
    assert seat.wire.called("compare") == []
    own = nodes.key(lambda natural, _: A in natural)
    with pytest.raises(KeyNotFoundError):
        await seat.coordinator.get_large(own, None, SOON)


@virtual
async def test_a_small_record_that_one_peer_has_otherwise_is_not_confirmed_by_another() -> None:
    """Else a read would ignore a record that it has met."""
    nodes = Nodes(at_hand=True)
    await nodes.put(SAME, A, C)
    await nodes.put(Record("k", "new", NEW), B)
    seat = nodes.coordinator()
    seat.fail(C, is_down=True)
    assert await seat.coordinator.get_stored("k", None, SOON) is None
    asked = len(seat.wire.called("compare"))
    assert seen(await seat.coordinator.get_large("k", None, SOON)) == "new"
    assert len(seat.wire.called("compare")) == asked


@virtual
async def test_keys_of_others_are_read_beside_the_comparison() -> None:
    nodes = Nodes(A, B, C, D, at_hand=True)
    own = nodes.key(lambda natural, _: A in natural)
    other = nodes.key(lambda natural, _: A not in natural)
    for key in own, other:
        await nodes.put(Record(key, key, OLD), A, B, C, D)
    seat = nodes.coordinator()
    seat.fail(A, B, C, D, delay=0.4)
    found = await seat.coordinator.get_many([own, other], None, SOON)
    assert [*map(seen, found)] == [own, other]
    assert nodes.clock.monotonic() < 0.8
    assert await seat.coordinator.get_stored(other, None, SOON) is None


# --- what fails


@pytest.mark.parametrize("fault", [{"is_down": True}, {"refuses": True}, {"swallows": True}])
@virtual
async def test_a_peer_that_does_not_answer_is_replaced_by_the_next(fault: dict[str, bool]) -> None:
    nodes = Nodes(at_hand=True)
    await nodes.put(SAME, A, B, C)
    seat = nodes.coordinator()
    seat.fail(B, **fault)
    assert await seat.coordinator.get_stored("k", None, SOON) == encode(SAME)
    assert seat.wire.called("read") == []


@virtual
async def test_too_few_peers_confirm_nothing_and_the_error_is_that_of_the_whole_way() -> None:
    nodes = Nodes(at_hand=True)
    await nodes.put(SAME, A, B, C)
    seat = nodes.coordinator()
    seat.fail(B, C, is_down=True)
    assert await seat.coordinator.get_stored("k", None, SOON) is None
    with pytest.raises(LimeDBError, match="known to be down"):
        await seat.coordinator.get("k", None, SOON)


@virtual
async def test_a_read_that_nobody_answers_says_how_long_it_waited() -> None:
    nodes = Nodes(at_hand=True)
    seat = nodes.coordinator()
    seat.fail(B, C, swallows=True)
    with pytest.raises(RequestTimeoutError, match=r"4\.9"):
        await seat.coordinator.get_stored("k", None, SOON)
    (outcome,) = await seat.coordinator.get_many(["k"], None, nodes.clock.monotonic() + SOON)
    assert isinstance(outcome, RequestTimeoutError)
    assert outcome.seconds > 3


@virtual
async def test_a_damaged_record_here_counts_for_nothing() -> None:
    nodes = Nodes(at_hand=True)
    await nodes.put(SAME, A, B, C)
    store = nodes.stores[A]
    assert isinstance(store, AtHand)
    store.rot.add("k")
    seat = nodes.coordinator()
    assert await get(seat, "k", Level.QUORUM) == "x"
    assert seat.wire.called("compare") == []
    assert {*seat.wire.called("read")} >= {B, C}


@virtual
async def test_a_peer_under_a_newer_topology_confirms_nothing() -> None:
    nodes = Nodes(at_hand=True)
    await nodes.put(SAME, A, B, C)
    nodes.start(D)
    nodes.spread(hand_over(join(nodes.topology, member(D))), B, C, D)
    seat = nodes.coordinator()
    assert await seat.coordinator.get_stored("k", None, SOON) is None
    assert await get(seat, "k", Level.QUORUM) == "x"
    assert nodes.places[A].layout.topology.epoch > 1


@virtual
async def test_more_than_there_is_room_for_is_refused_before_anybody_is_asked() -> None:
    nodes = Nodes(at_hand=True)
    await nodes.put(Record("k", "x" * 1000, OLD), A, B, C)
    seat = nodes.coordinator()
    with pytest.raises(ResponseTooLargeError):
        await seat.coordinator.get_many(["k"], None, SOON, most=100)
    assert seat.wire.calls == []


@virtual
async def test_a_large_record_of_a_group_is_read_after_what_its_group_has_decided() -> None:
    """As any record with a tag, at LINEARIZABLE: the register may be ahead of the key."""
    nodes, large = Nodes(at_hand=True), Record("{c}k", "x" * (MAX_RECORD + 1), OLD)
    await nodes.put(large, A, B, C)
    seat = nodes.coordinator()
    seat.coordinator.confirmed_reads.levels |= {Level.LINEARIZABLE}
    assert seen(await seat.coordinator.get_large("{c}k", Level.LINEARIZABLE, SOON)) == large.value
    assert seat.wire.called("compare") == []
