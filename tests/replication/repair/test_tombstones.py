"""Old tombstones and expired values are purged, and no deleted key comes back."""

import asyncio

from limedb.core.layout import Layout
from limedb.core.record import Record
from limedb.core.ring import token_of
from limedb.core.topology import Phase, finish, hand_over, join
from tests.cluster.virtual import START_MS, wait_until
from tests.replication.nodes import A, B, C, D, Nodes, member, virtual
from tests.replication.repair.menders import INTERVAL, LONG_AGO, Mender, new, old, put_many


async def passes(nodes: Nodes, *menders: Mender, count: int = 2) -> None:
    """Repair everywhere, `count` times, with time enough between for what was on its way."""
    for _ in range(count):
        for node in menders:
            await node.repair()
        await asyncio.sleep(61)


@virtual
async def test_an_old_tombstone_is_purged_everywhere() -> None:
    nodes = Nodes(A, B, C)
    await nodes.put(old("k"), A, B, C)
    await nodes.put(old("k", None, 1), A, B, C)
    menders = [Mender(nodes, url) for url in (A, B, C)]
    await passes(nodes, *menders, count=1)
    assert set(await nodes.versions("k")) == {A, B, C}  # seen, and not yet for long
    await passes(nodes, *menders, count=2)
    assert await nodes.versions("k") == {}
    assert [node.repairer.stats().purged for node in menders] == [1, 1, 1]


@virtual
async def test_a_young_tombstone_and_live_values_stay() -> None:
    nodes = Nodes(A, B, C)
    await nodes.put(new("k", None), A, B, C)
    await nodes.put(old("live"), A, B, C)
    await nodes.put(Record("runs", "x", 1, START_MS + 9_999_999), A, B, C)
    node = Mender(nodes, A, grace=1000)
    await passes(nodes, node, count=4)
    for key in ("k", "live", "runs"):
        assert set(await nodes.versions(key)) == {A, B, C}


@virtual
async def test_an_expired_value_is_purged_and_what_it_overruled_stays_away() -> None:
    nodes = Nodes(A, B, C)
    await nodes.put(old("k", "for ever"), A, B, C)
    await nodes.put(old("k", "for a while", 1)._replace(expires_at=LONG_AGO + 1), A, B)
    menders = [Mender(nodes, url) for url in (A, B, C)]
    await passes(nodes, *menders, count=4)
    assert await nodes.versions("k") == {}


@virtual
async def test_a_tombstone_waits_for_a_replica_that_is_away_and_the_key_never_comes_back() -> None:
    nodes = Nodes(A, B, C)
    await nodes.put(old("k"), A, B, C)
    await nodes.put(old("k", None, 1), A, B)
    menders = [Mender(nodes, url) for url in (A, B, C)]
    menders[0].fail(C, is_down=True)
    menders[1].fail(C, is_down=True)
    await passes(nodes, *menders[:2], count=5)
    assert await nodes.values("k") == {A: None, B: None, C: "x"}
    for node in menders:
        node.wire.faults.clear()
    await menders[2].repair()
    assert (await nodes.values("k"))[C] is None
    await passes(nodes, *menders, count=4)
    assert await nodes.versions("k") == {}


@virtual
async def test_a_tombstone_that_only_one_node_has_reaches_who_holds_the_value_before_it_goes() -> None:
    nodes = Nodes(A, B, C)
    await nodes.put(old("k"), C)
    await nodes.put(old("k", None, 1), A)
    menders = [Mender(nodes, url) for url in (A, B, C)]
    for _ in range(8):
        for node in menders:
            await node.repair()
            seen = await nodes.values("k")
            assert "x" not in seen.values() or None in seen.values()
        await asyncio.sleep(61)
    assert await nodes.versions("k") == {}


@virtual
async def test_garbage_is_not_brought_to_who_has_nothing() -> None:
    nodes = Nodes(A, B, C)
    await nodes.put(old("k", None), A)
    await nodes.put(new(next(_near("k"))), B)
    for url in (A, B, C):
        await Mender(nodes, url).repair()
    assert set(await nodes.versions("k")) == {A}


def _near(key: str):  # type: ignore[no-untyped-def]  # noqa: ANN202
    """Keys of the leaf of another in small stores, where a leaf is a node's range."""
    layout = Layout(Nodes(A, B, C).topology)
    [mine] = [s for s, _ in layout.segments() if s.first <= token_of(key) <= s.last]
    return (f"n{n}" for n in range(9999) if mine.first <= token_of(f"n{n}") <= mine.last)


@virtual
async def test_a_value_that_was_on_its_way_does_not_bring_a_key_back() -> None:
    nodes = Nodes(A, B, C)
    await nodes.put(old("k", None, 1), A, B, C)
    menders = [Mender(nodes, url) for url in (A, B, C)]
    await passes(nodes, menders[0], menders[1])
    assert set(await nodes.versions("k")) == {C}
    await nodes.put(old("k"), B)  # a late message, after B purged
    await menders[2].repair()
    assert await nodes.values("k") == {B: None, C: None}
    await passes(nodes, *menders, count=4)
    assert await nodes.versions("k") == {}


@virtual
async def test_a_tombstone_stays_while_a_change_runs_and_is_watched_again_after_it() -> None:
    nodes = Nodes(A, B, C)
    await nodes.put(old("k", None), A, B, C)
    node = Mender(nodes, A)
    await passes(nodes, node, count=1)
    streaming = join(nodes.topology, member(D))
    nodes.start(D)
    nodes.spread(streaming)
    await passes(nodes, node, count=3)
    assert streaming.phase is Phase.STREAMING
    assert A in await nodes.versions("k")
    steady = finish(hand_over(streaming))
    nodes.spread(steady)
    if A in Layout(steady).of_key("k").natural:
        await passes(nodes, node, count=1)
        assert A in await nodes.versions("k")
        await passes(nodes, node, count=1)
        assert A not in await nodes.versions("k")


@virtual
async def test_a_key_that_was_written_again_is_not_purged() -> None:
    nodes = Nodes(A, B, C)
    await nodes.put(old("k", None), A, B, C)
    node = Mender(nodes, A)
    await passes(nodes, node, count=1)
    await nodes.put(new("k", "again"), A, B, C)
    await passes(nodes, node, count=3)
    assert await nodes.values("k") == dict.fromkeys((A, B, C), "again")


@virtual
async def test_a_lone_node_purges_too() -> None:
    nodes = Nodes(A, replication_factor=1)
    await nodes.put(old("k", None), A)
    node = Mender(nodes, A)
    await passes(nodes, node, count=2)
    assert await nodes.versions("k") == {}


@virtual
async def test_much_garbage_is_purged_in_the_background() -> None:
    nodes = Nodes(A, B, C)
    await put_many(nodes, [old(f"k{n}", None) for n in range(3000)], A, B, C)
    node = Mender(nodes, A)
    running = asyncio.create_task(node.repairer.run())
    await wait_until(lambda: node.repairer.stats().purged == 3000, 90 + 3 * INTERVAL)
    running.cancel()
    await asyncio.wait([running])
