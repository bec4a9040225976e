"""Anti-entropy, the purging of garbage, and the dropping of what isn't owned, among nodes in virtual time.

Tests limedb/replication/repair/cleanup.py, limedb/replication/repair/foreign_repair.py,
limedb/replication/repair/range_repair.py,
limedb/replication/repair/ranges.py and limedb/replication/repair/tombstones.py.
"""

import asyncio
from collections.abc import Sequence
from random import Random

import pytest

from limedb.core.hlc import version_at
from limedb.core.layout import EVERYTHING, Layout, Span
from limedb.core.record import Record
from limedb.core.report import RepairProgress
from limedb.core.ring import token_of
from limedb.core.topology import Fence, Phase, finish, hand_over, join, leave
from limedb.errors import NotMemberError, RemoteError, ResponseTooLargeError, is_too_large
from limedb.ports import IndexEntry, Replica
from limedb.replication.repair import range_sync as comparing
from limedb.replication.repair.anti_entropy import Repairer
from tests.cluster.virtual import START_MS, wait_until
from tests.replication.nodes import A, B, C, D, Fault, Line, Nodes, Wire, member, virtual

INTERVAL = 10.0
GRACE = 100.0
LONG_AGO = START_MS - int(GRACE * 1000) - 1


def old(key: str, value: str | None = "x", counter: int = 0) -> Record:
    """A record that was garbage at the start, if it is a tombstone."""
    return Record(key, value, version_at(LONG_AGO, counter))


def new(key: str, value: str | None = "x", counter: int = 0) -> Record:
    return Record(key, value, version_at(START_MS, counter))


class CountingLine(Line):
    """Counts what is asked of a replica but for reads and writes."""

    async def digests(self, spans: Sequence[Span], cutoff: int, fence: Fence, deadline: float) -> list[int]:
        await self._begin("digests", [], deadline)
        return await super().digests(spans, cutoff, fence, deadline)

    async def entries(self, spans: Sequence[Span], fence: Fence, deadline: float) -> list[IndexEntry]:
        await self._begin("entries", [], deadline)
        return await super().entries(spans, fence, deadline)


class CountingWire(Wire):
    def at(self, node_url: str) -> Replica:
        return CountingLine(self, node_url)


class Mender:
    """A node's repair."""

    def __init__(self, nodes: Nodes, url: str, grace: float = GRACE) -> None:
        self.wire = CountingWire(nodes)
        self.cleaned = 0
        self.repairer = Repairer(
            url,
            nodes.stores[url],
            self.wire,
            nodes.places[url],
            nodes.clock,
            Random(url),
            interval=INTERVAL,
            grace=grace,
            cleaned_epoch=lambda: self.cleaned,
            remember_cleaned=self._remember,
        )

    async def _remember(self, epoch: int) -> None:
        self.cleaned = epoch

    def fail(self, *urls: str, **fault: bool) -> None:
        for url in urls:
            self.wire.faults[url] = Fault(**fault)

    async def repair(self) -> RepairProgress:
        """Compare everything once."""
        *_, last = [progress async for progress in self.repairer.repair_all()]
        return last


async def put_many(nodes: Nodes, records: list[Record], *urls: str) -> None:
    for url in urls:
        await nodes.stores[url].apply(records, START_MS)


async def contents(nodes: Nodes, *urls: str) -> list[list[Record]]:
    return [[r for _, r in await nodes.stores[u].scan_tokens(*EVERYTHING, 99_999)] for u in urls]


# --- comparing --------------------------------------------------------------------------------


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


# --- garbage ----------------------------------------------------------------------------------


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
async def test_a_tombstone_stays_while_a_change_runs_and_is_watched_anew_after_it() -> None:
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


# --- dropping ---------------------------------------------------------------------------------


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
