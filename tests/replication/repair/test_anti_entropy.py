"""Anti-entropy among nodes in virtual time.

Tests limedb/replication/repair/foreign_repair.py, limedb/replication/repair/range_repair.py and
limedb/replication/repair/ranges.py.
"""

import asyncio

import pytest

from limedb.core.layout import Layout
from limedb.core.topology import leave
from limedb.errors import NotMemberError, RemoteError, ResponseTooLargeError, is_too_large
from limedb.replication.repair import range_sync as comparing
from tests.cluster.virtual import wait_until
from tests.replication.nodes import A, B, C, D, Fault, Nodes, member, virtual
from tests.replication.repair.menders import INTERVAL, Mender, contents, new, put_many


@virtual
async def test_replicas_that_differ_become_equal() -> None:
    nodes = Nodes(A, B, C)
    await put_many(nodes, [new(f"k{n}") for n in range(3000)], A, B, C)
    await put_many(nodes, [new(f"only-a{n}") for n in range(30)], A)
    await put_many(nodes, [new(f"only-b{n}") for n in range(30)], B)
    await put_many(nodes, [new(f"k{n}", "newer", 1) for n in range(20)], C)
    await put_many(nodes, [new(f"k{n}", None, 2) for n in range(10, 15)], A)
    progress = await Mender(nodes, A).repair()
    assert (progress.pulled, progress.spans) == (45, progress.spans_done)
    await Mender(nodes, B).repair()
    a, b, c = await contents(nodes, A, B, C)
    assert a == b == c
    assert len(a) == 3060
    assert await nodes.values("k3") == dict.fromkeys((A, B, C), "newer")
    assert await nodes.values("k12") == dict.fromkeys((A, B, C), None)


@virtual
async def test_equal_versions_of_unequal_values_become_equal() -> None:
    nodes = Nodes(A, B, C)
    await nodes.put(new("k", "x"), A, C)
    await nodes.put(new("k", "y"), B)
    await Mender(nodes, A).repair()
    assert await nodes.values("k") == dict.fromkeys((A, B, C), "y")


@virtual
async def test_replicas_that_agree_exchange_digests_only() -> None:
    nodes = Nodes(A, B, C)
    await put_many(nodes, [new(f"k{n}") for n in range(2000)], A, B, C)
    node = Mender(nodes, A)
    assert (await node.repair()).pulled == 0
    assert {kind for kind, *_ in node.wire.calls} == {"digests"}
    assert len(node.wire.calls) == 2
    assert node.repairer.stats().differing == 0


@virtual
async def test_only_what_differs_is_sent() -> None:
    nodes = Nodes(A, B, C)
    await put_many(nodes, [new(f"k{n}") for n in range(2000)], A, B, C)
    await nodes.put(new("k7", "newer", 1), A)
    await nodes.put(new("only-b"), B)
    node = Mender(nodes, A)
    await node.repair()
    sent = {(kind, url): keys for kind, url, keys in node.wire.calls if kind in ("read", "apply")}
    assert sent[("read", B)] == sent[("apply", A)] == ("only-b",)
    assert sent[("apply", B)] == ("k7",)
    assert sent[("apply", C)] in [("k7", "only-b"), ("only-b", "k7"), ("k7",)]


@virtual
async def test_a_node_compares_only_what_both_own() -> None:
    nodes = Nodes(A, B, C, D, replication_factor=2)
    layout = Layout(nodes.topology)
    records = [new(f"k{n}") for n in range(300)]
    for record in records:
        await nodes.put(record, layout.of_key(record.key).natural[0])
    for url in (A, B, C, D):
        await Mender(nodes, url).repair()
    for record in records:
        assert set(await nodes.versions(record.key)) == set(layout.of_key(record.key).natural)


@virtual
async def test_an_empty_node_is_filled_by_one_that_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "BATCH", 50)
    monkeypatch.setattr("limedb.storage.walk.MAX_LIST_SIZE", 20_000)
    nodes = Nodes(A, B, replication_factor=2)
    records = [new(f"k{n}", "x" * 5000) for n in range(2000)]  # more than one read may give
    await put_many(nodes, records, B)
    progress = await Mender(nodes, A).repair()
    assert progress.pulled == 2000
    a, b = await contents(nodes, A, B)
    assert a == b


@virtual
async def test_a_node_that_is_away_is_skipped_and_told() -> None:
    nodes = Nodes(A, B, C)
    await nodes.put(new("k"), C)
    node = Mender(nodes, A)
    node.fail(B, is_down=True)
    progress = await node.repair()
    assert "it is away" in progress.missing[B]
    assert set(await nodes.versions("k")) == {A, C}
    node.wire.faults[B] = Fault(error=NotMemberError("fresh", ""))
    assert (await node.repair()).missing == {B: "fresh"}


@virtual
async def test_a_newer_topology_is_adopted_and_repair_starts_over() -> None:
    nodes = Nodes(A, B, C, D)
    await nodes.put(new("k"), B, C, D)
    node = Mender(nodes, A)
    after = leave(nodes.topology, member(D).node_id)
    nodes.spread(after, B, C)
    assert (await node.repair()).missing == {}
    assert nodes.places[A].layout.topology == after


@virtual
async def test_repair_runs_by_itself_once_an_interval() -> None:
    nodes = Nodes(A, B, C)
    node = Mender(nodes, A)
    running = asyncio.create_task(node.repairer.run())
    await nodes.put(new("k"), C)
    await wait_until(lambda: nodes.stores[A].count() == 1, 2 * INTERVAL)
    node.wire.calls.clear()
    await asyncio.sleep(10 * INTERVAL)
    assert 16 <= len(node.wire.called("digests")) <= 24
    assert node.repairer.stats().passes >= 9
    running.cancel()
    await asyncio.wait([running])


@virtual
async def test_a_store_that_fails_does_not_end_repair() -> None:
    nodes = Nodes(A, B, C)
    node = Mender(nodes, A)
    running = asyncio.create_task(node.repairer.run())
    await nodes.stores[A].close()
    await asyncio.sleep(3 * INTERVAL)
    assert not running.done()
    running.cancel()
    await asyncio.wait([running])


def test_errors_that_mean_less_at_once_are_known_from_here_and_from_peers() -> None:
    assert is_too_large(ResponseTooLargeError(2, 1, "less"))
    told = RemoteError(B, "RESPONSE_TOO_LARGE", "RESOURCE_EXHAUSTED", "less")
    assert is_too_large(told)
    assert not is_too_large(NotMemberError("fresh", ""))


# --- what others own --------------------------------------------------------------------------


@virtual
async def test_what_others_own_is_made_equal_among_them_for_hints_of_any_key() -> None:
    nodes = Nodes(A, B, C, D, replication_factor=3)
    layout = nodes.places[A].layout
    keys = [key for key in (f"k{n}" for n in range(400)) if A not in layout.of_key(key).natural][:60]
    for place, key in enumerate(keys):
        await put_many(nodes, [new(key)], (B, C, D)[place % 3])
    mender = Mender(nodes, A)
    *_, last = [progress async for progress in mender.repairer.repair_all()]
    assert last.pushed == 0
    *_, last = [progress async for progress in mender.repairer.repair_all(everywhere=True)]
    assert (last.spans_done, last.missing) == (last.spans, {})
    for url in B, C, D:
        assert [key for key in keys if await nodes.stores[url].get(key) is None] == []
    assert await contents(nodes, A) == [[]]
    *_, last = [progress async for progress in mender.repairer.repair_all(everywhere=True)]
    assert (last.pulled, last.pushed) == (0, 0)


@virtual
async def test_an_owner_that_is_away_is_named_when_others_are_compared_for_it() -> None:
    nodes = Nodes(A, B, C, D, replication_factor=3)
    mender = Mender(nodes, A)
    mender.fail(D, is_down=True)
    *_, last = [progress async for progress in mender.repairer.repair_all(everywhere=True)]
    assert [*last.missing] == [D]
