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
    """A charter to which nothing is proven; see `trusting`."""
    return TopologyStore(Saved(node_id, topology), disk or Disk(), (drain or Drain()).drained, lambda: 10**12)


def trusting(charter: TopologyStore) -> TopologyStore:
    """A charter to which every claim is proven at once, and every step is right."""

    async def prove(claim: Topology) -> None:
        charter.go_over(claim)

    async def approve(before: Topology, after: Topology) -> None:
        pass

    charter.ask_first(prove, approve)
    return charter


def cancelled(topology: Topology) -> Topology:
    return replace(topology, epoch=topology.epoch + 1)


async def test_it_goes_on_and_never_back() -> None:
    charter: TopologyStore = charter_of()
    placement: Placement = charter
    heard: list[tuple[int, int]] = []
    charter.subscribe(lambda before, after: heard.append((before.epoch, after.epoch)))
    for topology in (SECOND, FIRST, SECOND, OTHER, Topology()):
        charter.go_over(topology)

    assert charter.topology == SECOND
    assert placement.layout.topology == SECOND
    assert heard == [(1, 2)]


async def test_a_claim_is_none_until_it_is_proven() -> None:
    charter = charter_of()
    placement: Placement = charter
    placement.adopt(SECOND)
    await charter.learn(SECOND)
    with pytest.raises(UnavailableError, match="epoch 2 isn't proven to this node yet, which knows epoch 1"):
        await charter.prepare(SECOND, Ballot(1, "id-a/x"))
    assert charter.topology == FIRST
    assert charter.is_behind
    charter.settle_claims()
    assert not charter.is_behind


async def test_a_fresh_node_adopts_only_what_it_is_in() -> None:
    fresh = charter_of("id-c", Topology())
    fresh.go_over(FIRST)
    assert fresh.topology.is_fresh
    fresh.go_over(SECOND)
    assert fresh.is_member


async def test_the_last_epochs_are_kept_for_those_who_missed_them() -> None:
    charter = charter_of()
    topologies = [FIRST, leaving := leave(FIRST, "id-a"), hand_over(leaving)]
    for topology in topologies[1:]:
        charter.go_over(topology)
    assert charter.account(0) == Account((topologies[-1],))
    assert charter.account(1) == Account(tuple(topologies[1:]))
    for _ in range(MAX_RECENT):
        charter.go_over(cancelled(charter.topology))
    assert len(charter.saved.recent) == MAX_RECENT


@pytest.mark.parametrize("ballot", [Ballot(2**64 - 1, "id-a/x"), Ballot(1, "a stranger/x")])
async def test_a_ballot_that_nobody_can_have_is_refused(ballot: Ballot) -> None:
    charter = charter_of()
    for ask in (charter.prepare(FIRST, ballot), charter.accept(FIRST, ballot, SECOND)):
        with pytest.raises(InvalidRequestError, match="ballot"):
            await ask
    assert charter.saved.acceptor == Acceptor()


async def test_a_promise_of_a_ballot_that_nobody_can_have_is_void() -> None:
    """Older versions gave it to whoever asked, and wrote it down."""
    accepted = Ballot(1, "id-b/x")
    poisoned = Saved("id-a", FIRST, Acceptor(Ballot(2**64 - 1, "evil"), accepted, SECOND))
    charter = TopologyStore(poisoned, Disk(), Drain().drained, lambda: 10**12)
    assert charter.saved.acceptor == Acceptor(accepted, accepted, SECOND)


async def test_what_is_learned_is_confirmed_when_it_is_on_disk_and_older_writes_are_done() -> None:
    disk, drain = Disk(), Drain()
    charter = trusting(charter_of(disk=disk, drain=drain))
    drain.gate.clear()
    learning = asyncio.create_task(charter.learn(SECOND))
    await asyncio.sleep(0.01)
    assert charter.topology == SECOND
    assert disk.saved is not None
    assert disk.saved.topology == SECOND
    assert not learning.done()
    assert charter.told()["epoch"] == 1
    drain.gate.set()
    assert await learning == SECOND
    assert drain.asked == [2]
    assert charter.confirmed == Fence("a" * 16, 2)
    assert charter.told()["epoch"] == 2


async def test_nothing_is_confirmed_that_is_not_on_disk() -> None:
    disk = Disk()
    charter = trusting(charter_of(disk=disk))
    disk.fails = True
    for _ in range(2):
        with pytest.raises(StoreError):
            await charter.learn(SECOND)
        with pytest.raises(StoreError):
            await charter.prepare(SECOND, Ballot(1, "id-a/x"))
    assert charter.confirmed.epoch == 1
    disk.fails = False
    assert await charter.learn(FIRST) == SECOND
    assert disk.saved == charter.saved


async def test_a_vote_is_on_disk_before_it_is_told() -> None:
    disk = Disk()
    charter = charter_of(disk=disk)
    ballot = Ballot(1, "id-a/x")
    assert await charter.prepare(FIRST, ballot) == Acceptor(ballot)
    assert disk.saved is not None
    assert disk.saved.acceptor == Acceptor(ballot)
    assert await charter.accept(FIRST, ballot, SECOND) == Acceptor(ballot, ballot, SECOND)
    assert disk.saved.acceptor == Acceptor(ballot, ballot, SECOND)

    again = TopologyStore(disk.saved, disk, Drain().drained, lambda: 10**12)
    assert await again.prepare(FIRST, Ballot(2, "id-a/y")) == Acceptor(Ballot(2, "id-a/y"), ballot, SECOND)
    assert await again.accept(FIRST, ballot, SECOND) == Acceptor(Ballot(2, "id-a/y"), ballot, SECOND)


async def test_the_votes_of_an_epoch_end_with_it() -> None:
    charter = charter_of()
    await charter.accept(FIRST, Ballot(1, "id-a/x"), SECOND)
    charter.go_over(SECOND)

    assert charter.saved.acceptor == Acceptor()
    assert await charter.prepare(FIRST, Ballot(9, "id-a/x")) == SECOND


async def test_who_is_asked_for_the_next_epoch_learns_the_one_before() -> None:
    charter = trusting(charter_of())
    await charter.prepare(SECOND, Ballot(1, "id-a/x"))

    assert charter.topology == SECOND


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
    charter = charter_of()
    for topology in (leaving, hand_over(leaving), gone):
        charter.go_over(topology)
    assert charter.saved.has_left
    assert not charter.is_member

    surprised = charter_of()
    surprised.go_over(gone)
    assert not surprised.saved.has_left


async def test_a_change_is_waited_for() -> None:
    charter = charter_of()
    waiting = asyncio.create_task(charter.wait_changed(FIRST))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    charter.go_over(SECOND)
    assert await waiting == SECOND
    assert await charter.wait_changed(FIRST) == SECOND


async def test_a_node_that_forgets_is_fresh_and_another() -> None:
    charter = charter_of()
    charter.forget("id-new")
    await charter.confirm()

    assert charter.topology.is_fresh
    assert charter.told() == {
        "node_id": "id-new",
        "cluster_id": "",
        "epoch": 0,
        "has_left": False,
        "rejoins": "",
    }
