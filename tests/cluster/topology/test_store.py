"""The topology of one node: what it adopts, what it votes for, and what it confirms."""

import asyncio
from dataclasses import replace

import pytest

from limedb.cluster.topology.store import TopologyStore
from limedb.core.paxos import Acceptor, Ballot
from limedb.core.topology import Fence, Member, Topology, finish, hand_over, initial_topology, join, leave
from limedb.errors import InvalidRequestError, StoreError, UnavailableError
from limedb.ports import MAX_RECENT, Account, Placement, Saved

A, B, C = (Member(f"id-{n}", f"http://{n}:1") for n in "abc")
FIRST = initial_topology("a" * 16, 3, [A, B])
SECOND = join(FIRST, C)
OTHER = initial_topology("b" * 16, 3, [A, B])


class Disk:
    def __init__(self, saved: Saved | None = None) -> None:
        self.saved, self.fails, self.saves = saved, False, 0

    def load(self) -> Saved | None:
        return self.saved

    async def save(self, saved: Saved) -> None:
        await asyncio.sleep(0)
        if self.fails:
            raise StoreError("the disk fails")
        self.saved, self.saves = saved, self.saves + 1


class Drain:
    """Writes that run: `drained` waits while the gate is closed."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked: list[int] = []

    async def drained(self, epoch: int) -> None:
        self.asked.append(epoch)
        await self.gate.wait()


def charter_of(
    node_id: str = "id-a", topology: Topology = FIRST, disk: Disk | None = None, drain: Drain | None = None
) -> TopologyStore:
    """A store to which nothing is proven; see `trusting`."""
    return TopologyStore(Saved(node_id, topology), disk or Disk(), (drain or Drain()).drained, lambda: 10**12)


def trusting(topology_store: TopologyStore) -> TopologyStore:
    """A store to which every claim is proven at once, and every step is right."""

    async def prove(claim: Topology) -> None:
        topology_store.go_over(claim)

    async def approve(before: Topology, after: Topology) -> None:
        pass

    topology_store.ask_first(prove, approve)
    return topology_store


def cancelled(topology: Topology) -> Topology:
    return replace(topology, epoch=topology.epoch + 1)


async def test_it_moves_on_and_never_back() -> None:
    topology_store: TopologyStore = charter_of()
    placement: Placement = topology_store
    heard: list[tuple[int, int]] = []
    topology_store.subscribe(lambda before, after: heard.append((before.epoch, after.epoch)))
    for topology in (SECOND, FIRST, SECOND, OTHER, Topology()):
        topology_store.go_over(topology)

    assert topology_store.topology == SECOND
    assert placement.layout.topology == SECOND
    assert heard == [(1, 2)]


async def test_a_claim_is_none_until_it_is_proven() -> None:
    topology_store = charter_of()
    placement: Placement = topology_store
    placement.adopt(SECOND)
    await topology_store.learn(SECOND)
    with pytest.raises(UnavailableError, match="epoch 2 isn't proven to this node yet, which knows epoch 1"):
        await topology_store.prepare(SECOND, Ballot(1, "id-a/x"))
    assert topology_store.topology == FIRST
    assert topology_store.is_behind
    topology_store.settle_claims()
    assert not topology_store.is_behind


async def test_a_fresh_node_adopts_only_what_it_is_in() -> None:
    fresh = charter_of("id-c", Topology())
    fresh.go_over(FIRST)
    assert fresh.topology.is_fresh
    fresh.go_over(SECOND)
    assert fresh.is_member


async def test_the_last_epochs_are_kept_for_those_who_missed_them() -> None:
    topology_store = charter_of()
    topologies = [FIRST, leaving := leave(FIRST, "id-a"), hand_over(leaving)]
    for topology in topologies[1:]:
        topology_store.go_over(topology)
    assert topology_store.account(0) == Account((topologies[-1],))
    assert topology_store.account(1) == Account(tuple(topologies[1:]))
    for _ in range(MAX_RECENT):
        topology_store.go_over(cancelled(topology_store.topology))
    assert len(topology_store.saved.recent) == MAX_RECENT


@pytest.mark.parametrize("ballot", [Ballot(2**64 - 1, "id-a/x"), Ballot(1, "a stranger/x")])
async def test_a_ballot_that_nobody_can_have_is_refused(ballot: Ballot) -> None:
    topology_store = charter_of()
    for ask in (topology_store.prepare(FIRST, ballot), topology_store.accept(FIRST, ballot, SECOND)):
        with pytest.raises(InvalidRequestError, match="ballot"):
            await ask
    assert topology_store.saved.acceptor == Acceptor()


async def test_a_promise_of_a_ballot_that_nobody_can_have_is_void() -> None:
    """Older versions gave it to whoever asked, and wrote it down."""
    accepted = Ballot(1, "id-b/x")
    poisoned = Saved("id-a", FIRST, Acceptor(Ballot(2**64 - 1, "evil"), accepted, SECOND))
    topology_store = TopologyStore(poisoned, Disk(), Drain().drained, lambda: 10**12)
    assert topology_store.saved.acceptor == Acceptor(accepted, accepted, SECOND)


async def test_what_is_learned_is_confirmed_when_it_is_on_disk_and_older_writes_are_done() -> None:
    disk, drain = Disk(), Drain()
    topology_store = trusting(charter_of(disk=disk, drain=drain))
    drain.gate.clear()
    learning = asyncio.create_task(topology_store.learn(SECOND))
    await asyncio.sleep(0.01)
    assert topology_store.topology == SECOND
    assert disk.saved is not None
    assert disk.saved.topology == SECOND
    assert not learning.done()
    assert topology_store.gossiped()["epoch"] == 1
    drain.gate.set()
    assert await learning == SECOND
    assert drain.asked == [2]
    assert topology_store.confirmed == Fence("a" * 16, 2)
    assert topology_store.gossiped()["epoch"] == 2


async def test_nothing_is_confirmed_that_is_not_on_disk() -> None:
    disk = Disk()
    topology_store = trusting(charter_of(disk=disk))
    disk.fails = True
    for _ in range(2):
        with pytest.raises(StoreError):
            await topology_store.learn(SECOND)
        with pytest.raises(StoreError):
            await topology_store.prepare(SECOND, Ballot(1, "id-a/x"))
    assert topology_store.confirmed.epoch == 1
    disk.fails = False
    assert await topology_store.learn(FIRST) == SECOND
    assert disk.saved == topology_store.saved


async def test_a_vote_is_on_disk_before_it_is_reported() -> None:
    disk = Disk()
    topology_store = charter_of(disk=disk)
    ballot = Ballot(1, "id-a/x")
    assert await topology_store.prepare(FIRST, ballot) == Acceptor(ballot)
    assert disk.saved is not None
    assert disk.saved.acceptor == Acceptor(ballot)
    assert await topology_store.accept(FIRST, ballot, SECOND) == Acceptor(ballot, ballot, SECOND)
    assert disk.saved.acceptor == Acceptor(ballot, ballot, SECOND)

    again = TopologyStore(disk.saved, disk, Drain().drained, lambda: 10**12)
    assert await again.prepare(FIRST, Ballot(2, "id-a/y")) == Acceptor(Ballot(2, "id-a/y"), ballot, SECOND)
    assert await again.accept(FIRST, ballot, SECOND) == Acceptor(Ballot(2, "id-a/y"), ballot, SECOND)


async def test_the_votes_of_an_epoch_end_with_it() -> None:
    topology_store = charter_of()
    await topology_store.accept(FIRST, Ballot(1, "id-a/x"), SECOND)
    topology_store.go_over(SECOND)

    assert topology_store.saved.acceptor == Acceptor()
    assert await topology_store.prepare(FIRST, Ballot(9, "id-a/x")) == SECOND


async def test_who_is_asked_for_the_next_epoch_learns_the_one_before() -> None:
    topology_store = trusting(charter_of())
    await topology_store.prepare(SECOND, Ballot(1, "id-a/x"))

    assert topology_store.topology == SECOND


@pytest.mark.parametrize(
    ("node_id", "own", "before"),
    [
        ("id-a", FIRST, OTHER),
        ("id-c", SECOND, SECOND),
        ("id-z", Topology(), FIRST),
        ("id-a2", Topology(), FIRST),
    ],
)
async def test_only_voters_of_the_epoch_vote(node_id: str, own: Topology, before: Topology) -> None:
    with pytest.raises(InvalidRequestError, match="no vote"):
        await charter_of(node_id, own).prepare(before, Ballot(1, "id-a/x"))


async def test_nothing_is_accepted_that_is_no_step() -> None:
    with pytest.raises(InvalidRequestError, match="can't follow epoch 1"):
        await charter_of().accept(FIRST, Ballot(1, "id-a/x"), hand_over(SECOND))


async def test_who_left_remembers_it_and_who_was_removed_does_not() -> None:
    leaving = leave(FIRST, "id-a")
    gone = finish(hand_over(leaving))
    topology_store = charter_of()
    for topology in (leaving, hand_over(leaving), gone):
        topology_store.go_over(topology)
    assert topology_store.saved.has_left
    assert not topology_store.is_member

    surprised = charter_of()
    surprised.go_over(gone)
    assert not surprised.saved.has_left


async def test_a_change_is_waited_for() -> None:
    topology_store = charter_of()
    waiting = asyncio.create_task(topology_store.wait_changed(FIRST))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    topology_store.go_over(SECOND)
    assert await waiting == SECOND
    assert await topology_store.wait_changed(FIRST) == SECOND


async def test_a_node_that_forgets_is_fresh_and_another() -> None:
    topology_store = charter_of()
    topology_store.forget("id-new")
    await topology_store.confirm()

    assert topology_store.topology.is_fresh
    assert topology_store.gossiped() == {
        "node_id": "id-new",
        "cluster_id": "",
        "epoch": 0,
        "has_left": False,
        "rejoins": "",
    }
