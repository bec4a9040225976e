"""After a change of the topology old owners drop what the new ones have."""

import asyncio

import pytest

from limedb.core.layout import Layout
from limedb.core.record import Record
from limedb.core.ring import token_of
from limedb.core.topology import finish, hand_over, join, leave
from tests.cluster.virtual import wait_until
from tests.replication.nodes import A, B, C, D, Nodes, member, virtual
from tests.replication.repair.menders import Mender, contents, new, old, put_many


async def after_a_join(records: list[Record], *, reached: bool = True) -> Nodes:
    """Three nodes with two replicas each, and a fourth that has joined them. reached: it got what it owns."""
    nodes = Nodes(A, B, C, replication_factor=2)
    before = Layout(nodes.topology)
    for record in records:
        await nodes.put(record, *before.of_key(record.key).natural)
    nodes.start(D)
    after = finish(hand_over(join(nodes.topology, member(D))))
    if reached:
        for record in records:
            if D in Layout(after).of_key(record.key).natural:
                await nodes.put(record, D)
    nodes.spread(after)
    return nodes


@pytest.mark.parametrize("reached", [True, False])
@virtual
async def test_after_a_change_old_owners_drop_what_new_ones_have(reached: bool) -> None:
    records = [new(f"k{n}") for n in range(500)]
    nodes = await after_a_join(records, reached=reached)
    for url in (A, B, C, D):
        node = Mender(nodes, url)
        assert await node.repairer.drop_foreign()
        assert node.cleaned == nodes.topology.epoch
    layout = Layout(nodes.topology)
    for record in records:
        assert set(await nodes.versions(record.key)) == set(layout.of_key(record.key).natural)


@virtual
async def test_dropping_runs_by_itself_within_seconds() -> None:
    records = [new(f"k{n}") for n in range(300)]
    nodes = await after_a_join(records)
    menders = [Mender(nodes, url) for url in (A, B, C)]
    running = [asyncio.create_task(node.repairer.run()) for node in menders]
    await wait_until(lambda: all(node.cleaned for node in menders), 5)
    assert sum(store.count() for store in nodes.stores.values()) == 2 * len(records)
    for task in running:
        task.cancel()
    await asyncio.wait(running)


@virtual
async def test_nothing_is_dropped_while_an_owner_is_away() -> None:
    records = [new(f"k{n}") for n in range(300)]
    nodes = await after_a_join(records, reached=False)
    menders = [Mender(nodes, url) for url in (A, B, C)]
    for node in menders:
        node.fail(D, is_down=True)
        assert not await node.repairer.drop_foreign()
        assert node.cleaned == 0
    for record in records:
        assert len(await nodes.versions(record.key)) == 2
    for node in menders:
        node.wire.faults.clear()
        assert await node.repairer.drop_foreign()


@virtual
async def test_nothing_is_dropped_while_a_change_runs() -> None:
    nodes = await after_a_join([new(f"k{n}") for n in range(100)])
    nodes.spread(leave(nodes.topology, member(B).node_id))
    node = Mender(nodes, A)
    count = nodes.stores[A].count()
    assert not await node.repairer.drop_foreign()
    assert nodes.stores[A].count() == count


def _leftover(nodes: Nodes) -> str:
    """A key that A has held and owns no more."""
    layout = Layout(nodes.topology)
    return next(k for k in (f"k{n}" for n in range(999)) if A not in layout.of_key(k).natural)


@virtual
async def test_a_leftover_that_its_owners_deleted_and_purged_does_not_come_back() -> None:
    nodes = await after_a_join([])
    key = _leftover(nodes)
    await nodes.put(old(key), A)
    assert await Mender(nodes, A).repairer.drop_foreign()
    assert await nodes.versions(key) == {}


@virtual
async def test_a_young_leftover_that_owners_lack_is_brought_to_all_of_them() -> None:
    nodes = await after_a_join([])
    key = _leftover(nodes)
    owners = Layout(nodes.topology).of_key(key).natural
    await nodes.put(new(key), A)
    assert await Mender(nodes, A).repairer.drop_foreign()
    assert set(await nodes.versions(key)) == set(owners)


@virtual
async def test_a_leftover_that_one_owner_has_is_brought_to_the_others_however_old() -> None:
    nodes = await after_a_join([])
    key = _leftover(nodes)
    owners = Layout(nodes.topology).of_key(key).natural
    await nodes.put(old(key), A, owners[0])
    assert await Mender(nodes, A).repairer.drop_foreign()
    assert set(await nodes.versions(key)) == set(owners)


@virtual
async def test_a_leftover_that_was_overruled_is_brought_to_nobody() -> None:
    nodes = await after_a_join([])
    key = _leftover(nodes)
    owner, other = Layout(nodes.topology).of_key(key).natural
    await nodes.put(new(key), A)
    await nodes.put(new(key, None, 1), owner)
    assert await Mender(nodes, A).repairer.drop_foreign()
    assert await nodes.values(key) == {owner: None}
    assert other not in await nodes.versions(key)


@virtual
async def test_values_older_than_versions_are_brought_to_their_owners() -> None:
    nodes = await after_a_join([])
    key = _leftover(nodes)
    await nodes.put(Record(key, "from Go", 0), A)
    assert await Mender(nodes, A).repairer.drop_foreign()
    assert set(await nodes.values(key)) == set(Layout(nodes.topology).of_key(key).natural)


@virtual
async def test_what_a_node_gains_again_is_rid_of_what_was_deleted_meanwhile() -> None:
    nodes = Nodes(A, B, C, replication_factor=2)
    nodes.start(D)
    nodes.spread(join(nodes.topology, member(D)))
    gained = [k for k in (f"k{n}" for n in range(99)) if D in Layout(nodes.topology).of_key(k).pending]
    deleted, kept, young, behind = gained[:4]
    await put_many(nodes, [old(deleted), old(kept), new(young), old(behind)], D)
    await nodes.put(old(kept), *Layout(nodes.topology).of_key(kept).natural)
    await nodes.put(new(behind, None), *Layout(nodes.topology).of_key(behind).natural)
    node = Mender(nodes, D)
    assert await node.repairer.drop_stale()
    assert [r.key for r in (await contents(nodes, D))[0]] == sorted([kept, young], key=token_of)
    node.fail(A, B, C, is_down=True)
    await nodes.put(old(deleted), D)
    assert not await node.repairer.drop_stale()
    assert D in await nodes.versions(deleted)
